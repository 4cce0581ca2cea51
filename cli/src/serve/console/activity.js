// Activity: the audit line of each request to the API, as it is answered.

import { $, copyable, h, time } from './dom.js';
import { listen } from './api.js';

/** How many are kept. */
const MAX = 500;

let requests = [];

function matches({ status, line }) {
  const factor = $('#activity-factor').value.trim().replace(/^auth_factor_/, '');
  const outcome = $('#activity-outcome').value;
  const kind = $('#activity-status').value;
  return (!factor || line.factor?.includes(factor)) && (!outcome || line.outcome === outcome) && (!kind || String(status)[0] === kind);
}

function render() {
  const found = requests.filter(matches);
  $('#activity-list').replaceChildren(...found.toReversed().map(row));
  const none = requests.length ? 'No request matches.' : 'No requests yet. Send one in “Try it”, or from your application.';
  $('#activity-none').textContent = found.length ? '' : none;
}

function add(request) {
  requests.push(request);
  if (requests.length > MAX) requests.shift();
  if (!matches(request)) return;
  const list = $('#activity-list');
  list.prepend(row(request));
  while (list.children.length > MAX) list.lastChild.remove();
  $('#activity-none').textContent = '';
}

function row({ status, line }) {
  const { time: at, operation, outcome, ms, code, factor, factor_type, request_id } = line;
  const kind = outcome === 'ok' ? 'good' : outcome === 'failed' ? 'bad' : 'warn';
  const open = ({ target }) => {
    if (target.open && target.children.length === 1) target.append(details(line, request_id));
  };
  return h('li', {}, h('details', { className: 'line', ontoggle: open },
    h('summary', {},
      time(at), ' ', h('strong', {}, operation === 'none' ? 'no route' : operation), ' ',
      h('span', { className: `tag ${kind}` }, outcome), ` ${status} `, h('span', { className: 'quiet' }, `${ms} ms`),
      factor && [' ', h('span', { className: 'quiet' }, factor_type, ' ', h('code', {}, `…${factor.slice(-6)}`))],
      code && [' ', h('code', {}, code)])));
}

function details(line, requestId) {
  return h('div', {},
    h('p', {}, 'Request ', copyable('the request ID', requestId)),
    h('pre', { className: 'code' }, JSON.stringify(line, null, 2)));
}

export function start() {
  for (const id of ['activity-factor', 'activity-outcome', 'activity-status']) $(`#${id}`).addEventListener('input', render);
  listen('connection', (connected) => {
    // The server sends what it has again.
    if (connected) requests = [];
    render();
  });
  listen('request', add);
  render();
}
