// Users and sessions, which a real application keeps in a database, and what is asked of Latchkey.

import { hash, verify } from '@node-rs/argon2';
import { WorkOS } from '@workos-inc/node';
import { randomBytes, randomUUID } from 'node:crypto';
import { cookies } from 'next/headers';

const url = new URL(process.env.LATCHKEY_URL ?? 'http://127.0.0.1:8787');
const server = { apiHostname: url.hostname, https: url.protocol === 'https:', port: url.port || undefined };
export const workos = new WorkOS(process.env.LATCHKEY_API_KEY, server);
export const mfa = workos.multiFactorAuth;

// Next.js may load this file once for pages and once for actions. Only globalThis is the same for both.
export const { users, sessions } = (globalThis.store ??= { users: new Map(), sessions: new Map() });

/** Has a `user` who is logged in, or a `pending` one between the password and the second factor. */
export async function currentSession() {
  const session = sessions.get((await cookies()).get('session')?.value) ?? {};
  // A session ends when a second factor is set up or replaced in another one.
  return session.user?.totpFactor === session.secondFactor ? session : {};
}

/** Each step has a new session ID, so that one that was planted in the browser is worth nothing. */
export async function startSession(session) {
  const [jar, id] = [await cookies(), randomBytes(32).toString('base64url')];
  sessions.delete(jar.get('session')?.value);
  if (session.user || session.pending) sessions.set(id, session);
  // Against CSRF: a Lax cookie comes with no POST of another site, and Next.js compares an action's Origin.
  jar.set('session', id, { httpOnly: true, sameSite: 'lax', secure: process.env.HTTPS === '1' });
}

const unknownUser = await hash(randomUUID());
/** Takes as long for a user who does not exist, so that the time does not tell who does. */
export async function checkPassword(user, password, alert) {
  const isRight = await verify(user?.hash ?? unknownUser, password);
  if (!user || !isRight) throw new Refusal(alert);
}

export class Refusal extends Error {}
export const WRONG_PHONE = 'Enter a mobile number with its country code, like +1 202 555 0100.';
const ALERTS = {
  one_time_code_too_many_attempts: 'Too many wrong codes. Try again later, or use a recovery code.',
  authentication_challenge_expired: 'That took too long. Enter the newest code.',
  authentication_challenge_previously_verified: 'That took too long. Enter the newest code.',
  sms_send_limit_exceeded: 'A message was sent a moment ago. Wait before you ask for another one.',
};

/** What the user is told about an error. */
export function explain(error, session) {
  if (/^authentication_challenge_|_too_many_|_not_found$/.test(error.code)) delete (session.setup ?? session).challenge;
  if (error instanceof Refusal) return { alert: error.message };
  if (ALERTS[error.code]) return { alert: ALERTS[error.code] };
  if (error.status === 422) return { alert: WRONG_PHONE }; // All else that a user enters is checked here.
  console.error('failed:', error.name, error.status, error.code, error.requestID);
  return { alert: 'Something went wrong. Try again in a minute.' };
}

/** Keeps the challenge in `state`, a session or a part of it: the browser never gets an ID of Latchkey. */
export async function checkCode(state, factors, form) {
  const wrong = new Refusal('That code is wrong or was used before.');
  const code = form.get('code').replace(/\s/g, '');
  if (!/^\d{6}$/.test(code)) throw wrong;
  state.challenge ??= (await mfa.challengeFactor({ authenticationFactorId: factors[0] })).id;
  const answer = await mfa.verifyChallenge({ authenticationChallengeId: state.challenge, code });
  // A wrong code is not an error, so `valid` has to be looked at.
  if (!answer.valid || !factors.includes(answer.challenge.authenticationFactorId)) throw wrong;
}

export async function sendText(state, factor) {
  const smsTemplate = 'Foo Corp: {{code}} is your code.';
  state.challenge = (await mfa.challengeFactor({ authenticationFactorId: factor, smsTemplate })).id;
  return { note: 'We sent a code to your phone.' };
}

// Recovery codes are an addition of Latchkey, so the SDK has no methods for them.
export const recoveryPath = (user) => `/user_management/users/${user.id}/recovery_codes`;
export const codesLeft = async (user) => (await workos.get(recoveryPath(user)).catch(noCode)).data.remaining;
export function noCode(error) {
  // The user has none, or this is nothing like one.
  if (error.status === 404 || error.status === 422) return { data: { remaining: 0, valid: false } };
  throw error.code in ALERTS ? new Refusal('Too many wrong codes. Try again later.') : error;
}

export async function accountView(user) {
  const text = `${await codesLeft(user)} recovery codes left`;
  const more = user.totpFactor ? ['phone', 'Add a phone', 'Create new recovery codes'] : [];
  const app = `${user.totpFactor ? 'Replace the' : 'Set up an'} authenticator app`;
  return { title: 'Two-factor login', text, forms: [['password', app, ...more]], links: { Home: '/' } };
}
