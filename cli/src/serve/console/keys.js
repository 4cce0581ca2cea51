// Keys: environments and their API keys.

import { $, confirmed, copyable, h, onSubmit, show, time } from './dom.js';
import { dev, listen, openSession, session } from './api.js';

const SCOPES = { full: 'everything', verify: 'challenge and verify', read: 'read and list' };

async function load() {
  const { environments, damaged } = await dev('GET', 'environments');
  const chosen = $('#key-environment').value || session.environment;
  $('#key-environment').replaceChildren(...environments.filter(({ deleted_at }) => !deleted_at).map(({ environment }) =>
    h('option', { value: environment, selected: environment === chosen }, environment)));
  $('#environment-list').replaceChildren(...environments.map(section));
  $('#key-note').textContent = damaged.length ? `Cannot be read: ${damaged.join(', ')}.` : '';
}

function section({ environment, deleted_at, api_keys, damaged }) {
  return h('section', { className: 'group' },
    h('h3', {}, environment),
    deleted_at && h('p', {}, 'Being deleted since ', time(deleted_at), ' UTC.'),
    api_keys.length ? h('ul', { className: 'list' }, api_keys.map((key) => row(environment, key))) : h('p', { className: 'quiet' }, 'No API keys.'),
    damaged.length > 0 && h('p', {}, `Entries that cannot be read: ${damaged.join(', ')}.`));
}

function row(environment, { id, scope, created_at, expires_at, expired }) {
  const expiry = expires_at ? [expired ? 'expired ' : 'expires ', time(expires_at)] : 'does not expire';
  return h('li', { className: 'card' },
    h('div', { className: 'bar' },
      h('strong', {}, `${scope}: ${SCOPES[scope]}`),
      id === session.api_key_id && h('span', { className: 'tag good' }, 'this console'),
      h('span', { className: 'quiet' }, 'created ', time(created_at), ', ', expiry)),
    h('p', {}, copyable('the ID of the API key', id)),
    h('button', { type: 'button', className: 'danger', 'aria-label': `Revoke ${id}`, onclick: () => revoke(environment, id) }, 'Revoke'));
}

async function revoke(environment, id) {
  const own = id === session.api_key_id;
  const question = own
    ? `Revoke ${id}? This console and the file api-key use it. The console can make another one afterwards.`
    : `Revoke ${id}? What uses it is refused, within a minute.`;
  if (!(await confirmed(question, 'Revoke'))) return;
  await act(async () => {
    await dev('DELETE', `environments/${encodeURIComponent(environment)}/api_keys/${id}`);
    if (own) await openSession();
    await load();
    show($('#key-outcome'), 'good', `Revoked ${id}. The server may accept it for another minute.`);
    $('#h-keys').focus();
  });
}

async function createKey({ environment, scope, lifetime }) {
  await act(async () => {
    const body = { scope, ...(lifetime && { expires_in_seconds: Number(lifetime) }) };
    const { key } = await dev('POST', `environments/${encodeURIComponent(environment)}/api_keys`, body);
    await load();
    show($('#key-outcome'), 'good', 'Copy the new API key now, it is not shown again: ', copyable('the new API key', key));
  });
}

async function createEnvironment({ environment = '' }) {
  await act(async () => {
    await dev('POST', 'environments', { environment });
    await load();
    $('#key-environment').value = environment;
    $('#environment-name').value = '';
    show($('#key-outcome'), 'good', `Created the environment ${environment}. It has no API keys yet.`);
  });
}

async function act(action) {
  try {
    await action();
  } catch (error) {
    show($('#key-outcome'), 'bad', error.message);
  }
}

export function start() {
  onSubmit($('#key-form'), createKey);
  onSubmit($('#environment-form'), createEnvironment);
  listen('pane', (name) => name === 'keys' && act(load));
  listen('changed', (what) => what === 'environments' && !$('#pane-keys').hidden && act(load));
  listen('session', () => !$('#pane-keys').hidden && act(load));
}
