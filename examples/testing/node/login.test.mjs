import { WorkOS } from "@workos-inc/node";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret, TOTP } from "otpauth";
import { startLatchkey } from "./latchkey.mjs";

const latchkey = await startLatchkey();
const { hostname, port } = latchkey.url;
const mfa = new WorkOS(latchkey.apiKey, { apiHostname: hostname, port: Number(port), https: false }).multiFactorAuth;

/** Enrolls a phone of its own and texts it a code. */
async function textCode() {
  const phoneNumber = latchkey.newPhone();
  const factor = await mfa.enrollFactor({ type: "sms", phoneNumber });
  const challenge = await mfa.challengeFactor({ authenticationFactorId: factor.id });
  const [message] = await latchkey.messagesTo(phoneNumber);
  return { authenticationChallengeId: challenge.id, code: message.match(/\b\d{6}\b/)[0] };
}

test("a texted code is valid once", async () => {
  const submitted = await textCode();
  assert.equal((await mfa.verifyChallenge(submitted)).valid, true);
  await assert.rejects(mfa.verifyChallenge(submitted), { code: "authentication_challenge_previously_verified" });
});

test("a challenge expires after ten minutes", async () => {
  const submitted = await textCode();
  await latchkey.advance(10 * 60);
  await assert.rejects(mfa.verifyChallenge(submitted), { code: "authentication_challenge_expired" });
});

test("a user logs in with an authenticator app", async () => {
  const factor = await mfa.enrollFactor({ type: "totp", issuer: "Foo Corp", user: "alice@example.com" });
  const challenge = await mfa.challengeFactor({ authenticationFactorId: factor.id });
  // At the server's time, which another test may have turned.
  const app = new TOTP({ secret: Secret.fromBase32(factor.totp.secret) });
  const code = app.generate({ timestamp: (await latchkey.now()).getTime() });
  assert.equal((await mfa.verifyChallenge({ authenticationChallengeId: challenge.id, code })).valid, true);
});
