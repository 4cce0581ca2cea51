// Every version of the Node SDK in package.json, through its own methods. Prints a line for each operation: the version,
// the column of docs/COMPATIBILITY.md, what came of it, and why. `../table.py` reads them.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import jsQR from "jsqr";
import { Secret } from "otpauth";
import { PNG } from "pngjs";
import { advance, codeIn, get, key, post, textsTo, totpCode, url, wrongTotpCode } from "./server.mjs";

const require = createRequire(import.meta.url);

// A number of its own for every text message.
let phones = 100;
const newPhone = () => `+1415555${String(phones++).padStart(4, "0")}`;
const newUser = () => `user_${randomUUID()}`;

const ABSENT = Symbol("this version has no such method");
const need = (method) => {
  if (!method) throw ABSENT;
  return method;
};

/** The methods of a version, under one set of names. */
function sdk(version, apiKey = key) {
  const { WorkOS } = require(`workos-${version}`);
  const workos = new WorkOS(apiKey, { apiHostname: url.hostname, port: Number(url.port), https: false });
  const major = Number(version.split(".")[0]);
  const mfa = major < 9 ? workos.mfa : workos.multiFactorAuth;
  const users = { 2: undefined, 3: workos.users }[major] ?? (major < 9 ? workos.userManagement : mfa);
  const enrollUser = users?.enrollAuthFactor ?? users?.createUserAuthFactor;
  const listUser = users?.listAuthFactors ?? users?.listUserAuthFactors;
  return {
    enroll: (options) => mfa.enrollFactor(options),
    get: (id) => mfa.getFactor(id),
    delete: (id) => mfa.deleteFactor(id),
    challenge: (id, smsTemplate) =>
      mfa.challengeFactor({ authenticationFactorId: id, ...(smsTemplate && { smsTemplate }) }),
    verify: (id, code) =>
      (mfa.verifyChallenge ?? mfa.verifyFactor).call(mfa, { authenticationChallengeId: id, code }),
    enrollUser: major >= 3 && ((options) => enrollUser.call(users, { type: "totp", ...options })),
    listUser: major >= 3 && ((options) => listUser.call(users, options)),
    hasImport: major >= 7,
    isLegacy: /^2\.[5-7]\./.test(version),
  };
}

/** Before version 3, the SDK returned the API's own names. */
const field = (object, camel) => object[camel] ?? object[camel.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)];
const enrollTotp = (s) => s.enroll({ type: "totp", issuer: "Foo Corp", user: "alan@foo-corp.com" });
const enrollSms = (s, phoneNumber = newPhone()) => s.enroll({ type: "sms", phoneNumber });

/** The call has to throw an error of that status that says that. */
async function refused(call, status, says) {
  const error = await call.then(() => assert.fail("the call succeeded"), (error) => error);
  assert.equal(error.status, status, error.message);
  assert.match([error.code, error.rawData?.code, error.message].join(" "), says);
}

/** A challenge of a new TOTP factor, and its right code. */
async function login(s) {
  const factor = await enrollTotp(s);
  return { factor, challenge: await s.challenge(factor.id), code: await totpCode(factor.totp.secret) };
}

/** A TOTP factor with every field that an answer can have: it has a name and was verified once. Made without an SDK. */
async function usedTotp(user_id) {
  const body = { type: "totp", totp_issuer: "Foo Corp", totp_user: "alan@foo-corp.com", user_id, name: "Work phone" };
  const { id, totp } = await post("/auth/factors/enroll", body);
  const challenge = await post(`/auth/factors/${id}/challenge`, {});
  await post(`/auth/challenges/${challenge.id}/verify`, { code: await totpCode(totp.secret) });
  const { name, last_used_at } = await get(`/auth/factors/${id}`);
  assert.ok(name === "Work phone" && last_used_at);
  return id;
}

