// What pages from elsewhere get from a local server, sent by a real browser: nothing to read, and nothing changed.
//
// The pages know everything: an API key, and the token of the ports behind the API. Requests of a page with a rebound name
// go through a forwarder, which stands for the name that now resolves to this machine: the server sees the page's own
// host and origin, and the browser lets the page read whatever it gets.

import http from 'node:http';
import { once } from 'node:events';
import { check, finish, launch } from './check.mjs';

const { LATCHKEY_URL, LATCHKEY_API_KEY, LATCHKEY_DYNAMODB_URL, LATCHKEY_KMS_URL, LATCHKEY_SNS_URL } = process.env;
const USER = 'user_of_the_browser_test';
const DAY = 24 * 60 * 60;

const keyed = { authorization: `Bearer ${LATCHKEY_API_KEY}`, 'content-type': 'application/json' };
const enroll = JSON.stringify({ type: 'generic_otp', user_id: USER });
const target = (operation, version) => ({ 'x-amz-target': operation, 'content-type': `application/x-amz-json-${version}` });
const scan = target('DynamoDB_20120810.Scan', '1.0');
const table = JSON.stringify({ TableName: 'latchkey' });
const message = 'Action=Publish&PhoneNumber=%2B15005550006&Message=Foo+Corp%3A+000000';
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const a_data_key = JSON.stringify({ KeyId: 'alias/latchkey-local', NumberOfBytes: 32 });

// [base URL, method, path, headers, body]
const attacks = [
  [LATCHKEY_URL, 'GET', '/_dev/sms', {}],
  [LATCHKEY_URL, 'GET', '/_dev/clock', {}],
  [LATCHKEY_URL, 'DELETE', '/_dev/sms', {}],
  [LATCHKEY_URL, 'POST', '/_dev/clock', { 'content-type': 'application/json' }, `{"advance_seconds":${9 * DAY}}`],
  [LATCHKEY_URL, 'POST', '/_dev/clock', { 'content-type': 'text/plain' }, `{"advance_seconds":${9 * DAY}}`],
  [LATCHKEY_URL, 'POST', '/_dev/sns/', form, message],
  [LATCHKEY_URL, 'GET', '/', {}],
  [LATCHKEY_URL, 'GET', '/_dev/session', {}],
  [LATCHKEY_URL, 'GET', '/_dev/events', {}],
  [LATCHKEY_URL, 'GET', '/_dev/factors', {}],
  [LATCHKEY_URL, 'POST', '/_dev/faults', { 'content-type': 'application/json' }, '{"share":1}'],
  [LATCHKEY_URL, 'POST', '/_dev/environments', { 'content-type': 'application/json' }, '{"environment":"theirs"}'],
  [LATCHKEY_URL, 'POST', '/_dev/environments/local/api_keys', { 'content-type': 'application/json' }, '{"scope":"full"}'],
  [LATCHKEY_URL, 'GET', `/auth/factors?user_id=${USER}`, keyed],
  [LATCHKEY_URL, 'POST', '/auth/factors/enroll', keyed, enroll],
  [LATCHKEY_DYNAMODB_URL, 'POST', '/', scan, table],
  [LATCHKEY_DYNAMODB_URL, 'POST', '/', { ...scan, ...target('DynamoDB_20120810.DeleteTable', '1.0') }, table],
  [LATCHKEY_DYNAMODB_URL, 'POST', '/', { 'content-type': 'text/plain' }, table],
  [LATCHKEY_DYNAMODB_URL, 'GET', '/', {}],
  [LATCHKEY_KMS_URL, 'POST', '/', target('TrentService.GenerateDataKey', '1.1'), a_data_key],
  [LATCHKEY_KMS_URL, 'GET', '/', {}],
  [LATCHKEY_SNS_URL, 'POST', '/', form, message],
  [LATCHKEY_SNS_URL, 'POST', '/', { 'content-type': 'text/plain' }, message],
];

/// A server of ours on a free port.
async function serve(answer) {
  const server = http.createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: server.address().port, close: () => server.closeAllConnections() || server.close() };
}

/// Hands out an attacker's page, and another whose origin is opaque (`Origin: null`).
const page_of = (request, response) => {
  const headers = { 'content-type': 'text/html' };
  if (request.url === '/sandboxed') headers['content-security-policy'] = 'sandbox allow-scripts allow-forms';
  response.writeHead(200, headers).end('<!doctype html><title>a page</title>');
};

/// The attacker's page, and behind it one of the server's ports, reached by the page's own name.
const seen = [];
const rebound = (port) => (request, response) => {
  if (request.url === '/page') return page_of(request, response);
  if (request.url === '/favicon.ico') return response.writeHead(404).end(); // The browser's own, beside what is counted.
  const { method, url: path, headers } = request;
  const forwarded = http.request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
    seen.push(answer.statusCode);
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  request.pipe(forwarded);
};

/// Runs in the page: a fetch, and what the page can see of its answer.
const fetched = async ([url, method, headers, body, mode]) => {
  try {
    const answer = await fetch(url, { method, headers, body, mode, credentials: 'include' });
    return { type: answer.type, status: answer.status, text: await answer.text() };
  } catch (error) {
    return { error: error.name };
  }
};

