// One example application in a real browser: everything that its users do, and what is refused. All five have the same
// pages, so this one test is for each of them: $EXAMPLE at $EXAMPLE_URL, with its output in $EXAMPLE_LOG. The one in Go is
// smaller: it has no phone, and takes a recovery code where it takes a code of the app.
//
// `--write-docs` also writes the images of docs/TUTORIAL.md.

import { createHmac } from 'node:crypto';
import http from 'node:http';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import jsQR from 'jsqr';
import { PNG } from 'pngjs';
import { check, finish, launch } from './check.mjs';

const { EXAMPLE, EXAMPLE_URL, EXAMPLE_LOG, LATCHKEY_URL } = process.env;
const IMAGES = new URL('../../docs/images/', import.meta.url).pathname;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const IS_SMALL = EXAMPLE === 'go';
const WRONG = 'That code is wrong or was used before.';
const BAD_RECOVERY = IS_SMALL ? WRONG : 'That recovery code is wrong or was used before.';
const LOCKED = `Too many wrong codes. Try again later${IS_SMALL ? '.' : ', or use a recovery code.'}`;
const PASSWORD = 'a lot of horses and a battery';
const PHONE = '+12025550143';

/** Whatever must not be in the application's log. */
const secrets = new Set([PASSWORD, PHONE, PHONE.slice(2)]);
const secret = (text) => secrets.add(text) && text;

// --- Latchkey ----------------------------------------------------------------------------------------------------------

/** Calls a route of the local server that deployed ones do not have. */
async function dev(path, body) {
  const options = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(`${LATCHKEY_URL}/_dev/${path}`, options);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  const text = await answer.text();
  return text && JSON.parse(text);
}

const turnClock = (seconds) => dev('clock', { advance_seconds: seconds });

/** The code that an authenticator app shows, by RFC 6238. */
async function codeOf(base32) {
  const bits = [...base32].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.parse((await dev('clock')).now) / 30_000)));
  const mac = createHmac('sha1', key).update(step).digest();
  const number = (mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000;
  return secret(String(number).padStart(6, '0'));
}

/** The code of the next step, which no one has used. */
async function freshCodeOf(base32) {
  await turnClock(60);
  return codeOf(base32);
}

/** A code that is wrong for an authenticator app now and in the steps beside it. */
async function wrongCodeOf(base32) {
  const right = await codeOf(base32);
  return secret(String((Number(right) + 271_828) % 1_000_000).padStart(6, '0'));
}

const messages = async () => (await dev('sms')).filter(({ to }) => to === PHONE).map(({ message }) => message);
const codeOfMessage = async () => secret((await messages()).at(-1).match(/\d{6}/)[0]);

// --- the browser -------------------------------------------------------------------------------------------------------

const browser = await launch();

