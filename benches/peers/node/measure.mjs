// What an enrollment costs on Node without a table: otplib and qrcode. Prints microseconds as JSON, one list per operation.
import { generateSecret, generateURI } from "otplib";
import QRCode from "qrcode";

const [uri, runs] = [process.argv[2], Number(process.argv[3])];

async function times(operation) {
  const microseconds = [];
  let result;
  for (let run = 0; run < runs + 50; run++) {
    const start = process.hrtime.bigint();
    result = await operation();
    if (run >= 50) microseconds.push(Number(process.hrtime.bigint() - start) / 1000);
  }
  return { microseconds, characters: result.length };
}

const qr = await times(() => QRCode.toDataURL(uri));
const enroll = await times(() =>
  QRCode.toDataURL(generateURI({ issuer: "Foo Corp", label: "alice@example.com", secret: generateSecret() })));
console.log(JSON.stringify({ qr, enroll }));
