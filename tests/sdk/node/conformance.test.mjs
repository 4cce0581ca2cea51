// The official Node SDK, unmodified, against a local server.
//
// python/test_conformance.py holds the same list for the Python SDK. At the end stands what no current SDK sends any
// more but deployed ones do, by plain HTTP (contract §1 and §2).

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import {
  GenericServerException,
  NotFoundException,
  UnauthorizedException,
  UnprocessableEntityException,
  WorkOS,
} from "@workos-inc/node";
import jsQR from "jsqr";
import { Secret, TOTP, URI } from "otpauth";
import { PNG } from "pngjs";

const url = new URL(process.env.LATCHKEY_URL);
const clientWith = (apiKey) => new WorkOS({ apiKey, apiHostname: url.hostname, port: Number(url.port), https: false });
const workos = clientWith(process.env.LATCHKEY_API_KEY);
const mfa = workos.multiFactorAuth;

// A number of its own for every SMS test: limits on a number must not reach from one test into another.
let phones = 100;
const newPhone = () => `+1213555${String(phones++).padStart(4, "0")}`;
const newUser = () => `user_${randomUUID()}`;

const UNKNOWN_FACTOR = "auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ";
// API Gateway hands functions the path decoded, so behind it a slash in an id separates.
const ODD_ID = process.env.LATCHKEY_GATEWAY ? "a b c" : "a/b c";
/** A UUID from the local server, the gateway's own ID from a function. */
const REQUEST_ID = /^[\w+/=-]{16,64}$/;
const TEN_MINUTES = 10 * 60;

/** What the local server has for tests; a body makes it a POST. */
async function dev(path, body) {
  const answer = await fetch(new URL(`/_dev/${path}`, url), body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200);
  return answer.json();
}

/** The server's time in ms: tests before this one have moved its clock. */
const serverTime = async () => Date.parse((await dev("clock")).now);
const advance = (seconds) => dev("clock", { advance_seconds: seconds });
const textsTo = async (phone) => (await dev("sms")).filter(({ to }) => to === phone).map(({ message }) => message);

const enrollTotp = () => mfa.enrollFactor({ type: "totp", issuer: "Foo Corp", user: "alan@foo-corp.com" });
const challengeOf = ({ id }) => mfa.challengeFactor({ authenticationFactorId: id });
const verify = ({ id }, code) => mfa.verifyChallenge({ authenticationChallengeId: id, code });

const totp = (secret) => new TOTP({ secret: Secret.fromBase32(secret) });
const totpCode = async (secret) => totp(secret).generate({ timestamp: await serverTime() });

/** A code of none of the steps the server may accept, nor of the next, should one begin meanwhile. */
async function wrongTotpCode(secret) {
  const now = await serverTime();
  const near = [-2, -1, 0, 1, 2, 3].map((step) => totp(secret).generate({ timestamp: now + step * 30_000 }));
  return [..."0123456"].map((digit) => digit.repeat(6)).find((code) => !near.includes(code));
}

const otherCode = (code) => String((Number(code) + 1) % 1_000_000).padStart(6, "0");
const codeIn = (text) => text.match(/\b[0-9]{6}\b/)[0];
const lifetime = ({ createdAt, expiresAt }) => (Date.parse(expiresAt) - Date.parse(createdAt)) / 1_000;

/** The error of a call, which has to be of that class, with that code and a request id. */
async function refused(call, Class, code) {
  const error = await call.then(() => assert.fail("the call succeeded"), (error) => error);
  assert.ok(error instanceof Class, `${error.name}: ${error.message}`);
  assert.equal(error.code, code);
  assert.match(error.requestID, REQUEST_ID);
  return error;
}