async function isListed(s) {
  const userId = newUser();
  const path = `/user_management/users/${userId}/auth_factors`;
  const ids = [];
  for (let n = 0; n < 3; n++) {
    ids.unshift((await post(path, { type: "totp", name: `Phone ${n}` })).authentication_factor.id);
  }
  await post("/auth/factors/enroll", { type: "sms", phone_number: newPhone(), user_id: userId });
  const listed = [];
  let after;
  do {
    const page = await need(s.listUser)({ userId, limit: 2, ...(after && { after }) });
    assert.ok(page.data.length <= 2);
    listed.push(...page.data);
    after = field(page, "listMetadata").after;
  } while (after && listed.length <= ids.length);
  assert.deepEqual(listed.map(({ id }) => id), ids);
  assert.ok(listed.every(({ type }) => type === "totp"));
}

/** A user with 101 factors, made once. */
let crowd;
async function crowdedUser() {
  if (crowd) return crowd;
  crowd = newUser();
  for (let n = 0; n < 101; n++) await post(`/user_management/users/${crowd}/auth_factors`, { type: "totp" });
  return crowd;
}

const requests = [];
subscribe("http.client.request.start", ({ request }) => requests.push(`${request.method} ${request.path}`));

const COLUMNS = {
  async 1(s) {
    const { id, totp } = await enrollTotp(s);
    assert.match(id, /^auth_factor_/);
    assert.deepEqual([totp.issuer, totp.user], ["Foo Corp", "alan@foo-corp.com"]);
    assert.ok(/^[A-Z2-7]{32}$/.test(totp.secret) && totp.uri.startsWith("otpauth://totp/"));
    const [kind, image] = field(totp, "qrCode").split(",");
    assert.equal(kind, "data:image/png;base64");
    const { data, width, height } = PNG.sync.read(Buffer.from(image, "base64"));
    assert.ok(jsQR(new Uint8ClampedArray(data), width, height)?.data === totp.uri, "the QR code is not the URI");
  },
  async 2(s) {
    const phone = newPhone();
    const factor = await enrollSms(s, phone);
    assert.equal(factor.type, "sms");
    assert.equal(field(factor.sms, "phoneNumber"), phone);
  },
  async 3(s) {
    const { id } = await s.enroll({ type: "generic_otp" });
    const challenge = await s.challenge(id);
    assert.match(challenge.code, /^[0-9]{6}$/);
    assert.equal((await s.verify(challenge.id, challenge.code)).valid, true);
  },
  async 4(s) {
    const id = await usedTotp(newUser());
    const factor = await s.get(id);
    assert.deepEqual([factor.id, factor.totp.issuer, factor.totp.user], [id, "Foo Corp", "alan@foo-corp.com"]);
    assert.equal(factor.totp.secret ?? factor.totp.uri ?? field(factor.totp, "qrCode"), undefined);
  },
  async 5(s) {
    const { factor, challenge } = await login(s);
    assert.equal(field(challenge, "authenticationFactorId"), factor.id);
    assert.equal(Date.parse(field(challenge, "expiresAt")) - Date.parse(field(challenge, "createdAt")), 600_000);
    assert.equal(challenge.code, undefined);
  },
  async 6(s) {
    const phone = newPhone();
    const challenge = await s.challenge((await enrollSms(s, phone)).id, "Foo Corp: {{code}} is your code");
    const [text, ...others] = await textsTo(phone);
    assert.equal(others.length, 0);
    assert.ok(/^Foo Corp: [0-9]{6} is your code$/.test(text));
    assert.equal((await s.verify(challenge.id, codeIn(text))).valid, true);
  },
  async 7(s) {
    const { factor, challenge } = await login(s);
    assert.equal((await s.verify(challenge.id, await wrongTotpCode(factor.totp.secret))).valid, false);
  },
  async 8(s) {
    const { challenge, code } = await login(s);
    const verdict = await s.verify(challenge.id, code);
    assert.deepEqual([verdict.valid, verdict.challenge.id], [true, challenge.id]);
  },
  async 9(s) {
    const { challenge, code } = await login(s);
    assert.equal((await s.verify(challenge.id, code)).valid, true);
    await refused(s.verify(challenge.id, code), 422, /previously_verified|already been verified/);
  },
  async 10(s) {
    const { factor, challenge, code } = await login(s);
    const wrong = await wrongTotpCode(factor.totp.secret);
    for (let n = 0; n < 5; n++) assert.equal((await s.verify(challenge.id, wrong)).valid, false);
    await refused(s.verify(challenge.id, code), 400, /too_many_attempts|Too many attempts/);
  },
  async 11(s) {
    const phone = newPhone();
    const challenge = await s.challenge((await enrollSms(s, phone)).id);
    await advance(600);
    await refused(s.verify(challenge.id, codeIn((await textsTo(phone))[0])), 422, /expired/);
  },
  async 12(s) {
    await refused(enrollSms(s, "foo"), 422, /invalid_phone_number|Phone number is invalid/);
  },
  async 13(s) {
    const ulid = "01FZ4TS0MWPZR7GATS7KCXANQZ";
    await refused(s.challenge(`auth_factor_${ulid}`), 404, /not found|could not be found/);
    await refused(s.verify(`auth_challenge_${ulid}`, "123456"), 404, /not found|could not be found/);
  },
  async 14(s, version) {
    await refused(sdk(version, "sk_local_wrong").enroll({ type: "generic_otp" }), 401, /authorize|Unauthorized/);
  },
  async 15(s) {
    const { id } = await enrollTotp(s);
    assert.equal(await s.delete(id), undefined);
    await refused(s.get(id), 404, /not found|could not be found/);
  },
  async 16(s) {
    const userId = newUser();
    const totpSecret = new Secret({ size: 20 }).base32;
    const options = { userId, totpIssuer: "Foo Corp", totpUser: "alan", ...(s.hasImport && { totpSecret }) };
    const { authenticationFactor: factor, authenticationChallenge: challenge } = await need(s.enrollUser)(options);
    assert.equal(factor.totp.issuer, "Foo Corp");
    assert.ok(!s.hasImport || factor.totp.secret === totpSecret, "the imported secret was not kept");
    assert.equal((await s.verify(challenge.id, await totpCode(factor.totp.secret))).valid, true);
  },
  async 17(s) {
    need(s.listUser);
    await isListed(s);
  },
  async 18(s) {
    const list = need(s.listUser);
    const page = await list({ userId: await crowdedUser() });
    assert.equal(new Set((await page.autoPagination()).map(({ id }) => id)).size, 101);
  },
  async 19(s) {
    need(s.isLegacy);
    requests.length = 0;
    const { challenge, code } = await login(s);
    assert.equal((await s.verify(challenge.id, code)).valid, true);
    const seen = requests.filter((request) => request.startsWith("POST /auth/factors/"));
    assert.deepEqual(seen.slice(1), ["POST /auth/factors/challenge", "POST /auth/factors/verify"]);
  },
  async 20(s) {
    const user = newUser();
    const id = await usedTotp(user);
    const { codes } = await post(`/user_management/users/${user}/recovery_codes`, { accept_on_challenges: true });
    for (const valid of [true, false]) {
      const challenge = await s.challenge(id);
      const verdict = await s.verify(challenge.id, codes[0]);
      assert.deepEqual([verdict.valid, verdict.challenge.id], [valid, challenge.id]);
    }
  },
};

const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url)));
let versions = Object.keys(dependencies).filter((name) => name.startsWith("workos-")).map((name) => name.slice(7));
if (process.env.LATCHKEY_SDK_NEWEST) versions = versions.slice(-1);
for (const version of versions) {
  const s = sdk(version);
  for (const [column, operation] of Object.entries(COLUMNS)) {
    const [outcome, why] = await operation(s, version).then(
      () => ["passed", ""],
      (error) => error === ABSENT ? ["absent", ""] : ["failed", `${error.name}: ${error.message}`],
    );
    console.log([`node-${version}`, column, outcome, why.replace(/\s+/g, " ")].join("\t"));
  }
}
