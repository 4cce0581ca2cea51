// What the drivers of the Node SDKs know of the server: its address, its clock, its outbox, and codes of a TOTP secret.

import assert from "node:assert/strict";
import { Secret, TOTP } from "otpauth";

export const url = new URL(process.env.LATCHKEY_URL);
export const key = process.env.LATCHKEY_API_KEY;

/** What the local server has for tests; a body makes it a POST. */
export async function dev(path, body) {
  const answer = await fetch(new URL(`/_dev/${path}`, url), body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `/_dev/${path}: ${answer.status}`);
  return answer.status === 204 ? undefined : answer.json();
}

/** An answer of the API without an SDK. */
export const raw = (method, path, body) => fetch(new URL(path, url), {
  method,
  headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
  ...(body && { body: JSON.stringify(body) }),
});

/** A POST without an SDK, which has to answer 201. */
export async function post(path, body) {
  const answer = await raw("POST", path, body);
  assert.equal(answer.status, 201, path);
  return answer.json();
}

/** A GET without an SDK, which has to answer 200. */
export async function get(path) {
  const answer = await raw("GET", path);
  assert.equal(answer.status, 200, path);
  return answer.json();
}

export const advance = (seconds) => dev("clock", { advance_seconds: seconds });
export const textsTo = async (phone) => (await dev("sms")).filter(({ to }) => to === phone).map(({ message }) => message);
export const codeIn = (text) => text.match(/\b[0-9]{6}\b/)[0];
export const otherCode = (code) => String((Number(code) + 1) % 1_000_000).padStart(6, "0");

/** The codes of a secret at steps from the server's current one. */
async function totpCodes(secret, steps) {
  const now = Date.parse((await dev("clock")).now);
  const totp = new TOTP({ secret: Secret.fromBase32(secret) });
  return steps.map((step) => totp.generate({ timestamp: now + step * 30_000 }));
}

export const totpCode = async (secret) => (await totpCodes(secret, [0]))[0];

/** A code of none of the steps the server may accept, nor of the next, should one begin meanwhile. */
export async function wrongTotpCode(secret) {
  const near = await totpCodes(secret, [-2, -1, 0, 1, 2, 3]);
  return [..."0123456"].map((digit) => digit.repeat(6)).find((code) => !near.includes(code));
}