test("a totp enrollment has its five fields", async () => {
  const factor = await enrollTotp();
  assert.match(factor.id, /^auth_factor_[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.match(factor.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(factor.object, "authentication_factor");
  assert.equal(factor.type, "totp");
  assert.equal(factor.totp.issuer, "Foo Corp");
  assert.equal(factor.totp.user, "alan@foo-corp.com");
  // assert.ok tells the expression and not its values, which are secrets here.
  assert.ok(/^[A-Z2-7]{32}$/.test(factor.totp.secret));
  const parsed = URI.parse(factor.totp.uri);
  assert.ok(parsed.secret.base32 === factor.totp.secret);
  assert.equal(parsed.issuer, "Foo Corp");
  assert.equal(parsed.label, "alan@foo-corp.com");
});

test("the qr code reads as the uri", async () => {
  const { qrCode, uri } = (await enrollTotp()).totp;
  const [kind, image] = qrCode.split(",");
  assert.equal(kind, "data:image/png;base64");
  const { data, width, height } = PNG.sync.read(Buffer.from(image, "base64"));
  assert.ok(jsQR(new Uint8ClampedArray(data), width, height)?.data === uri);
});

test("a totp challenge lasts ten minutes and shows no code", async () => {
  const factor = await enrollTotp();
  const challenge = await challengeOf(factor);
  assert.match(challenge.id, /^auth_challenge_[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal(challenge.object, "authentication_challenge");
  assert.equal(challenge.authenticationFactorId, factor.id);
  assert.equal(lifetime(challenge), TEN_MINUTES);
  assert.equal(challenge.code, undefined);
});

test("a wrong code is an answer and not an error", async () => {
  const factor = await enrollTotp();
  const challenge = await challengeOf(factor);
  const verification = await verify(challenge, await wrongTotpCode(factor.totp.secret));
  assert.deepEqual(verification, { challenge, valid: false });
});

test("the right code verifies", async () => {
  const factor = await enrollTotp();
  const challenge = await challengeOf(factor);
  const verification = await verify(challenge, await totpCode(factor.totp.secret));
  assert.deepEqual(verification, { challenge, valid: true });
});

test("the right code verifies after a wrong one", async () => {
  const factor = await enrollTotp();
  const challenge = await challengeOf(factor);
  assert.equal((await verify(challenge, await wrongTotpCode(factor.totp.secret))).valid, false);
  assert.equal((await verify(challenge, await totpCode(factor.totp.secret))).valid, true);
});

test("a challenge verifies once", async () => {
  const factor = await enrollTotp();
  const challenge = await challengeOf(factor);
  const code = await totpCode(factor.totp.secret);
  assert.equal((await verify(challenge, code)).valid, true);
  const error = await refused(
    verify(challenge, code),
    UnprocessableEntityException,
    "authentication_challenge_previously_verified",
  );
  assert.equal(error.message, `The authentication challenge '${challenge.id}' has already been verified.`);
});

test("a totp code verifies once per factor", async () => {
  const factor = await enrollTotp();
  const code = await totpCode(factor.totp.secret);
  assert.equal((await verify(await challengeOf(factor), code)).valid, true);
  const fresh = await challengeOf(factor);
  assert.equal((await verify(fresh, code)).valid, false);
  // Two steps on, so that the new code is not the spent step's by any reading of the skew.
  await advance(60);
  assert.equal((await verify(fresh, await totpCode(factor.totp.secret))).valid, true);
});

test("five wrong codes close a challenge to the right one", async () => {
  const factor = await enrollTotp();
  const challenge = await challengeOf(factor);
  const wrong = await wrongTotpCode(factor.totp.secret);
  for (let guess = 1; guess <= 5; guess++) assert.equal((await verify(challenge, wrong)).valid, false);
  const right = verify(challenge, await totpCode(factor.totp.secret));
  // The SDK's BadRequestException is for bodies with `errors`; any other 400 is this class.
  const error = await refused(right, GenericServerException, "one_time_code_too_many_attempts");
  assert.equal(error.status, 400);
});

test("a code that is not six digits is refused and costs no attempt", async () => {
  const factor = await enrollTotp();
  const challenge = await challengeOf(factor);
  for (const text of ["", "12345", "1234567", "12345a", " 12345", "１２３４５６"]) {
    await refused(verify(challenge, text), UnprocessableEntityException, "invalid_request_parameters");
  }
  assert.equal((await verify(challenge, await totpCode(factor.totp.secret))).valid, true);
});

test("an sms code arrives in the template and verifies", async () => {
  const phoneNumber = newPhone();
  const factor = await mfa.enrollFactor({ type: "sms", phoneNumber });
  assert.equal(factor.type, "sms");
  assert.deepEqual(factor.sms, { phoneNumber });
  const smsTemplate = "Foo Corp: {{code}} is your code";
  const challenge = await mfa.challengeFactor({ authenticationFactorId: factor.id, smsTemplate });
  assert.equal(challenge.code, undefined);
  assert.equal(lifetime(challenge), TEN_MINUTES);
  const texts = await textsTo(phoneNumber);
  assert.equal(texts.length, 1);
  const code = codeIn(texts[0]);
  assert.ok(texts[0] === smsTemplate.replace("{{code}}", code));
  assert.deepEqual(await verify(challenge, otherCode(code)), { challenge, valid: false });
  assert.deepEqual(await verify(challenge, code), { challenge, valid: true });
});

test("an sms code arrives in the default text and verifies", async () => {
  const phoneNumber = newPhone();
  const challenge = await challengeOf(await mfa.enrollFactor({ type: "sms", phoneNumber }));
  const texts = await textsTo(phoneNumber);
  assert.equal(texts.length, 1);
  assert.equal((await verify(challenge, codeIn(texts[0]))).valid, true);
});

for (const type of ["totp", "sms", "generic_otp"]) {
  test(`a challenge of a ${type} factor expires after ten minutes`, async () => {
    const phoneNumber = newPhone();
    const factor = type === "totp" ? await enrollTotp() : await mfa.enrollFactor({ type, phoneNumber });
    const challenge = await challengeOf(factor);
    await advance(TEN_MINUTES);
    const code = {
      totp: () => totpCode(factor.totp.secret),
      sms: async () => codeIn((await textsTo(phoneNumber))[0]),
      generic_otp: () => challenge.code,
    }[type];
    const error = await refused(
      verify(challenge, await code()),
      UnprocessableEntityException,
      "authentication_challenge_expired",
    );
    assert.equal(error.message, `The authentication challenge '${challenge.id}' has expired.`);
  });
}

for (const phoneNumber of ["foo", "73", "12135550123"]) {
  test(`'${phoneNumber}' is refused as a number, since it is not E.164`, async () => {
    const enrollment = mfa.enrollFactor({ type: "sms", phoneNumber });
    const error = await refused(enrollment, UnprocessableEntityException, "invalid_phone_number");
    assert.equal(error.message, `Phone number is invalid: '${phoneNumber}'`);
  });
}

test("a factor shows its secrets only at enrollment", async () => {
  const enrolled = await enrollTotp();
  const factor = await mfa.getFactor(enrolled.id);
  assert.deepEqual(factor, { ...enrolled, totp: { issuer: "Foo Corp", user: "alan@foo-corp.com" } });
  // The SDK's own model has no place for a secret; the raw answer shows that none was sent.
  const { data } = await workos.get(`/auth/factors/${enrolled.id}`);
  assert.deepEqual(Object.keys(data.totp).sort(), ["issuer", "user"]);
});

test("a deleted factor is gone and so are its challenges", async () => {
  const factor = await enrollTotp();
  const challenge = await challengeOf(factor);
  assert.equal(await mfa.deleteFactor(factor.id), undefined);
  await refused(mfa.getFactor(factor.id), NotFoundException, "entity_not_found");
  await refused(challengeOf(factor), NotFoundException, "entity_not_found");
  await refused(mfa.deleteFactor(factor.id), NotFoundException, "entity_not_found");
  const code = await totpCode(factor.totp.secret);
  await refused(verify(challenge, code), NotFoundException, "entity_not_found");
});

test("a generic code is in the challenge and verifies", async () => {
  const factor = await mfa.enrollFactor({ type: "generic_otp" });
  assert.equal(factor.type, "generic_otp");
  assert.deepEqual(await mfa.getFactor(factor.id), factor);
  const challenge = await challengeOf(factor);
  assert.ok(/^[0-9]{6}$/.test(challenge.code));
  assert.equal((await verify(challenge, otherCode(challenge.code))).valid, false);
  const verification = await verify(challenge, challenge.code);
  assert.equal(verification.valid, true);
  assert.ok(verification.challenge.code === challenge.code);
});

for (const id of [UNKNOWN_FACTOR, "auth_factor_invalid", ODD_ID]) {
  test(`the factor '${id}' is not found`, async () => {
    for (const call of [() => mfa.getFactor(id), () => challengeOf({ id }), () => mfa.deleteFactor(id)]) {
      const error = await refused(call(), NotFoundException, "entity_not_found");
      assert.equal(error.message, `Authentication Factor not found: '${id}'.`);
    }
  });
}

test("a wrong api key is not authenticated", async () => {
  const stranger = clientWith("sk_local_wrong").multiFactorAuth;
  // The SDK's own exception has no room for the code.
  const error = await refused(stranger.enrollFactor({ type: "generic_otp" }), UnauthorizedException, undefined);
  assert.equal(error.status, 401);
});

test("every error carries a request id of its own", async () => {
  const first = await refused(mfa.getFactor(UNKNOWN_FACTOR), NotFoundException, "entity_not_found");
  const second = await refused(mfa.getFactor(UNKNOWN_FACTOR), NotFoundException, "entity_not_found");
  assert.notEqual(first.requestID, second.requestID);
});

test("a user enrolls with a factor and a challenge that verifies", async () => {
  const userId = newUser();
  const { authenticationFactor: factor, authenticationChallenge: challenge } = await mfa.createUserAuthFactor({
    userId,
    type: "totp",
    totpIssuer: "Foo Corp",
    totpUser: "alan@foo-corp.com",
  });
  assert.equal(factor.type, "totp");
  assert.equal(factor.userId, userId);
  assert.equal(factor.totp.issuer, "Foo Corp");
  assert.equal(challenge.authenticationFactorId, factor.id);
  assert.equal(challenge.code, undefined);
  assert.equal((await verify(challenge, await totpCode(factor.totp.secret))).valid, true);
});

test("a user keeps an imported secret", async () => {
  const totpSecret = new Secret({ size: 20 }).base32;
  const enrolled = await mfa.createUserAuthFactor({ userId: newUser(), type: "totp", totpSecret });
  // Without an issuer and an account name the server chooses them; an authenticator app needs both.
  const { totp } = enrolled.authenticationFactor;
  assert.ok(totp.issuer && totp.user);
  assert.ok(totp.secret === totpSecret);
  assert.equal((await verify(enrolled.authenticationChallenge, await totpCode(totpSecret))).valid, true);
});

test("a user's totp factors are listed page by page and no others", async () => {
  const userId = newUser();
  const ids = [];
  for (let n = 0; n < 3; n++) {
    ids.unshift((await mfa.createUserAuthFactor({ userId, type: "totp" })).authenticationFactor.id);
  }
  // This SDK's enrollFactor cannot name the user, so its raw request does.
  await workos.post("/auth/factors/enroll", { type: "sms", phone_number: newPhone(), user_id: userId });
  await mfa.createUserAuthFactor({ userId: newUser(), type: "totp" });

  // Given a limit, this SDK's autoPagination stops after one page: its cursor has to be followed by hand.
  const listed = [];
  let after;
  do {
    const page = await mfa.listUserAuthFactors({ userId, limit: 1, after });
    listed.push(...page.data);
    after = page.listMetadata.after;
  } while (after && listed.length <= ids.length);
  assert.deepEqual(listed.map(({ id }) => id), ids);
  assert.ok(listed.every((factor) => factor.type === "totp" && factor.userId === userId));

  const all = await (await mfa.listUserAuthFactors({ userId })).autoPagination();
  assert.deepEqual(all, listed);
  const newest = ids[0];
  const older = await (await mfa.listUserAuthFactors({ userId, after: newest })).autoPagination();
  assert.deepEqual(older.map(({ id }) => id), ids.slice(1));
});

test("the auto-pagination goes beyond its page of a hundred and ends", async () => {
  const userId = newUser();
  for (let n = 0; n < 101; n++) await mfa.createUserAuthFactor({ userId, type: "totp" });
  const all = await (await mfa.listUserAuthFactors({ userId })).autoPagination();
  assert.equal(new Set(all.map(({ id }) => id)).size, 101);
  assert.equal(all.length, 101);
});

test("a user without factors has an empty list", async () => {
  const page = await mfa.listUserAuthFactors({ userId: newUser() });
  assert.deepEqual(page.data, []);
  assert.deepEqual(page.listMetadata, { before: null, after: null });
});

// What older SDKs put on the wire, byte by byte.

/** A request with exactly this text as its body, and its answer as status and JSON. */
async function send(method, path, body) {
  const answer = await fetch(new URL(path, url), {
    method,
    headers: { Authorization: `Bearer ${process.env.LATCHKEY_API_KEY}`, "Content-Type": "application/json" },
    body,
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, data: text && JSON.parse(text) };
}

const post = (path, body) => send("POST", path, body);

test("an answer is json with a request id", async () => {
  const { headers } = await post("/auth/factors/enroll", '{"type":"generic_otp"}');
  assert.match(headers.get("content-type"), /^application\/json\b/);
  assert.match(headers.get("x-request-id"), REQUEST_ID);
});

test("the legacy routes challenge and verify by ids in the body", async () => {
  const factor = await enrollTotp();
  const challenged = await post("/auth/factors/challenge", JSON.stringify({ authentication_factor_id: factor.id }));
  assert.equal(challenged.status, 201);
  assert.equal(challenged.data.authentication_factor_id, factor.id);
  assert.equal(Date.parse(challenged.data.expires_at) - Date.parse(challenged.data.created_at), TEN_MINUTES * 1_000);
  assert.ok(!("code" in challenged.data));

  const given = (code) => JSON.stringify({ authentication_challenge_id: challenged.data.id, code });
  const wrong = await post("/auth/factors/verify", given(await wrongTotpCode(factor.totp.secret)));
  assert.equal(wrong.status, 201);
  assert.deepEqual(wrong.data, { challenge: challenged.data, valid: false });
  const code = await totpCode(factor.totp.secret);
  const right = await post("/auth/factors/verify", given(code));
  assert.equal(right.status, 201);
  assert.deepEqual(right.data, { challenge: challenged.data, valid: true });
  const again = await post("/auth/factors/verify", given(code));
  assert.equal(again.status, 422);
  assert.equal(again.data.code, "authentication_challenge_previously_verified");
});

test("the legacy routes find no unknown ids and need one", async () => {
  const unknown = await post("/auth/factors/challenge", `{"authentication_factor_id":"${UNKNOWN_FACTOR}"}`);
  assert.equal(unknown.status, 404);
  assert.equal(unknown.data.code, "entity_not_found");
  const challenge = "auth_challenge_01FZ4W3XG1VD8ZD5TXSYQMFMSR";
  const never = await post("/auth/factors/verify", `{"authentication_challenge_id":"${challenge}","code":"123456"}`);
  assert.equal(never.status, 404);
  assert.equal(never.data.code, "entity_not_found");
  for (const path of ["/auth/factors/challenge", "/auth/factors/verify"]) {
    const nameless = await post(path, "{}");
    assert.equal(nameless.status, 422);
    assert.equal(nameless.data.code, "invalid_request_parameters");
  }
});

for (const body of ["{}", "[]", "null", "", undefined, '{"sms_template":null}', '{"sms_template":""}']) {
  test(`a challenge without a template may be ${body === undefined ? "no body" : `the body '${body}'`}`, async () => {
    const phoneNumber = newPhone();
    const sms = await mfa.enrollFactor({ type: "sms", phoneNumber });
    for (const { id } of [sms, await enrollTotp()]) {
      const { status, data } = await post(`/auth/factors/${id}/challenge`, body);
      assert.equal(status, 201);
      assert.equal(data.authentication_factor_id, id);
    }
    assert.equal((await textsTo(phoneNumber)).length, 1);
  });
}

for (const template of ["null", '""']) {
  test(`a legacy challenge without a template may say ${template}`, async () => {
    const phoneNumber = newPhone();
    const { id } = await mfa.enrollFactor({ type: "sms", phoneNumber });
    const body = `{"sms_template":${template},"authentication_factor_id":"${id}"}`;
    assert.equal((await post("/auth/factors/challenge", body)).status, 201);
    assert.equal((await textsTo(phoneNumber)).length, 1);
  });
}

for (const absent of ["null", '""']) {
  test(`a field an enrollment does not use may be ${absent}`, async () => {
    for (const body of [
      `{"type":"totp","totp_issuer":"Foo Corp","totp_user":"alan","phone_number":${absent},"user_id":${absent}}`,
      `{"type":"sms","phone_number":"${newPhone()}","totp_issuer":${absent},"totp_user":${absent}}`,
      `{"type":"generic_otp","totp_issuer":${absent},"totp_user":${absent},"phone_number":${absent}}`,
    ]) {
      const { status, data } = await post("/auth/factors/enroll", body);
      assert.equal(status, 201);
      assert.ok(!("user_id" in data) && !Object.values(data).includes(null));
    }
    const labels = `{"type":"totp","totp_issuer":${absent},"totp_user":${absent},"totp_secret":${absent}}`;
    assert.equal((await post(`/user_management/users/${newUser()}/auth_factors`, labels)).status, 201);
  });
}

for (const body of ["{}", "[]", "null", "", undefined, '{"type":null}', '{"type":""}']) {
  test(`an enrollment without a type is invalid as ${body === undefined ? "no body" : `'${body}'`}`, async () => {
    const { status, data } = await post("/auth/factors/enroll", body);
    assert.equal(status, 422);
    assert.equal(data.code, "invalid_request_parameters");
    assert.deepEqual(data.errors.map(({ field }) => field), ["type"]);
    assert.ok(!("error" in data));
  });
}

test("a delete may have a body and is answered without one", async () => {
  const { id } = await mfa.enrollFactor({ type: "generic_otp" });
  const { status, data } = await send("DELETE", `/auth/factors/${id}`, "{}");
  assert.equal(status, 204);
  assert.equal(data, "");
});

test("a path may end in an empty query", async () => {
  const { id } = await mfa.enrollFactor({ type: "generic_otp" });
  assert.equal((await send("GET", `/auth/factors/${id}?`)).status, 200);
});
