'use server';

import { hash } from '@node-rs/argon2';
import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { randomUUID } from 'node:crypto';
import { redirect } from 'next/navigation';
import * as server from './server';
import { checkCode, explain, mfa, Refusal, sendText, startSession, users, workos } from './server';

// Anyone can call what this file exports, so an action names the `kind` of user in the session that it is for.
// It answers with the path of another page, another view of this one, or what is to be said on it.
const action = (handle, kind) => async (form) => {
  const session = await server.currentSession();
  if (kind && !session[kind]) redirect('/login');
  const answer = await handle(form, session, session[kind]).catch((error) => explain(error, session));
  return typeof answer === 'string' ? redirect(answer) : answer;
};

function emailOf(form) {
  const email = form.get('email').trim().toLowerCase();
  // The identity provider of these users asks for a second factor. Another one adds nothing.
  const ssoDomains = (process.env.SSO_DOMAINS ?? 'sso.example').toLowerCase().split(',');
  const isSso = ssoDomains.includes(email.split('@').at(-1));
  if (isSso) throw new Refusal('Your company logs you in. Use its login page.');
  return email;
}

export const signUp = action(async (form) => {
  const email = emailOf(form);
  if (!/^(?=.{3,254}$)[\w.+-]+@[\w-]+(\.[\w-]+)+$/.test(email)) throw new Refusal('Enter an email address.');
  if (form.get('newPassword').length < 8) throw new Refusal('A password has at least 8 characters.');
  const user = { id: `user_${randomUUID()}`, email, hash: await hash(form.get('newPassword')) };
  if (users.has(email)) throw new Refusal('This email is taken.'); // Asked after the wait: one can win.
  users.set(email, user);
  await startSession({ user });
  return '/account';
});

export const logIn = action(async (form) => {
  const user = users.get(emailOf(form));
  await server.checkPassword(user, form.get('password'), 'Wrong email or password.');
  await startSession(user.totpFactor ? { pending: user } : { user });
  return user.totpFactor ? '/login/code' : '/';
});

export const secondFactor = action(async (form, session, user) => {
  if (form.get('button') === 'Send a text message') return sendText(session, user.phoneFactor);
  if (form.get('button') === 'Verify') {
    await checkCode(session, [user.totpFactor, user.phoneFactor], form);
    await startSession({ user, secondFactor: user.totpFactor });
    return '/';
  }
  const typed = { code: form.get('recovery') };
  const { data } = await workos.post(`${server.recoveryPath(user)}/verify`, typed).catch(server.noCode);
  if (!data.valid) throw new Refusal('That recovery code is wrong or was used before.');
  const note = `You used a recovery code. ${data.remaining} left.`;
  await startSession({ user, secondFactor: user.totpFactor, note });
  return '/account';
}, 'pending');

export const account = action(async (form, session, user) => {
  delete session.note;
  if (form.get('button') === 'Verify') return confirm(form, session);
  // The password is asked for again before factors change, because the session may be stolen.
  await server.checkPassword(user, form.get('password'), 'Wrong password.');
  if (form.get('button').endsWith('authenticator app')) {
    const app = { userId: user.id, type: 'totp', totpIssuer: 'Foo Corp', totpUser: user.email };
    const enrolled = await mfa.createUserAuthFactor(app);
    const { id: factor, totp } = enrolled.authenticationFactor;
    session.setup = { kind: 'totpFactor', factor, challenge: enrolled.authenticationChallenge.id };
    return { title: 'Scan this QR code', qrCode: totp.qrCode, secret: totp.secret, forms: [['code', 'Verify']] };
  }
  // A phone and recovery codes need a session that has passed a second factor.
  if (!session.secondFactor) return '/account';
  if (form.get('button') !== 'Add a phone') return newRecoveryCodes(user);
  // Looked at before Latchkey is called, because a message to some numbers costs a lot.
  const phone = parsePhoneNumberFromString(form.get('phone'), { extract: false });
  const isMobile = phone?.isValid() && ['MOBILE', 'FIXED_LINE_OR_MOBILE'].includes(phone.getType());
  if (!isMobile) throw new Refusal(server.WRONG_PHONE);
  // Not by the SDK's enrollFactor, which cannot say whose phone it is.
  const enrollment = { type: 'sms', phone_number: phone.number, user_id: user.id };
  const factor = (await workos.post('/auth/factors/enroll', enrollment)).data.id;
  session.setup = { kind: 'phoneFactor', factor };
  return { title: 'Confirm your phone', ...(await sendText(session.setup, factor)), forms: [['code', 'Verify']] };
}, 'user');

async function confirm(form, session) {
  const { user, setup } = session;
  if (!setup?.challenge) return server.accountView(user);
  const refused = await checkCode(setup, [setup.factor], form).catch((error) => explain(error, session));
  if (refused) return setup.challenge ? refused : { ...(await server.accountView(user)), ...refused };
  if (user.totpFactor !== session.secondFactor) return '/login'; // Another session was faster.
  const replaced = user[setup.kind];
  user[setup.kind] = setup.factor; // Only now, because a code of it was right.
  await startSession({ user, secondFactor: user.totpFactor });
  if (replaced) await mfa.deleteFactor(replaced);
  return (await server.codesLeft(user)) ? server.accountView(user) : newRecoveryCodes(user);
}

async function newRecoveryCodes(user) {
  const { data } = await workos.post(server.recoveryPath(user), {});
  const text = 'Each one works once. Keep them where your phone is not.';
  return { title: 'Recovery codes', text, codes: data.codes, links: { 'I have saved them': '/account' } };
}

export const logOut = action(() => startSession({}).then(() => '/'));