/** A window with cookies of its own. What the application sends is looked at, whatever the page shows of it. */
async function person() {
  const context = await browser.newContext({ viewport: { width: 900, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on('pageerror', (error) => check('the pages have no errors', false, error.message));
  page.on('response', async (response) => {
    if (!response.url().startsWith(EXAMPLE_URL) || !['document', 'fetch'].includes(response.request().resourceType())) return;
    const path = `${response.request().method()} ${new URL(response.url()).pathname}`;
    const body = await response.text().catch(() => ''); // A redirect has none.
    const ids = body.match(/auth_(factor|challenge)_\w+/g);
    if (ids) check(`${path} shows no ID of Latchkey`, false, ids);
    if (response.status() >= 300 && response.status() < 400) return;
    const kept = response.headers()['cache-control'] ?? 'nothing';
    if (!kept.includes('no-store')) check(`${path} must not be kept by a cache`, false, kept);
  });
  return page;
}

/** Presses a button. The checks of the browser are turned off: those of the server are what counts. */
async function press(page, name) {
  const button = page.getByRole('button', { name, exact: true });
  await button.waitFor();
  await page.evaluate(() => { for (const form of document.forms) form.noValidate = true; });
  if (EXAMPLE === 'nextjs') {
    // The answer changes the page that is there, whose buttons are disabled until then.
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await button.click();
    await answered;
    await page.waitForFunction(() => !document.querySelector(':disabled'));
  } else {
    const shown = page.waitForNavigation();
    await button.click();
    await shown;
  }
}

async function fill(page, fields, button) {
  for (const [label, text] of Object.entries(fields)) await page.getByLabel(label, { exact: true }).fill(text);
  await press(page, button);
}

const open = (page, path) => page.goto(EXAMPLE_URL + path, { waitUntil: EXAMPLE === 'nextjs' ? 'networkidle' : 'load' });

async function shows(what, page, locator, text) {
  const found = locator.filter({ hasText: text }).first();
  const is = await found.waitFor().then(() => true, () => false);
  const seen = is ? '' : `${page.url()}: ${(await page.locator('main').textContent().catch(() => 'no main')).replace(/\s+/g, ' ').slice(0, 200)}`;
  check(what, is, seen.replace(/[A-Z2-7]{32}|\d{6}/g, '…'));
}
const alerted = (what, page, text) => shows(what, page, page.getByRole('alert'), text);
const noted = (what, page, text) => shows(what, page, page.getByRole('status'), text);
const titled = (what, page, text) => shows(what, page, page.getByRole('heading', { level: 1 }), text);
const textual = (what, page, text) => shows(what, page, page.locator('main'), text);

/** axe-core finds nothing to say about this page. */
async function accessible(page, name) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run());
  check(`axe-core finds nothing on the page ${name}`, violations.length === 0, violations.map(({ id, nodes }) => [id, nodes[0].target]));
}

/** Whether this window is logged in, as another tab of it sees. */
async function isLoggedIn(page, email = 'alice@example.com') {
  const tab = await page.context().newPage();
  await open(tab, '/');
  const text = await tab.locator('main').textContent();
  await open(tab, '/account');
  const account = new URL(tab.url()).pathname === '/account';
  await tab.close();
  if (text.includes('You are logged out.') === account) check('the home page and the account agree', false, text);
  return account && text.includes(`Logged in as ${email}`);
}

const sessionOf = async (page) => (await page.context().cookies()).find(({ httpOnly, value }) => httpOnly && value.length > 15);

async function logOut(page) {
  await open(page, '/');
  await press(page, 'Log out');
  await textual('logging out works', page, 'You are logged out.');
}

const enterPassword = async (page) => {
  await open(page, '/login');
  await fill(page, { Email: 'alice@example.com', Password: PASSWORD }, 'Log in');
};

/** The first factor. */
async function logIn(page) {
  await enterPassword(page);
  await titled('the password alone leads to the second factor', page, 'Enter your code');
}

const verify = (page, code) => fill(page, { Code: code }, 'Verify');

/** An image for the tutorial. */
async function picture(page, name) {
  if (!process.argv.includes('--write-docs')) return;
  await page.setViewportSize({ width: 640, height: 400 });
  await page.locator('main').screenshot({ path: `${IMAGES}${name}.png` });
}

/** What a phone's camera reads in a screenshot of the page. */
async function scanned(page) {
  await page.getByAltText('QR code').scrollIntoViewIfNeeded();
  const { data, width, height } = PNG.sync.read(await page.screenshot());
  return new URL(jsQR(new Uint8ClampedArray(data), width, height)?.data ?? 'nothing:');
}

async function recoveryCodes(page) {
  await titled('recovery codes are shown', page, 'Recovery codes');
  const codes = await page.locator('#recovery-codes li').allTextContents();
  check('there are ten recovery codes', codes.length === 10 && codes.every((code) => /^\s*[0-9A-Z]{4}(-[0-9A-Z]{4}){5}\s*$/.test(code)), codes.length);
  return codes.map((code) => secret(code.trim()));
}

// --- signing up --------------------------------------------------------------------------------------------------------

const alice = await person();
await open(alice, '/');
await textual('a stranger is logged out', alice, 'You are logged out.');
await accessible(alice, 'home');
check('a stranger has no account', !(await isLoggedIn(alice)));
await alice.getByRole('link', { name: 'Sign up' }).click();
await accessible(alice, 'sign up');
await fill(alice, { Email: 'alice@example.com', Password: 'short' }, 'Sign up');
await alerted('a short password is refused', alice, 'A password has at least 8 characters.');
await fill(alice, { Email: 'alice', Password: PASSWORD }, 'Sign up');
await alerted('what is not an email address is refused', alice, 'Enter an email address.');
await fill(alice, { Email: 'bob@sso.example', Password: PASSWORD }, 'Sign up');
await alerted('a user of single sign-on cannot sign up', alice, 'Your company logs you in. Use its login page.');
await fill(alice, { Email: 'Alice@example.com', Password: PASSWORD }, 'Sign up');
await titled('signing up leads to the account', alice, 'Two-factor login');
check('signing up logs in', await isLoggedIn(alice));

// Someone who knows the password, and has logged in before there is a second factor. They also begin to send a form of theirs.
const mallory = await person();
await enterPassword(mallory);
check('until there is a second factor, the password logs in', await isLoggedIn(mallory));
const form = { express: '/account/recovery-codes', fastapi: '/account/codes', go: '/account' }[EXAMPLE]; // The others want tokens.
const lateBody = new URLSearchParams({ password: PASSWORD }).toString();
const late = form && http.request(EXAMPLE_URL + form, {
  method: 'POST',
  headers: {
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': lateBody.length,
    cookie: (await mallory.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; '),
  },
});
late?.flushHeaders();
const password = await sessionOf(alice);

// --- enrolling an authenticator app ------------------------------------------------------------------------------------

const SET_UP = 'Set up an authenticator app';
check('a phone can only be added to an app', await alice.getByLabel('Phone number').count() === 0);
await fill(alice, { Password: 'not the password' }, SET_UP);
await alerted('an app needs the password', alice, 'Wrong password.');
await fill(alice, { Password: PASSWORD }, SET_UP);
await titled('there is a QR code', alice, 'Scan this QR code');
const uri = await scanned(alice);
const app = secret(uri.searchParams.get('secret'));
check('the QR code in a screenshot is of this user', decodeURIComponent(uri.href).startsWith('otpauth://totp/Foo Corp:alice@example.com?'));
check('the secret is there for those who cannot scan', (await alice.locator('code').first().textContent()).replace(/\s/g, '') === app);
await accessible(alice, 'QR code');
await picture(alice, 'example-enroll');
await verify(alice, await wrongCodeOf(app));
await alerted('a wrong code does not enroll', alice, WRONG);
await titled('the QR code is still there', alice, 'Scan this QR code');
check('and is the same', (await scanned(alice)).searchParams.get('secret') === app);
const enrolling = await codeOf(app);
await verify(alice, enrolling);
const codes = await recoveryCodes(alice);
await accessible(alice, 'recovery codes');
await alice.getByRole('link', { name: 'I have saved them' }).click();
await titled('then there is the account', alice, 'Two-factor login');
if (!IS_SMALL) await textual('ten are left', alice, '10 recovery codes left');
check('they are not shown again', !codes.some((code) => alice.url().includes(code)) && await alice.locator('#recovery-codes').count() === 0);
await accessible(alice, 'account');

check('the second factor begins a new session', (await sessionOf(alice)).value !== password.value);
check('and ends the one of the password', !(await isLoggedIn(mallory)));
if (late) {
  late.end(lateBody);
  const [answer] = await once(late, 'response');
  check('also for a form that came late', answer.headers.location === '/login', [answer.statusCode, answer.headers.location]);
}
await mallory.context().close();

// --- a phone as a fallback ---------------------------------------------------------------------------------------------

async function addPhone() {
  const BAD_PHONE = 'Enter a mobile number with its country code, like +1 202 555 0100.';
  for (const number of ['555 0143', '+1 202 555 01', '+49 30 901820', 'phone']) {
    await fill(alice, { Password: PASSWORD, 'Phone number': number }, 'Add a phone');
    await alerted(`the number ${number} is refused`, alice, BAD_PHONE);
  }
  check('and nothing was sent', (await dev('sms')).length === 0);
  await fill(alice, { Password: 'not the password', 'Phone number': PHONE }, 'Add a phone');
  await alerted('a phone needs the password', alice, 'Wrong password.');
  await fill(alice, { Password: PASSWORD, 'Phone number': '+1 (202) 555-0143' }, 'Add a phone');
  await titled('the phone has to be confirmed', alice, 'Confirm your phone');
  await noted('a message is on its way', alice, 'We sent a code to your phone.');
  check('the message is the template', /^Foo Corp: \d{6} is your code\.$/.test((await messages()).at(-1)));
  await accessible(alice, 'phone');
  const texted = await codeOfMessage();
  await verify(alice, secret(String((Number(texted) + 1) % 1_000_000).padStart(6, '0')));
  await alerted('a wrong code does not add the phone', alice, WRONG);
  await verify(alice, texted);
  await titled('the right code adds it', alice, 'Two-factor login');
}
if (!IS_SMALL) await addPhone();

// --- logging in --------------------------------------------------------------------------------------------------------

const cookie = await sessionOf(alice);
check('the session is a cookie that scripts and other sites do not get', cookie?.httpOnly && cookie.sameSite === 'Lax', cookie && { ...cookie, value: '…' });
await logOut(alice);
check('logged out, the account is closed', !(await isLoggedIn(alice)));
const thief = await person();
await thief.context().addCookies([cookie]);
check('the old cookie is worth nothing', !(await isLoggedIn(thief)));
await thief.context().close();

await open(alice, '/login');
await accessible(alice, 'log in');
for (const [what, email, password] of [
  ['a wrong password', 'alice@example.com', 'not the password'],
  ['an unknown user', 'carol@example.com', PASSWORD],
]) {
  await fill(alice, { Email: email, Password: password }, 'Log in');
  await alerted(`${what} is refused`, alice, 'Wrong email or password.');
}
await fill(alice, { Email: 'bob@sso.example', Password: PASSWORD }, 'Log in');
await alerted('a user of single sign-on is sent to the company', alice, 'Your company logs you in. Use its login page.');

await logIn(alice);
await accessible(alice, 'second factor');
await picture(alice, 'example-login');
check('the password alone does not log in', !(await isLoggedIn(alice)));
const pending = await sessionOf(alice);
await verify(alice, await wrongCodeOf(app));
await alerted('a wrong code is refused', alice, WRONG);
check('and does not log in', !(await isLoggedIn(alice)));
await verify(alice, '12 34');
await alerted('what is not a code is refused', alice, WRONG);
await verify(alice, enrolling);
await alerted('the code of the enrollment is refused', alice, WRONG);
check('and does not log in either', !(await isLoggedIn(alice)));
const used = await freshCodeOf(app);
await verify(alice, `${used.slice(0, 3)} ${used.slice(3)}`);
await textual('the right code logs in', alice, 'Logged in as alice@example.com');
check('everywhere', await isLoggedIn(alice));
check('with a new session', (await sessionOf(alice)).value !== pending.value);
await logOut(alice);
await logIn(alice);
await verify(alice, used);
await alerted('a code logs in once', alice, WRONG);
check('the second time it does not', !(await isLoggedIn(alice)));
await verify(alice, await freshCodeOf(app));
await textual('the next one does', alice, 'Logged in as alice@example.com');

// --- the phone in place of the app -------------------------------------------------------------------------------------

async function logInByText() {
  await turnClock(3600);
  await logOut(alice);
  await logIn(alice);
  await press(alice, 'Send a text message');
  await noted('a message is sent', alice, 'We sent a code to your phone.');
  const atLogin = await codeOfMessage();
  await press(alice, 'Send a text message');
  await alerted('not two at once', alice, 'A message was sent a moment ago. Wait before you ask for another one.');
  check('indeed not', (await messages()).length === 2, (await messages()).length);
  await verify(alice, atLogin);
  await textual('its code logs in', alice, 'Logged in as alice@example.com');
}
if (!IS_SMALL) await logInByText();

// --- a lost phone ------------------------------------------------------------------------------------------------------

await logOut(alice);
await logIn(alice);
const recover = (code) => (IS_SMALL ? verify(alice, code) : fill(alice, { 'Recovery code': code }, 'Use a recovery code'));
const recovered = (what, left) => (IS_SMALL
  ? textual(what, alice, 'Logged in as alice@example.com')
  : noted(what, alice, `You used a recovery code. ${left} left.`));
for (const [what, code] of [['what is not a recovery code', 'horse'], ['a wrong one', 'AAAA-BBBB-CCCC-DDDD-EEEE-FFFF']]) {
  await recover(code);
  await alerted(`${what} is refused`, alice, BAD_RECOVERY);
}
check('and does not log in', !(await isLoggedIn(alice)));
await recover(codes[0].toLowerCase());
await recovered('a recovery code logs in', 9);
check('everywhere', await isLoggedIn(alice));
await open(alice, '/account');
if (!IS_SMALL) await textual('nine are left', alice, '9 recovery codes left');
await logOut(alice);
await logIn(alice);
await recover(codes[0]);
await alerted('once', alice, BAD_RECOVERY);
check('and not twice', !(await isLoggedIn(alice)));
await recover(codes[1]);
await recovered('the next one logs in', 8);

// The phone that is lost may be logged in.
const finder = await person();
await logIn(finder);
await verify(finder, await freshCodeOf(app));
check('the lost phone is logged in', await isLoggedIn(finder));

// --- a new app, new recovery codes -------------------------------------------------------------------------------------

await open(alice, '/account');
await fill(alice, { Password: PASSWORD }, 'Replace the authenticator app');
const newApp = secret((await scanned(alice)).searchParams.get('secret'));
check('a new app has a new secret', newApp !== app);
await verify(alice, await codeOf(newApp));
if (!IS_SMALL) {
  await titled('the app is replaced', alice, 'Two-factor login');
  await fill(alice, { Password: 'not the password' }, 'Create new recovery codes');
  await alerted('new recovery codes need the password', alice, 'Wrong password.');
  await fill(alice, { Password: PASSWORD }, 'Create new recovery codes');
}
const newCodes = await recoveryCodes(alice);
check('the sessions of the old app end', !(await isLoggedIn(finder)));
await finder.context().close();
const { factors } = await dev('factors');
check('the old factor is gone', factors.map(({ type }) => type).sort().join() === (IS_SMALL ? 'totp' : 'sms,totp'), factors.map(({ type }) => type));
await logOut(alice);
await logIn(alice);
await verify(alice, await freshCodeOf(app));
await alerted('the old app is refused', alice, WRONG);
await recover(codes[2]);
await alerted('the old recovery codes are, too', alice, BAD_RECOVERY);
check('so no one is logged in', !(await isLoggedIn(alice)));

// --- too many guesses, too late, and no Latchkey -----------------------------------------------------------------------

for (let guesses = 0; guesses < 3; guesses++) await verify(alice, await wrongCodeOf(newApp));
await alerted('the fourth wrong code', alice, WRONG);
await verify(alice, await wrongCodeOf(newApp));
await verify(alice, await codeOf(newApp));
await alerted('the user is told about the lock', alice, LOCKED);
await verify(alice, await codeOf(newApp));
await alerted('a right code does not help', alice, LOCKED);
check('a locked factor does not log in', !(await isLoggedIn(alice)));
if (!IS_SMALL) {
  await recover(newCodes[0]);
  await recovered('a recovery code does', 9);
  await logOut(alice);
  await logIn(alice);
}
await turnClock(3600);
await verify(alice, await wrongCodeOf(newApp));
await turnClock(11 * 60);
await verify(alice, await codeOf(newApp));
await alerted('a challenge of eleven minutes ago is too old', alice, 'That took too long. Enter the newest code.');
check('and does not log in', !(await isLoggedIn(alice)));
await dev('faults', { share: 1 });
const failed = alice.waitForResponse((response) => response.request().method() === 'POST');
await verify(alice, await codeOf(newApp));
await alerted('without an answer of Latchkey there is no login', alice, 'Something went wrong. Try again in a minute.');
// A server action of Next.js cannot choose the status of its answer.
check('the status says so', (await failed).status() === (EXAMPLE === 'nextjs' ? 200 : 503), (await failed).status());
check('no one is logged in', !(await isLoggedIn(alice)));
await dev('faults', { share: 0 });
await verify(alice, await freshCodeOf(newApp));
await textual('then there is', alice, 'Logged in as alice@example.com');

// A form of another site would log the user into an account of the attacker.
const login = new URLSearchParams({ email: 'alice@example.com', password: PASSWORD });
const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
const answer = await fetch(`${EXAMPLE_URL}/login`, { method: 'POST', headers: foreign, body: login, redirect: 'manual' });
const given = answer.headers.getSetCookie().filter((cookie) => /httponly/i.test(cookie));
check('a form of another site does not log in', given.length === 0 && answer.status !== 303 && answer.status !== 302, answer.status);

// --- someone else ------------------------------------------------------------------------------------------------------

const bob = await person();
await open(bob, '/signup');
await fill(bob, { Email: 'alice@example.com', Password: PASSWORD }, 'Sign up');
await alerted('an email signs up once', bob, 'This email is taken.');
await fill(bob, { Email: 'bob@example.com', Password: PASSWORD }, 'Sign up');
await titled('another one can', bob, 'Two-factor login');
await textual('and has nothing of the first', bob, SET_UP);
await logOut(bob);
await open(bob, '/login');
await fill(bob, { Email: 'bob@example.com', Password: PASSWORD }, 'Log in');
await textual('without a factor the password logs in', bob, 'Logged in as bob@example.com');
await open(bob, '/login/code');
check('there is no second factor to enter', new URL(bob.url()).pathname === '/login' || new URL(bob.url()).pathname === '/', bob.url());

await browser.close();
const log = readFileSync(EXAMPLE_LOG, 'utf8');
const found = [...secrets].filter((text) => new RegExp(`(?<![0-9A-Za-z])${text.replace(/[+]/g, '\\+')}(?![0-9A-Za-z])`, 'i').test(log));
check(`the log of ${log.length} characters has none of ${secrets.size} secrets`, found.length === 0, found.map((text) => text.length));
check('nor an ID', !/auth_(factor|challenge)_/.test(log));
finish();
