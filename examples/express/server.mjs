// A login with a second factor. Read it from top to bottom; the pages are in pages.mjs.

import { hash, verify } from '@node-rs/argon2';
import { WorkOS } from '@workos-inc/node';
import express from 'express';
import session from 'express-session';
import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import * as pages from './pages.mjs';

const { LATCHKEY_URL = 'http://127.0.0.1:8787', LATCHKEY_API_KEY } = process.env;
const { PORT = 3000, HTTPS, SSO_DOMAINS = 'sso.example' } = process.env;
if (!LATCHKEY_API_KEY) {
  console.error('LATCHKEY_API_KEY is required: `cargo run` prints it, and it is in .latchkey/api-key.');
  process.exit(1);
}
const { protocol, hostname, port } = new URL(LATCHKEY_URL);
const server = { apiHostname: hostname, https: protocol === 'https:', ...(port && { port: Number(port) }) };
const workos = new WorkOS(LATCHKEY_API_KEY, server);
const mfa = workos.multiFactorAuth;

// What the user is told about an error of Latchkey. Any other error is not the user's doing.
const SORRY = 'Something went wrong. Try again in a minute.';
const WRONG_PHONE = 'Enter a mobile number with its country code, like +1 202 555 0100.';
const ALERTS = {
  one_time_code_too_many_attempts: 'Too many wrong codes. Try again later, or use a recovery code.',
  authentication_challenge_expired: 'That took too long. Enter the newest code.',
  authentication_challenge_previously_verified: 'That took too long. Enter the newest code.',
  phone_number_opted_out: 'This phone has opted out of text messages.',
  sms_send_limit_exceeded: 'A message was sent a moment ago. Wait before you ask for another one.',
};

/** Thrown to refuse what the user entered. The error handler shows it on the page that `shownOn` names. */
class Refusal extends Error {}
const shownOn = (page) => (req, res, next) => {
  res.locals.page = page;
  next();
};

const users = new Map(); // By email, in memory. A real application has a database.
const unknownUser = { hash: await hash(randomUUID()) };
/** Takes as long for a user who does not exist, so that the time does not tell who does. */
async function checkPassword(user, req, alert) {
  const isRight = await verify((user ?? unknownUser).hash, field(req, 'password'));
  if (!user || !isRight) throw new Refusal(alert);
}

const app = express();
app.set('trust proxy', 'loopback'); // With HTTPS=1, a proxy on this machine ends TLS.
app.use(express.urlencoded({ extended: false, limit: '8kb' })); // Before the session: a body may come late.
const cookie = { httpOnly: true, sameSite: 'lax', secure: HTTPS === '1' };
app.use(session({ secret: randomUUID(), cookie, resave: false, saveUninitialized: false }));
app.use((req, res, next) => {
  res.set('Cache-Control', 'no-store');
  // Against CSRF: only POST changes anything, and a form of another site cannot send one.
  if (req.method === 'POST' && /-site$/.test(req.get('Sec-Fetch-Site'))) return res.sendStatus(403);
  const user = users.get(req.session.user);
  // A session ends when a second factor is set up or replaced in another one.
  req.user = user?.totpFactor === req.session.secondFactor ? user : undefined;
  next();
});
const field = (req, name) => String(req.body?.[name] ?? '');
const loggedIn = (req, res, next) => (req.user ? next() : res.redirect('/login'));

/** Each step has a new session ID, so that one that was planted in the browser is worth nothing. */
async function startSession(req, values) {
  await promisify(req.session.regenerate).call(req.session);
  Object.assign(req.session, values);
}

/** Keeps the challenge in `state`, which is in the session: the browser never gets an ID of Latchkey. */
async function checkCode(state, factors, req) {
  const wrong = new Refusal('That code is wrong or was used before.');
  const code = field(req, 'code').replace(/\s/g, '');
  if (!/^\d{6}$/.test(code)) throw wrong;
  state.challenge ??= (await mfa.challengeFactor({ authenticationFactorId: factors[0] })).id;
  const answer = await mfa.verifyChallenge({ authenticationChallengeId: state.challenge, code });
  // A wrong code is not an error, so `valid` has to be looked at.
  if (!answer.valid || !factors.includes(answer.challenge.authenticationFactorId)) throw wrong;
}