/// Runs in the page: what needs no script that reads answers.
const submitted = async ([url, body]) => {
  navigator.sendBeacon(url, body);
  const form = document.createElement('form');
  Object.assign(form, { method: 'post', action: url, enctype: 'text/plain', target: 'away' });
  const away = document.createElement('iframe');
  away.name = 'away';
  const [name, ...value] = body.split('=');
  const field = Object.assign(document.createElement('input'), { name, value: value.join('=') });
  form.append(field);
  document.body.append(away, form);
  const done = new Promise((resolve) => away.addEventListener('load', resolve));
  form.submit();
  await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 3000))]);
};

/// What a page could have changed, looked at by no browser.
async function state() {
  const json = async (url, options) => (await fetch(url, options)).json();
  const { now } = await json(`${LATCHKEY_URL}/_dev/clock`);
  const items = await json(LATCHKEY_DYNAMODB_URL, { method: 'POST', headers: scan, body: table });
  return JSON.stringify({
    days_off: Math.round((Date.parse(now) - Date.now()) / 1000 / DAY),
    messages: (await json(`${LATCHKEY_URL}/_dev/sms`)).map(({ to, sent_at }) => ({ to, sent_at })), // Not their codes.
    factors: (await json(`${LATCHKEY_URL}/auth/factors?user_id=${USER}`, { headers: keyed })).data,
    items: items.Items.length,
  });
}

const browser = await launch('--host-resolver-rules=MAP evil.example 127.0.0.1');
const page = await browser.newPage();

// There is something to read: a factor, and a message.
const post = async (path, body) => (await fetch(LATCHKEY_URL + path, { method: 'POST', headers: keyed, body })).json();
const factor = await post('/auth/factors/enroll', JSON.stringify({ type: 'sms', phone_number: '+15005550006', user_id: USER }));
await post(`/auth/factors/${factor.id}/challenge`, '{}');
const before = await state();

// The browser does send what is refused below: a server that lets every page in shows it.
const lax = await serve((request, response) => {
  const open = { 'access-control-allow-origin': request.headers.origin ?? '*', 'access-control-allow-credentials': 'true' };
  const allowed = { 'access-control-allow-headers': 'x-amz-target,content-type,authorization', 'access-control-allow-methods': 'POST,DELETE' };
  response.writeHead(200, { ...open, ...allowed }).end('open');
});
const elsewhere = await serve(page_of);

for (const [name, url] of [
  ['a page of another port', `http://127.0.0.1:${elsewhere.port}/`],
  ['a page of another name', `http://evil.example:${elsewhere.port}/`],
  ['a sandboxed page', `http://127.0.0.1:${elsewhere.port}/sandboxed`],
]) {
  await page.goto(url);
  const control = await page.evaluate(fetched, [`http://127.0.0.1:${lax.port}/`, 'POST', scan, table, 'cors']);
  check(`${name} reads a server that lets it in`, control.text === 'open', control);
  for (const [base, method, path, headers, body] of attacks) {
    for (const mode of ['cors', 'no-cors']) {
      const answer = await page.evaluate(fetched, [base + path, method, headers, body, mode]);
      const nothing = answer.error === 'TypeError' || (answer.type === 'opaque' && answer.status === 0 && answer.text === '');
      const port = base === LATCHKEY_URL ? 'the API' : base === LATCHKEY_DYNAMODB_URL ? 'the engine' : base === LATCHKEY_KMS_URL ? 'KMS' : 'SNS';
      check(`${name} reads nothing of ${port}: ${method} ${path} (${mode})`, nothing, answer);
    }
  }
  await page.evaluate(submitted, [`${LATCHKEY_URL}/_dev/clock`, `{"advance_seconds":${9 * DAY},"x":"="}`]);
  await page.goto(url);
  await page.evaluate(submitted, [LATCHKEY_SNS_URL, message]);
  check(`${name} changes nothing`, (await state()) === before, await state());
}

for (const [name, base] of [
  ['the API', LATCHKEY_URL], ['the engine', LATCHKEY_DYNAMODB_URL], ['KMS', LATCHKEY_KMS_URL], ['SNS', LATCHKEY_SNS_URL],
]) {
  const { port, pathname } = new URL(base);
  const evil = await serve(rebound(port));
  await page.goto(`http://evil.example:${evil.port}/page`);
  for (const [, method, path, headers, body] of attacks.filter(([target]) => target === base)) {
    const url = (pathname === '/' ? '' : pathname) + path;
    seen.length = 0;
    const answer = await page.evaluate(fetched, [url, method, headers, body, 'same-origin']);
    const refused = answer.status === 403 && seen.join() === '403' && (base === LATCHKEY_URL ? JSON.parse(answer.text).code === 'forbidden' : answer.text === '');
    check(`a page with a rebound name is refused by ${name}: ${method} ${path} (${headers['content-type'] ?? 'no body'})`, refused, answer);
  }
  evil.close();
  check(`a page with a rebound name changes nothing behind ${name}`, (await state()) === before, await state());
}

// The same requests of the server's own page are carried out, or the refusals above would show nothing.
await page.goto(`${LATCHKEY_URL}/auth/factors`);
const own = await page.evaluate(fetched, ['/auth/factors/enroll', 'POST', keyed, enroll, 'same-origin']);
check("the server's own page enrolls a factor", own.status === 201, own);
const moved = await page.evaluate(fetched, ['/_dev/clock', 'POST', keyed, `{"advance_seconds":${9 * DAY}}`, 'same-origin']);
check("the server's own page moves the clock", moved.status === 200, moved);
check('which can be seen', (await state()) !== before, before);

await browser.close();
lax.close();
elsewhere.close();
finish();
