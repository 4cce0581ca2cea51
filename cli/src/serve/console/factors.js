// Factors and recovery codes: who has which, what was tried at them, and how to unlock or delete them.

import { $, $$, announce, confirmed, copyable, h, onSubmit, show, time } from './dom.js';
import { call, dev, explain, listen } from './api.js';
import { recoveryPath } from './recovery.js';

const NAMES = { totp: 'Authenticator app', sms: 'Text message', generic_otp: 'Code you deliver' };

/** Whether the pane is shown; its list is not loaded otherwise. */
let visible = false;
let user = '';
let pending;

async function load() {
  try {
    const { factors, recovery_codes, damaged, more } = await dev('GET', `factors?user_id=${encodeURIComponent(user)}`);
    render(factors, recovery_codes);
    $('#factor-note').textContent = [
      !factors.length && !recovery_codes.length && (user ? 'This user has no factors.' : 'No factors yet. Enroll one in “Try it”.'),
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

function render(factors, recoveryCodes) {
  const focused = document.activeElement?.dataset.focus;
  const open = $$('#factor-list details[open]').map(({ dataset }) => dataset.focus);
  $('#factor-list').replaceChildren(...[...byUser(factors, recoveryCodes)].map(([name, cards]) =>
    h('section', { className: 'group' }, h('h3', {}, name || 'Without a user'), h('ul', { className: 'list' }, cards))));
  for (const name of open) $(`#factor-list [data-focus="${name}"]`)?.setAttribute('open', '');
  if (focused) $(`#factor-list [data-focus="${focused}"]`)?.focus();
}

/** The cards of each user: factors, then recovery codes. */
function byUser(factors, recoveryCodes) {
  const users = new Map();
  const add = (name, card) => users.set(name, [...(users.get(name) ?? []), card]);
  for (const factor of factors) add(factor.user_id ?? '', card(factor));
  for (const codes of recoveryCodes) add(codes.user_id, recoveryCard(codes));
  return users;
}

const lockTag = (locked, until) =>
  locked && h('span', { className: 'tag bad' }, 'Locked', until ? [' until ', time(until), ' UTC'] : '');

function recoveryCard({ user_id, created_at, total, remaining, accept_on_challenges, failures, locked, locked_until }) {
  const where = accept_on_challenges ? ' Challenges accept them, too.' : '';
  const label = `Delete the recovery codes of ${user_id}`;
  return h('li', { className: 'card' },
    h('div', { className: 'bar' }, h('strong', {}, 'Recovery codes'), lockTag(locked, locked_until),
      h('span', { className: 'quiet' }, 'created ', time(created_at))),
    h('p', {}, `${remaining} of ${total} left.${where} Failures: ${failures} in a row.`),
    h('div', { className: 'buttons' },
      h('button', { type: 'button', className: 'danger', 'aria-label': label, onclick: () => removeCodes(user_id) }, 'Delete')));
}

function card(factor) {
  const { id, type, about, name, created_at, last_used_at, failures, failures_today, max_failures_today, locked, locked_until, challenges } = factor;
  return h('li', { className: 'card' },
    h('div', { className: 'bar' }, h('strong', {}, name ?? NAMES[type] ?? type), lockTag(locked, locked_until),
      h('span', { className: 'quiet' }, 'enrolled ', time(created_at), last_used_at ? [', last used ', time(last_used_at)] : '')),
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

const remove = (id) =>
  removed(`Delete ${id}? Its challenges can no longer be verified.`, `/auth/factors/${id}`, `Deleted ${id}.`);

const removeCodes = (user) =>
  removed(`Delete the recovery codes of ${user}? None of them is accepted any more.`, recoveryPath(user), 'Deleted the recovery codes.');

async function removed(question, path, done) {
  if (!(await confirmed(question, 'Delete'))) return;
  const { ok, status, answer } = await call('delete', 'DELETE', path);
  if (!ok) {
    show($('#factor-outcome'), 'bad', explain(status, answer));
    return;
  }
  await load();
  show($('#factor-outcome'), 'good', done);
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
