// How long `qrcode`, which npm installs most often for this, takes for the text of main.rs.
import QRCode from "qrcode";

const uri =
  "otpauth://totp/Foo%20Corp:alice.anderson@foo-corp.com?secret=LNASAT3PGQDTE5J4M4YDCTTOPZGBCAIW" +
  "&issuer=Foo%20Corp&algorithm=SHA1&digits=6&period=30";
const microseconds = [];
let image;
for (let run = 0; run < 550; run++) {
  const start = process.hrtime.bigint();
  image = await QRCode.toDataURL(uri);
  if (run >= 50) microseconds.push(Number(process.hrtime.bigint() - start) / 1000);
}
microseconds.sort((a, b) => a - b);
const [low, median, high] = [50, 250, 450].map((at) => microseconds[at].toFixed(1));
console.log(`qrcode on Node: ${median} µs (${low} to ${high}), ${image.length} characters, ${uri.length} bytes of text`);
