// The console in a real browser: a login with each type of factor, twice, with the mouse and with the keyboard alone; what
// screen readers and small windows get; and what the page does when its key is revoked.
//
// `--write-docs` also writes the images of docs/images.

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jsQR from 'jsqr';
import { PNG } from 'pngjs';
import { check, finish, launch } from './check.mjs';
import { keyboard, mouse } from './hands.mjs';

const { LATCHKEY_URL } = process.env;
const CONSOLE = process.env.LATCHKEY_CONSOLE ?? `${LATCHKEY_URL}/`;
const IMAGES = new URL('../../docs/images/', import.meta.url).pathname;
const writesDocs = process.argv.includes('--write-docs');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PANES = ['Try it', 'Messages', 'Factors', 'Activity', 'Clock', 'Faults', 'Keys'];
const WIDE = { width: 1280, height: 860 };
const SMALL = { width: 360, height: 740 };

const browser = await launch();

/** A tab at the console. What the page reports as an error fails the test. */
async function tab(options = {}, url = CONSOLE) {
  const context = await browser.newContext({ viewport: WIDE, permissions: ['clipboard-read', 'clipboard-write'], ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on('pageerror', (error) => check('the page has no errors', false, error.message));
  page.on('console', (message) => {
    // The browser reports each answer that is an error, and these are part of the test.
    const isAnswer = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isAnswer) check('the page reports no errors', false, message.text());
  });
  await page.goto(url);
  await page.getByText('connected', { exact: true }).waitFor();
  return page;
}

/** Waits until an element contains a text; whether it does. */
const says = async (page, selector, text) => {
  const found = page.locator(selector).filter({ hasText: text }).first();
  return found.waitFor().then(() => true, () => false);
};
const said = async (what, page, selector, text) =>
  check(what, await says(page, selector, text), await page.locator(selector).first().textContent().catch(() => 'nothing'));

/** What a phone's camera reads in a screenshot of the page. */
async function scanned(page) {
  const { data, width, height } = PNG.sync.read(await page.screenshot());
  return jsQR(new Uint8ClampedArray(data), width, height)?.data;
}

/** Everything that a developer does in the first minutes, with one kind of hands. */
async function tour(name, hands, phone) {
  const page = await tab();
  const use = hands(page);
  const messages = await tab();
  await messages.goto(`${CONSOLE}#messages`);
  const step = (what) => `${name}: ${what}`;

  await use.fill(page.getByLabel('User ID (optional)'), `user_${name}`);
  await use.press(page.getByRole('button', { name: 'Enroll', exact: true }));
  await said(step('an authenticator app is enrolled'), page, '#enroll-outcome', 'Enrolled auth_factor_');
  await page.locator('.qr').scrollIntoViewIfNeeded();
  const uri = await scanned(page);
  const shown = await page.locator('.facts code').nth(1).textContent();
  check(step('the QR code in a screenshot is the URI'), uri === shown && uri.startsWith('otpauth://totp/'));
  const factor = (await page.locator('#enroll-outcome').textContent()).match(/auth_factor_\w+/)[0];

  await use.press(page.getByRole('button', { name: 'Challenge', exact: true }));
  await said(step('a challenge is opened'), page, '#challenge-outcome', 'Your app shows a code');
  await use.press(page.getByRole('button', { name: 'Fill in the right code' }));
  await use.press(page.getByRole('button', { name: 'Verify', exact: true }));
  await said(step('the right code logs in'), page, '#verify-outcome', 'valid is true');
  await use.press(page.getByRole('button', { name: 'Verify', exact: true }));
  await said(step('a challenge verifies once'), page, '#verify-outcome', 'already been verified');

  await use.press(page.getByRole('button', { name: 'Challenge', exact: true }));
  await use.press(page.getByRole('button', { name: 'Fill in the right code' }));
  await use.press(page.getByRole('button', { name: 'Verify', exact: true }));
  await said(step('the code that is filled in next was not used before'), page, '#verify-outcome', 'valid is true');

  // A text message, which arrives in another tab that no one touches.
  await use.choose(page.getByRole('radio', { name: 'Authenticator app' }), page.getByRole('radio', { name: 'Text message' }));
  await use.fill(page.getByLabel('Phone number'), phone);
  await use.press(page.getByRole('button', { name: 'Enroll', exact: true }));
  await said(step('a phone is enrolled'), page, '#enroll-outcome', 'Enrolled auth_factor_');
  await use.fill(page.getByLabel('Text of the message'), `${name}: {{code}}`);
  await use.press(page.getByRole('button', { name: 'Challenge', exact: true }));
  await said(step('the message arrives without reloading'), messages, '#message-list li', `${name}: `);
  check(step('the navigation counts it'), Number(await page.locator('#message-count').textContent()) > 0);
  await use.open(page, 'Messages');
  const copy = page.locator('#message-list li').filter({ hasText: `${name}: ` }).getByRole('button');
  const code = (await copy.textContent()).match(/\d{6}/)[0];
  await use.press(copy);
  await said(step('a code is copied'), page, '#message-list button', 'Copied');
  check(step('the clipboard has it'), (await page.evaluate(() => navigator.clipboard.readText())) === code);

  // Turned past its expiry.
  await use.open(page, 'Clock');
  await use.press(page.getByRole('button', { name: '+10 min' }));
  await said(step('the clock is turned'), page, '#clock-outcome', 'Turned by');
  await use.open(page, 'Try it');
  await use.fill(page.getByLabel('Code', { exact: true }), code);
  await use.press(page.getByRole('button', { name: 'Verify', exact: true }));
  await said(step('an expired challenge is refused'), page, '#verify-outcome', 'expired');
  await use.press(page.getByRole('button', { name: 'Challenge', exact: true }));
  await said(step('another challenge is opened'), page, '#challenge-outcome', 'Challenge opened');
  await use.press(page.getByRole('button', { name: 'Fill in the right code' }));
  await use.press(page.getByRole('button', { name: 'Verify', exact: true }));
  await said(step('the code of a message logs in'), page, '#verify-outcome', 'valid is true');

  // Locked, and unlocked.
  await use.choose(page.getByRole('radio', { name: 'Text message' }), page.getByRole('radio', { name: 'Code you deliver' }));
  await use.press(page.getByRole('button', { name: 'Enroll', exact: true }));
  await said(step('a factor whose codes are delivered is enrolled'), page, '#enroll-outcome', 'Enrolled auth_factor_');
  const locked = (await page.locator('#enroll-outcome').textContent()).match(/auth_factor_\w+/)[0];
  await use.press(page.getByRole('button', { name: 'Challenge', exact: true }));
  await said(step('the application gets the code'), page, '#challenge-outcome', 'gets the code');
  const right = (await page.locator('#challenge-outcome').textContent()).match(/\d{6}/)[0];
  const wrong = String((Number(right) + 1) % 1_000_000).padStart(6, '0');
  await use.fill(page.getByLabel('Code', { exact: true }), wrong);
  for (let guess = 0; guess < 5; guess++) {
    await use.press(page.getByRole('button', { name: 'Verify', exact: true }));
    await said(step(`wrong code ${guess + 1} is refused`), page, '#verify-outcome', 'valid is false');
    await page.waitForFunction(() => !document.querySelector('#verify-form[aria-busy]'));
  }
  await use.press(page.getByRole('button', { name: 'Challenge', exact: true }));
  await said(step('a locked factor has no challenges'), page, '#challenge-outcome', 'Possible again at');
  await use.open(page, 'Factors');
  await use.fill(page.getByLabel('User ID (empty for all)'), `user_${name}`);
  await use.press(page.getByRole('button', { name: 'Show', exact: true }));
  const card = page.locator('#factor-list li.card').filter({ hasText: locked });
  await said(step('the lock is shown'), page, '#factor-list .tag.bad', 'Locked until');
  check(step('and its failures'), (await card.textContent()).includes('Failures: 5 in a row'));
  await use.press(page.getByRole('button', { name: `Unlock ${locked}` }));
  await said(step('it is unlocked'), page, '#factor-outcome', `Unlocked ${locked}`);
  check(step('it is not shown as locked any more'), (await card.getByText('Locked').count()) === 0);
  await use.open(page, 'Try it');
  await use.press(page.getByRole('button', { name: 'Challenge', exact: true }));
  await use.press(page.getByRole('button', { name: 'Fill in the right code' }));
  await use.press(page.getByRole('button', { name: 'Verify', exact: true }));
  await said(step('the unlocked factor logs in'), page, '#verify-outcome', 'valid is true');

  // Recovery codes, in place of a factor.
  await use.fill(page.getByLabel('User whose codes they are'), `user_${name}`);
  await use.press(page.getByRole('button', { name: 'Create recovery codes' }));
  await said(step('recovery codes are created'), page, '#recovery-outcome', 'Created 10 recovery codes');
  check(step('and shown'), (await page.locator('#recovery-codes li').count()) === 10);
  await use.press(page.getByRole('button', { name: 'Fill in an unused recovery code' }));
  await use.press(page.getByRole('button', { name: 'Verify the recovery code' }));
  await said(step('a recovery code is accepted'), page, '#recover-outcome', 'Codes left: 9');
  await use.press(page.getByRole('button', { name: 'Verify the recovery code' }));
  await said(step('and only once'), page, '#recover-outcome', 'valid is false');

  await use.open(page, 'Factors');
  await said(step('it is shown how many are left'), page, '#factor-list li.card', '9 of 10 left');
  await use.press(page.getByRole('button', { name: `Delete the recovery codes of user_${name}` }));
  await use.press(page.getByRole('button', { name: 'Delete', exact: true }));
  await said(step('recovery codes are deleted'), page, '#factor-outcome', 'Deleted the recovery codes');
  await use.press(page.getByRole('button', { name: `Delete ${factor}` }));
  await use.press(page.getByRole('button', { name: 'Delete', exact: true }));
  await said(step('a factor is deleted'), page, '#factor-outcome', `Deleted ${factor}`);

  await use.open(page, 'Activity');
  await use.pick(page.getByLabel('Outcome'), 'replayed');
  await said(step('no request was a replay'), page, '#activity-none', 'No request matches');
  await use.pick(page.getByLabel('Outcome'), 'wrong');
  check(step('the wrong codes are listed'), (await page.locator('#activity-list > li').count()) >= 5);
  await use.press(page.locator('#activity-list summary').first());
  await said(step('a request opens with its ID'), page, '#activity-list details[open]', /Request [0-9a-f-]{36}/);
  await use.pick(page.getByLabel('Outcome'), 'all');

  await use.open(page, 'Clock');
  await use.press(page.getByRole('button', { name: 'Back to the real time' }));
  await said(step('the clock is turned back'), page, '#clock-outcome', 'Back to the real time');
  await page.context().close();
  await messages.context().close();
}

/** The requests as they are copied. The one for curl is sent. */
async function copies() {
  const page = await tab();
  const dir = mkdtempSync(join(tmpdir(), 'console-'));
  const file = (name, text) => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const copied = async (language, step = 'verify') => {
    const exchange = page.locator(`#${step}-exchange`);
    await exchange.getByRole('button', { name: language, exact: true }).click();
    await exchange.getByRole('button', { name: 'Copy the request' }).click();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const runs = (command, ...options) => {
    try {
      return execFileSync(command, options, { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
    } catch {
      return null;
    }
  };
  await page.getByLabel('Code you deliver').check();
  await page.getByLabel('User ID (optional)').fill(`o'hara "x" \\ $HOME`);
  await page.getByRole('button', { name: 'Enroll', exact: true }).click();
  await said('a user ID with quotes is enrolled', page, '#enroll-outcome', 'Enrolled');
  await page.getByText('Request and answer of the enrollment').click();
  await page.locator('#enroll-exchange').getByRole('button', { name: 'Copy the request' }).click();
  const enroll = await page.evaluate(() => navigator.clipboard.readText());
  const enrolled = JSON.parse(runs('bash', '-c', `curl -s --noproxy '*' ${enroll.slice('curl '.length)}`) ?? 'null');
  check('the copied curl command enrolls the same user', enrolled?.user_id === `o'hara "x" \\ $HOME`, enrolled?.user_id);
  await page.getByRole('button', { name: 'Challenge', exact: true }).click();
  await said('a challenge is opened', page, '#challenge-outcome', 'gets the code');
  await page.getByRole('button', { name: 'Fill in the right code' }).click();
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await said('its code logs in', page, '#verify-outcome', 'valid is true');
  await page.getByText('Request and answer of the verify').click();
  const node = await copied('Node');
  check('the request for Node is JavaScript', node.includes('verifyChallenge(') && runs('node', '--check', file('a.mjs', node)) !== null);
  const python = await copied('Python');
  const compile = 'import ast, sys; ast.parse(open(sys.argv[1]).read())';
  check('the request for Python is Python', python.includes('verify_challenge(') && runs('python3', '-c', compile, file('a.py', python)) !== null);
  const go = await copied('Go');
  check('the request for Go is Go, and formatted', go.includes('VerifyChallenge(') && runs('gofmt', '-l', file('a.go', `${go}\n`)) === '');
  const json = await copied('JSON');
  check('the request as JSON has its path', /^POST \/auth\/challenges\/auth_challenge_\w+\/verify\n/.test(json));

  await page.getByLabel('User whose codes they are').fill(`o'hara "x" \\ $HOME`);
  await page.getByLabel('Accept them in step 3, too').check();
  await page.getByRole('button', { name: 'Create recovery codes' }).click();
  await said('recovery codes are created', page, '#recovery-outcome', 'Created 10');
  await page.getByText('Request and answer of the recovery codes').click();
  const sent = runs('bash', '-c', `curl -s --noproxy '*' ${(await copied('curl', 'recovery')).slice('curl '.length)}`);
  check('the copied curl command creates codes of the same user', JSON.parse(sent ?? 'null')?.user_id === `o'hara "x" \\ $HOME`);
  const checks = {
    Node: (text) => runs('node', '--check', file('b.mjs', text)) !== null,
    Python: (text) => runs('python3', '-c', compile, file('b.py', text)) !== null,
    Go: (text) => runs('gofmt', '-l', file('b.go', `${text}\n`)) === '',
  };
  for (const [language, isRight] of Object.entries(checks)) {
    const text = await copied(language, 'recovery');
    check(`the request for recovery codes is ${language}`, text.includes('recovery_codes') && isRight(text));
  }
  rmSync(dir, { recursive: true });
  await page.context().close();
}

async function faults() {
  const page = await tab();
  await page.goto(`${CONSOLE}#faults`);
  await page.getByLabel('Share of the calls').fill('100');
  await page.getByRole('button', { name: 'Turn on' }).click();
  await said('faults are turned on', page, '#fault-state', '100 % of the calls fail');
  await page.goto(`${CONSOLE}#try`);
  await page.getByRole('button', { name: 'Enroll', exact: true }).click();
  await page.getByText('Request and answer of the enrollment').click();
  await said('a request then answers 503', page, '#enroll-exchange', 'Answer 503');
  await page.goto(`${CONSOLE}#faults`);
  check('the calls that failed are counted', await page.locator('#fault-counts li').first().waitFor().then(() => true, () => false));
  await page.getByRole('button', { name: 'Turn off' }).click();
  await said('faults are turned off', page, '#fault-state', 'no call fails');
  await page.context().close();
}

async function keys() {
  const page = await tab();
  await page.goto(`${CONSOLE}#keys`);
  await page.getByLabel('Name of a new environment').fill('shop');
  await page.getByRole('button', { name: 'Create an environment' }).click();
  await said('an environment is created', page, '#key-outcome', 'Created the environment shop');
  await page.getByLabel('Environment', { exact: true }).selectOption('shop');
  await page.getByLabel('The key may').selectOption('verify');
  await page.getByRole('button', { name: 'Create an API key' }).click();
  await said('an API key is created and shown', page, '#key-outcome code', /^sk_shop_/);
  await page.getByLabel('Name of a new environment').fill('Shop');
  await page.getByRole('button', { name: 'Create an environment' }).click();
  await said('an invalid name is refused with the rule', page, '#key-outcome', '1 to 32 lower-case letters');

  const own = page.locator('#environment-list li').filter({ hasText: 'this console' });
  const id = await own.locator('code').textContent();
  await own.getByRole('button', { name: `Revoke ${id}` }).click();
  await page.keyboard.press('Escape');
  check('Escape revokes nothing', (await own.count()) === 1);
  await own.getByRole('button', { name: `Revoke ${id}` }).click();
  await page.getByRole('button', { name: 'Revoke', exact: true }).click();
  await said("the console's own key is revoked", page, '#key-outcome', `Revoked ${id}`);
  await said('the page says so', page, '#no-key', 'was revoked');
  await axe(page, 'with a revoked key');
  await page.getByRole('button', { name: 'Make a new key' }).click();
  await page.locator('#no-key').waitFor({ state: 'hidden' });
  await page.goto(`${CONSOLE}#try`);
  await page.getByRole('button', { name: 'Enroll', exact: true }).click();
  await said('the console goes on with a new key', page, '#enroll-outcome', 'Enrolled');
  await page.context().close();
}

/** A server that is stopped and started again, with another key: the page says so, and goes on. */
async function restart() {
  const serve = async (port) => {
    const server = spawn(process.env.LATCHKEY_BIN ?? 'target/debug/latchkey', ['serve', '--in-memory', '--port', port]);
    server.stderr.resume();
    let greeting = '';
    for await (const part of server.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      greeting += part;
      if (greeting.includes('totp_user')) break;
    }
    const stop = () => new Promise((resolve) => server.once('exit', resolve) && server.kill());
    return { url: greeting.match(/^Console +(\S+)/)[1], stop };
  };
  const first = await serve('0');
  const page = await tab({}, first.url);
  await page.getByRole('button', { name: 'Enroll', exact: true }).click();
  await said('a factor is enrolled', page, '#enroll-outcome', 'Enrolled');
  await first.stop();
  await said('a server that has stopped is noticed', page, '#connection', 'not connected');
  await page.getByRole('button', { name: 'Challenge', exact: true }).click();
  await said('a request to it says so', page, '#challenge-outcome', 'The server does not answer');
  const second = await serve(new URL(first.url).port);
  await said('the next one is found', page, '#connection', /^connected$/);
  await page.getByRole('button', { name: 'Challenge', exact: true }).click();
  await said('which does not have the factor', page, '#challenge-outcome', 'not found');
  await page.getByRole('button', { name: 'Enroll', exact: true }).click();
  await said('and whose key the page has', page, '#enroll-outcome', 'Enrolled');
  await page.context().close();
  await second.stop();
}

/** No violation of accessibility rules. */
async function axe(page, where) {
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document));
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`);
  check(`axe-core finds nothing ${where} (${passes.length} rules)`, violations.length === 0, found.join(' | ').replace(/\d{6}/g, '######'));
}

/** Every pane with something in it, in four looks. */
async function looks() {
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of [['wide', WIDE], ['360 px', SMALL]]) {
      const page = await tab({ colorScheme, viewport, reducedMotion: 'reduce' });
      const where = `in ${colorScheme}, ${size}`;
      await page.getByRole('button', { name: 'Enroll', exact: true }).click();
      await page.getByText('Request and answer of the enrollment').click();
      await page.getByRole('button', { name: 'Challenge', exact: true }).click();
      await says(page, '#challenge-outcome', 'Challenge opened');
      await page.getByLabel('Code', { exact: true }).fill('000000');
      await page.getByRole('button', { name: 'Verify', exact: true }).click();
      await says(page, '#verify-outcome', /valid/);
      for (const pane of PANES) {
        await mouse(page).open(page, pane);
        if (pane === 'Activity') await page.locator('#activity-list summary').first().click();
        if (pane === 'Factors') await page.locator('#factor-list details').first().click();
        if (pane === 'Clock') await page.getByRole('button', { name: 'Back to the real time' }).click();
        await page.waitForTimeout(300);
        await axe(page, `${where}: ${pane}`);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        check(`${pane} ${where} fits into the window`, width <= viewport.width, width);
        const lead = page.locator('main > section:not([hidden]) .lead');
        check(`${pane} ${where} begins with a sentence`, /^[A-Z].*\.$/.test(await lead.textContent()));
      }
      await mouse(page).open(page, 'Messages');
      await page.getByRole('button', { name: 'Delete all' }).click();
      await axe(page, `${where}: a question`);
      await page.context().close();
    }
  }
}

/** The images of the documentation, of a server that nothing else has used. */
async function images() {
  mkdirSync(IMAGES, { recursive: true });
  const page = await tab({ viewport: { width: 1100, height: 1000 } });
  const press = (name) => page.getByRole('button', { name, exact: true }).click();
  const login = async () => {
    await press('Enroll');
    await says(page, '#enroll-outcome', 'Enrolled');
    await press('Challenge');
    await says(page, '#challenge-outcome', 'Challenge opened');
    await press('Fill in the right code');
    await press('Verify');
    await says(page, '#verify-outcome', 'valid is true');
  };
  const shoot = async (name) => {
    await page.waitForTimeout(300);
    await page.evaluate(() => document.activeElement?.blur());
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: `${IMAGES}${name}.png` });
    console.log(`wrote docs/images/${name}.png`);
  };
  await login();
  await shoot('console-try-it');
  await page.setViewportSize({ width: 1100, height: 640 });
  for (const [user, phone] of [['user_bob', '+15005550006'], ['user_carol', '+15005550007']]) {
    await page.getByLabel('Text message').check();
    await page.getByLabel('User ID (optional)').fill(user);
    await page.getByLabel('Phone number').fill(phone);
    await login();
  }
  for (let guess = 0; guess < 5; guess++) {
    if (guess === 0) {
      await page.getByLabel('Code you deliver').check();
      await press('Enroll');
      await says(page, '#enroll-result', 'delivers');
      await press('Challenge');
      await says(page, '#challenge-outcome', 'gets the code');
    }
    await page.getByLabel('Code', { exact: true }).fill('000000');
    await press('Verify');
    await says(page, '#verify-outcome', 'valid is false');
    await page.waitForFunction(() => !document.querySelector('#verify-form[aria-busy]'));
  }
  for (const [pane, colorScheme] of [['factors', 'light'], ['activity', 'light'], ['messages', 'dark']]) {
    await page.emulateMedia({ colorScheme });
    await page.goto(`${CONSOLE}#${pane}`);
    await shoot(`console-${pane}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.goto(`${CONSOLE}#messages`);
  await press('Delete all');
  await press('Delete');
  await said('all messages are deleted', page, '#message-none', 'No messages yet');
  await page.context().close();
}

if (process.env.LATCHKEY_CONSOLE) {
  // A server of somebody else's start: only the tour.
  await tour('clone', mouse, '+15005550001');
} else {
  if (writesDocs) await images();
  await tour('mouse', mouse, '+15005550008');
  await tour('keyboard', keyboard, '+15005550009');
  await copies();
  await faults();
  await looks();
  await keys();
  await restart();
}
await browser.close();
finish();
