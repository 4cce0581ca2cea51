// Messages: the texts that a deployed server would send to phones.

import { $, announce, confirmed, copyButton, h, show, time } from './dom.js';
import { dev, listen } from './api.js';
import { codeIn } from './codes.js';

let messages = [];

async function load() {
  const known = messages.length;
  messages = await dev('GET', 'sms');
  render();
  return messages.length - known;
}

/** Announces a message that has just arrived. */
async function arrived() {
  if ((await load()) > 0) announce(`New message to ${messages.at(-1).to}`);
}

function render() {
  const wanted = $('#message-search').value.trim().toLowerCase();
  const found = messages.filter(({ to, message }) => `${to} ${message}`.toLowerCase().includes(wanted));
  $('#message-count').textContent = messages.length || '';
  $('#message-list').replaceChildren(...found.toReversed().map(row));
  const none = messages.length ? 'No message contains this text.' : 'No messages yet. Challenge a factor of the type “Text message”.';
  $('#message-none').textContent = found.length ? '' : none;
}

function row({ to, message, sent_at }) {
  const code = codeIn(message);
  return h('li', { className: 'card' },
    h('div', { className: 'bar' }, h('strong', {}, to), time(sent_at)),
    h('p', { className: 'text' }, message),
    code && copyButton(`Copy ${code}, the code of this message`, code, `Copy ${code}`));
}

async function clear() {
  if (!(await confirmed('Delete all messages?', 'Delete'))) return;
  await dev('DELETE', 'sms');
  await load();
  show($('#message-outcome'), 'good', 'All messages deleted.');
}

export function start() {
  $('#message-search').addEventListener('input', render);
  $('#message-clear').addEventListener('click', clear);
  listen('connection', (connected) => connected && load());
  listen('changed', (what) => what === 'sms' && arrived());
}