async function sendText(state, factor) {
  const smsTemplate = 'Foo Corp: {{code}} is your code.';
  state.challenge = (await mfa.challengeFactor({ authenticationFactorId: factor, smsTemplate })).id;
  return { note: 'We sent a code to your phone.' };
}

// Recovery codes are an addition of Latchkey, so the SDK has no methods for them.
const recoveryPath = (user) => `/user_management/users/${user.id}/recovery_codes`;
async function showNewRecoveryCodes(req, res) {
  const { data } = await workos.post(recoveryPath(req.user), {});
  res.send(pages.recoveryCodes(data.codes));
}
function noRecoveryCode(error) {
  // The user has none, or this is nothing like one.
  if (error.status === 404 || error.status === 422) return { data: { remaining: 0, valid: false } };
  throw error.code in ALERTS ? new Refusal('Too many wrong codes. Try again later.') : error;
}
const codesLeft = async (user) => (await workos.get(recoveryPath(user)).catch(noRecoveryCode)).data.remaining;

app.get('/', (req, res) => res.send(pages.home(req)));
app.get('/signup', (req, res) => res.send(pages.signUp(req)));
app.get('/login', (req, res) => res.send(pages.logIn(req)));

function emailOf(req) {
  const email = field(req, 'email').trim().toLowerCase();
  // The identity provider of these users asks for a second factor. Another one adds nothing.
  const isSso = SSO_DOMAINS.toLowerCase().split(',').includes(email.split('@').at(-1));
  if (isSso) throw new Refusal('Your company logs you in. Use its login page.');
  return email;
}

app.post('/signup', shownOn(pages.signUp), async (req, res) => {
  const email = emailOf(req);
  if (!/^(?=.{3,254}$)[\w.+-]+@[\w-]+(\.[\w-]+)+$/.test(email)) throw new Refusal('Enter an email address.');
  if (field(req, 'password').length < 8) throw new Refusal('A password has at least 8 characters.');
  const user = { id: `user_${randomUUID()}`, email, hash: await hash(field(req, 'password')) };
  if (users.has(email)) throw new Refusal('This email is taken.'); // Asked after the wait: one can win.
  users.set(email, user);
  await startSession(req, { user: email });
  res.redirect('/account');
});

app.post('/login', shownOn(pages.logIn), async (req, res) => {
  const user = users.get(emailOf(req));
  await checkPassword(user, req, 'Wrong email or password.');
  await startSession(req, user.totpFactor ? { pending: { user: user.email } } : { user: user.email });
  res.redirect(user.totpFactor ? '/login/code' : '/');
});

// After the password and before the second factor, a session has `pending` and no `user`.
app.use('/login/*step', shownOn(pages.secondFactor), (req, res, next) => {
  req.user = users.get(req.session.pending?.user);
  loggedIn(req, res, next);
});
app.get('/login/*step', (req, res) => res.send(pages.secondFactor(req)));

app.post('/login/code', async (req, res) => {
  await checkCode(req.session.pending, [req.user.totpFactor, req.user.phoneFactor], req);
  await startSession(req, { user: req.user.email, secondFactor: req.user.totpFactor });
  res.redirect('/');
});

app.post('/login/text', async (req, res) => {
  res.send(pages.secondFactor(req, await sendText(req.session.pending, req.user.phoneFactor)));
});

app.post('/login/recovery', async (req, res) => {
  const typed = { code: field(req, 'recovery') };
  const { data } = await workos.post(`${recoveryPath(req.user)}/verify`, typed).catch(noRecoveryCode);
  if (!data.valid) throw new Refusal('That recovery code is wrong or was used before.');
  const note = `You used a recovery code. ${data.remaining} left.`;
  await startSession(req, { user: req.user.email, secondFactor: req.user.totpFactor, note });
  res.redirect('/account');
});

