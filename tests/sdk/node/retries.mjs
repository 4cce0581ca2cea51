// The newest Node SDK's own retries, against a server whose calls fail: what one call of an application must not do twice.
//
// The flows run with faults. Then the faults are switched off, and the server's own state is compared with what the SDK
// returned. Prints the counts, and fails if one that must be 0 is not. `../python/retries.py` does the same.

import { WorkOS } from "@workos-inc/node";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { dev, get, key, raw, totpCode, url, wrongTotpCode } from "./server.mjs";

const version = JSON.parse(readFileSync(new URL("package.json", import.meta.url))).devDependencies["@workos-inc/node"];

const FLOWS = 200;
const AT_ONCE = 20;

const mfa = new WorkOS(key, { apiHostname: url.hostname, port: Number(url.port), https: false }).multiFactorAuth;

/** A number of its own for every flow, in ranges that stay below their limits. */
const phone = (n) => `+1${205 + (n % 4)}555${String(1_000 * (Math.floor(n / 4) % 9) + n).padStart(4, "0")}`;

/** What a call of the SDK returned, or the error it threw, which has to be one of the API's. */
async function called(call) {
  try {
    return { value: await call };
  } catch (error) {
    assert.ok(typeof error.status === "number", `${error.name}: ${error.message}`);
    return { error };
  }
}

async function run(number) {
  const flow = { userId: `user_${randomUUID()}`, phone: phone(number) };
  flow.enrolled = await called(mfa.createUserAuthFactor({ userId: flow.userId, type: "totp" }));
  if (flow.enrolled.value) {
    const { authenticationFactor: factor, authenticationChallenge: challenge } = flow.enrolled.value;
    flow.challengeId = challenge.id;
    const wrong = await wrongTotpCode(factor.totp.secret);
    flow.wrong = await called(mfa.verifyChallenge({ authenticationChallengeId: challenge.id, code: wrong }));
    const second = await called(mfa.challengeFactor({ authenticationFactorId: factor.id }));
    if (second.value) {
      const code = await totpCode(factor.totp.secret);
      flow.right = await called(mfa.verifyChallenge({ authenticationChallengeId: second.value.id, code }));
    }
  }
  const sms = await called(mfa.enrollFactor({ type: "sms", phoneNumber: flow.phone }));
  if (sms.value) flow.text = await called(mfa.challengeFactor({ authenticationFactorId: sms.value.id }));
  return flow;
}

/** The number of wrong guesses that a challenge still accepts. Of five, the others are spent. */
async function guessesLeft(challengeId) {
  for (let left = 0; ; left++) {
    const { status } = await raw("POST", `/auth/challenges/${challengeId}/verify`, { code: "000000" });
    if (status !== 201) return left;
  }
}

const flows = [];
let next = 0;
const worker = async () => {
  while (next < FLOWS) flows.push(await run(next++));
};
await Promise.all(Array.from({ length: AT_ONCE }, worker));
const faults = Object.values(await dev("faults")).reduce((sum, count) => sum + count, 0);
await dev("faults", { share: 0 });
assert.ok(faults > 0, "no call failed");

const outbox = await dev("sms");
const counts = { "calls that failed in the end": 0 };
const never = {
  "texts promised and not sent": 0,
  "second texts": 0,
  "cooldowns without a text": 0,
  "lost verdicts": 0,
  "wrong codes accepted": 0,
  "left-over factors": 0,
  "guesses spent twice": 0,
};
for (const { userId, phone, challengeId, enrolled, wrong, right, text } of flows) {
  counts["calls that failed in the end"] += [enrolled, wrong, right, text].filter((end) => end?.error).length;
  const factors = (await get(`/user_management/users/${userId}/auth_factors`)).data.length;
  never["left-over factors"] += factors - (enrolled.value ? 1 : 0);
  if (wrong) never["guesses spent twice"] += Math.max(0, 4 - (await guessesLeft(challengeId)));
  never["wrong codes accepted"] += wrong?.value?.valid ? 1 : 0;
  // A call that ends in 503 loses no verdict: the application knows that it has to ask again.
  never["lost verdicts"] += right?.value?.valid === false || (right?.error && right.error.status < 500) ? 1 : 0;
  if (!text) continue;
  const texts = outbox.filter(({ to }) => to === phone).length;
  never["texts promised and not sent"] += text.value && texts === 0 ? 1 : 0;
  never["second texts"] += Math.max(0, texts - 1);
  never["cooldowns without a text"] += text.error?.status === 422 && texts === 0 ? 1 : 0;
}
const list = (counted) => Object.entries(counted).map(([what, count]) => `${count} ${what}`).join(", ");
const share = Number(process.env.LATCHKEY_FAULTS);
console.log(`node-${version}, ${flows.length} flows, ${faults} faults at ${share}: ${list(never)}; ${list(counts)}`);
assert.deepEqual(Object.values(never).filter((count) => count > 0), []);
