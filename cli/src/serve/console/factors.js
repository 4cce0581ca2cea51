// Factors: who has which, what was tried at them, and how to unlock or delete one.

import { $, $$, announce, confirmed, copyable, h, onSubmit, show, time } from './dom.js';
import { call, dev, explain, listen } from './api.js';

const NAMES = { totp: 'Authenticator app', sms: 'Text message', generic_otp: 'Code you deliver' };

/** Whether the pane is shown; its list is not loaded otherwise. */
let visible = false;
let user = '';
let pending;

async function load() {
  try {
    const { factors, damaged, more } = await dev('GET', `factors?user_id=${encodeURIComponent(user)}`);
    render(factors);
    $('#factor-note').textContent = [
      !factors.length && (user ? 'This user has no factors.' : 'No factors yet. Enroll one in “Try it”.'),
      more && 'Only 200 factors are shown. Find others by their user.',
      damaged.length && `Cannot be read: ${damaged.join(', ')}.`,
    ].filter(Boolean).join(' ');
  } catch (error) {
    show($('#factor-outcome'), 'bad', error.message);
  }
}

/** Loads the list soon: many requests that come together cause one. */
function loadSoon() {
  if (!visible) return;
  clearTimeout(pending);
  pending = setTimeout(load, 200);
}

function render(factors) {
  const focused = document.activeElement?.dataset.focus;
  const open = $$('#factor-list details[open]').map(({ dataset }) => dataset.focus);
  $('#factor-list').replaceChildren(...[...byUser(factors)].map(([name, owned]) =>
    h('section', { className: 'group' }, h('h3', {}, name || 'Without a user'), h('ul', { className: 'list' }, owned.map(card)))));
  for (const name of open) $(`#factor-list [data-focus="${name}"]`)?.setAttribute('open', '');
  if (focused) $(`#factor-list [data-focus="${focused}"]`)?.focus();
}

function byUser(factors) {
  const users = new Map();
  for (const factor of factors) {
    const name = factor.user_id ?? '';
    users.set(name, [...(users.get(name) ?? []), factor]);
  }
  return users;
}

/** A factor. What belongs to a user and to none of their factors, such as recovery codes, is not shown yet. */
function card(factor) {
  const { id, type, about, created_at, failures, failures_today, max_failures_today, locked, locked_until, challenges } = factor;
  const lock = locked && h('span', { className: 'tag bad' }, 'Locked', locked_until ? [' until ', time(locked_until), ' UTC'] : '');
  return h('li', { className: 'card' },
    h('div', { className: 'bar' }, h('strong', {}, NAMES[type] ?? type), lock, h('span', { className: 'quiet' }, 'enrolled ', time(created_at))),
    about && h('p', {}, about),
    h('p', {}, copyable('the factor ID', id)),
    h('p', {}, `Failures: ${failures} in a row, ${failures_today} of at most ${max_failures_today} in 24 hours.`),
    challenges.length > 0 && h('details', { 'data-focus': `tried ${id}` }, h('summary', {}, `Challenges tried: ${challenges.length}`), h('ul', {}, challenges.map(attempt))),
    h('div', { className: 'buttons' },
      h('button', { type: 'button', 'data-focus': `unlock ${id}`, 'aria-label': `Unlock ${id}`, onclick: () => unlock(id) }, 'Unlock'),
      h('button', { type: 'button', className: 'danger', 'aria-label': `Delete ${id}`, onclick: () => remove(id) }, 'Delete')));
}

function attempt({ id, attempts, max_attempts, verified, expires_at }) {
  const outcome = verified ? 'verified' : attempts < max_attempts ? 'not verified' : 'no attempts left';
  return h('li', {}, h('code', {}, id), ` ${attempts} of ${max_attempts} attempts, ${outcome}, expires `, time(expires_at));
}

async function unlock(id) {
  try {
    await dev('POST', `factors/${id}/unlock`);
    await load();
    show($('#factor-outcome'), 'good', `Unlocked ${id}: its failures are cleared.`);
  } catch (error) {
    show($('#factor-outcome'), 'bad', error.message);
  }
}

async function remove(id) {
  if (!(await confirmed(`Delete ${id}? Its challenges can no longer be verified.`, 'Delete'))) return;
  const { ok, status, answer } = await call('delete', 'DELETE', `/auth/factors/${id}`);
  if (!ok) {
    show($('#factor-outcome'), 'bad', explain(status, answer));
    return;
  }
  await load();
  show($('#factor-outcome'), 'good', `Deleted ${id}.`);
  $('#h-factors').focus();
}

export function start() {
  onSubmit($('#factor-form'), async ({ user_id = '' }) => {
    user = user_id;
    await load();
    announce('List updated');
  });
  listen('pane', (name) => {
    visible = name === 'factors';
    if (visible) load();
  });
  listen('request', loadSoon);
  listen('changed', (what) => ['factors', 'clock', 'session'].includes(what) && loadSoon());
}