const accountPage = async (req, said) => pages.account(req, said, await codesLeft(req.user));
app.use('/account', loggedIn, shownOn(accountPage));

app.get('/account{/*step}', async (req, res) => {
  const { note } = req.session;
  delete req.session.note;
  res.send(await accountPage(req, { note }));
});

/** Before factors change the password is asked for again, because the session may be stolen. */
const passwordAgain = (req, res, next) => checkPassword(req.user, req, 'Wrong password.').then(() => next());
/** A phone and recovery codes need a session that has passed a second factor. */
const hasApp = (req, res, next) => (req.session.secondFactor ? next() : res.redirect('/account'));

app.post('/account/app', passwordAgain, async (req, res) => {
  const { id: userId, email: totpUser } = req.user;
  const enrolled = await mfa.createUserAuthFactor({ userId, type: 'totp', totpIssuer: 'Foo Corp', totpUser });
  const { id: factor, totp } = enrolled.authenticationFactor;
  req.session.setup = { kind: 'totpFactor', factor, challenge: enrolled.authenticationChallenge.id, ...totp };
  res.send(pages.confirm(req));
});

app.post('/account/phone', hasApp, passwordAgain, async (req, res) => {
  // Looked at before Latchkey is called, because a message to some numbers costs a lot.
  const phone = parsePhoneNumberFromString(field(req, 'phone'), { extract: false });
  const isMobile = phone?.isValid() && ['MOBILE', 'FIXED_LINE_OR_MOBILE'].includes(phone.getType());
  if (!isMobile) throw new Refusal(WRONG_PHONE);
  // Not by the SDK's enrollFactor, which cannot say whose phone it is.
  const enrollment = { type: 'sms', phone_number: phone.number, user_id: req.user.id };
  const factor = (await workos.post('/auth/factors/enroll', enrollment)).data.id;
  req.session.setup = { kind: 'phoneFactor', factor };
  res.send(pages.confirm(req, await sendText(req.session.setup, factor)));
});

const confirmPage = (req, said) => (req.session.setup?.challenge ? pages.confirm : accountPage)(req, said);
app.post('/account/verify', shownOn(confirmPage), async (req, res) => {
  const { setup } = req.session;
  if (!setup?.challenge) return res.redirect('/account');
  await checkCode(setup, [setup.factor], req);
  if (req.user.totpFactor !== req.session.secondFactor) return res.redirect('/login'); // Others can be faster.
  const replaced = req.user[setup.kind];
  req.user[setup.kind] = setup.factor; // Only now, because a code of it was right.
  await startSession(req, { user: req.user.email, secondFactor: req.user.totpFactor });
  if (replaced) await mfa.deleteFactor(replaced);
  if (await codesLeft(req.user)) return res.redirect('/account');
  await showNewRecoveryCodes(req, res);
});

app.post('/account/recovery-codes', hasApp, passwordAgain, showNewRecoveryCodes);

app.post('/logout', (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.redirect('/'))));

app.use(async (error, req, res, next) => {
  const isSpent = /^authentication_challenge_|_too_many_|_not_found$/.test(error.code);
  if (isSpent) delete (req.session.pending ?? req.session.setup)?.challenge;
  const known = error instanceof Refusal ? error.message : ALERTS[error.code];
  // Whatever else can be malformed is checked here, so another 422 is about a phone number.
  const alert = known ?? (error.status === 422 ? WRONG_PHONE : undefined);
  if (!alert) console.error('failed:', error.name, error.status, error.code, error.requestID);
  const { page = pages.home } = res.locals;
  res.status(alert ? 200 : error.expose ? error.status : 503).send(await page(req, { alert: alert ?? SORRY }));
});
// The page of the account needs an answer of Latchkey, too.
app.use((error, req, res, next) => res.status(503).send(pages.home(req, { alert: SORRY })));

app.listen(PORT, '127.0.0.1').on('listening', () => console.log(`http://127.0.0.1:${PORT}`));
