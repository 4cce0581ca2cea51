// Right codes: what an authenticator app computes (RFC 6238), and what a message says.

const STEP = 30;
const DIGITS = 6;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The number of the 30-second step that a time in milliseconds is in. */
export const stepAt = (millis) => Math.floor(millis / 1000 / STEP);

/** Seconds until the next step begins. */
export const untilNextStep = (millis) => STEP - (Math.floor(millis / 1000) % STEP);

/** The code of a step. The page knows the secret from the answer to the enrollment; the server never shows it again. */
export async function totpCode(secret, step) {
  if (!globalThis.crypto?.subtle) throw new Error('This browser cannot compute codes here. Type the one that your app shows.');
  const key = await crypto.subtle.importKey('raw', base32(secret), { name: 'HMAC', hash: 'SHA-1' }, false, ['sign']);
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(step));
  const mac = new DataView(await crypto.subtle.sign('HMAC', key, counter.buffer));
  const number = mac.getUint32(mac.getUint8(19) & 0xf) & 0x7fffffff;
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0');
}

function base32(text) {
  const bits = [...text].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, '0')).join('');
  return Uint8Array.from(bits.match(/.{8}/g), (byte) => parseInt(byte, 2));
}

/** The six digits in the text of a message. */
export const codeIn = (text) => text.match(/(?<!\d)\d{6}(?!\d)/)?.[0];
