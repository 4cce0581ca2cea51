// Requests: to the API with the local key, and to the server's own routes under /_dev.

/** Where the API is, and the key for it: `url`, `environment`, `api_key`, `api_key_id`. */
export const session = {};

/** Tells what happens: `request` (an audit line), `changed` (what), `session`, `connection` (whether there is one). */
export const bus = new EventTarget();
export const tell = (name, detail) => bus.dispatchEvent(new CustomEvent(name, { detail }));
export const listen = (name, action) => bus.addEventListener(name, (event) => action(event.detail));

/** An answer of the server that is not what was asked for. */
export class Refused extends Error {
  constructor(status, answer) {
    super(explain(status, answer));
    Object.assign(this, { status, answer });
  }
}

/** What an error of the server says, with the fields that it names. */
export function explain(status, answer) {
  if (!answer?.code) return `The server answered ${status}.`;
  const details = (answer.errors ?? []).map(({ field, code }) => `${field} ${code}`);
  return details.length ? `${capitalized(details.join('; '))}.` : answer.message;
}

const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1);

async function ask(method, path, body, headers = {}) {
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Error('The server does not answer. Is it still running?');
  }
  const text = await response.text();
  return { status: response.status, ok: response.ok, requestId: response.headers.get('x-request-id'), answer: parsed(text) };
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return text;
  }
}

/** Sends a request to a route under /_dev. Throws [`Refused`] if it is not carried out. */
export async function dev(method, path, body) {
  const { status, ok, answer } = await ask(method, `/_dev/${path}`, body);
  if (!ok) throw new Refused(status, answer);
  return answer;
}

/** Sends a request to the API with the local key. Returns the request and its answer, whatever that is. */
export async function call(operation, method, path, body) {
  const answered = await ask(method, path, body, { authorization: `Bearer ${session.api_key ?? ''}` });
  if (answered.status === 401) await openSession();
  return { operation, method, path, body, ...answered };
}

/** Asks for the key again. It is null if it is not accepted any more. */
export async function openSession() {
  Object.assign(session, await dev('GET', 'session'));
  tell('session', session);
}

/** Has the server make another key, if the one it has is not accepted any more. */
export async function renewSession() {
  Object.assign(session, await dev('POST', 'session'));
  tell('session', session);
}

/** Listens to the server. After each connection, everything is asked for again. */
export function openEvents() {
  const events = new EventSource('/_dev/events');
  events.addEventListener('open', () => tell('connection', true));
  events.addEventListener('error', () => tell('connection', false));
  events.addEventListener('request', ({ data }) => tell('request', JSON.parse(data)));
  events.addEventListener('changed', ({ data }) => tell('changed', data));
}
