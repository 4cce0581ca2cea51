// A Lambda function as a team would write it on Node: the runtime's loop, the AWS SDK, otplib and qrcode.
//
// An enrollment makes a secret, its otpauth URI and QR code, and writes one item. A verify reads the item and updates it.
// It has no API keys, no tenants, no challenges and no locks, stores the secret in clear text, and logs nothing.
import http from "node:http";
import { DynamoDBClient, GetItemCommand, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { generateSecret, generateURI, verify as verifyCode } from "otplib";
import QRCode from "qrcode";
import { randomUUID } from "node:crypto";

const TableName = process.env.LATCHKEY_TABLE;
const dynamodb = new DynamoDBClient({ region: process.env.AWS_REGION });
const key = (id) => ({ pk: { S: `peer/${id}` }, sk: { S: "factor" } });

async function enroll({ totp_issuer: issuer, totp_user: label }) {
  const id = randomUUID();
  const secret = generateSecret();
  const uri = generateURI({ issuer, label, secret });
  const qr_code = await QRCode.toDataURL(uri);
  await dynamodb.send(new PutItemCommand({ TableName, Item: { ...key(id), secret: { S: secret } } }));
  return { id, totp: { secret, uri, qr_code } };
}

async function verify(id, { code }) {
  const found = await dynamodb.send(new GetItemCommand({ TableName, Key: key(id), ConsistentRead: true }));
  const { valid, delta } = await verifyCode({ secret: found.Item.secret.S, token: code, epochTolerance: 30 });
  const step = Math.floor(Date.now() / 30_000) + (valid ? delta : 0);
  await dynamodb.send(new UpdateItemCommand({
    TableName,
    Key: key(id),
    UpdateExpression: "SET last_step = :step ADD attempts :one",
    ExpressionAttributeValues: { ":step": { N: String(step) }, ":one": { N: "1" } },
  }));
  return { valid };
}

async function handle(event) {
  const body = JSON.parse(event.body);
  const answer = event.rawPath.endsWith("/verify") ? await verify(event.rawPath.split("/")[3], body) : await enroll(body);
  return { statusCode: 201, headers: { "content-type": "application/json" }, body: JSON.stringify(answer) };
}

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const runtime = (method, path, body) => new Promise((resolve, reject) => {
  const request = http.request({ host, port, agent, method, path: `/2018-06-01/runtime/invocation/${path}` }, (response) => {
    const chunks = [];
    response.on("data", (chunk) => chunks.push(chunk));
    response.on("end", () => resolve({ headers: response.headers, text: Buffer.concat(chunks).toString() }));
  });
  request.on("error", reject).end(body);
});

for (;;) {
  const { headers, text } = await runtime("GET", "next");
  const answer = await handle(JSON.parse(text));
  await runtime("POST", `${headers["lambda-runtime-aws-request-id"]}/response`, JSON.stringify(answer));
}
