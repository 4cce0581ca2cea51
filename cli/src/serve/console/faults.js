// Faults: how many of the server's calls to its table, keys and outbox fail.

import { $, h, onSubmit, show } from './dom.js';
import { dev, listen } from './api.js';

const NAMES = {
  Throttle: 'throttled', ServerError: 'answered with a 500', TimeoutBefore: 'broken before the call was carried out',
  TimeoutAfter: 'broken after the call was carried out', Conflict: 'in conflict with a transaction',
  SilenceBefore: 'not answered, not carried out', SilenceAfter: 'not answered, but carried out',
};

let visible = false;
let pending;

async function load() {
  const [{ share }, counts] = await Promise.all([dev('GET', 'faults/plan'), dev('GET', 'faults')]);
  const percent = Math.round((share ?? 0) * 1000) / 10;
  $('#fault-state').textContent = percent ? `On: ${percent} % of the calls fail.` : 'Off: no call fails.';
  $('#header-faults').textContent = percent ? `faults ${percent} %` : '';
  $('#fault-off').disabled = !percent;
  const injected = Object.entries(counts);
  $('#fault-counts').replaceChildren(...injected.map(([fault, count]) => h('li', {}, `${count} ${NAMES[fault] ?? fault}`)));
  $('#fault-none').textContent = injected.length ? '' : 'None since the share was set.';
}

async function plan(share) {
  try {
    await dev('POST', 'faults', { share, seed: crypto.getRandomValues(new Uint32Array(1))[0] });
    await load();
    show($('#fault-outcome'), 'good', share ? `Faults are on. Requests that meet several in a row answer 503.` : 'Faults are off.');
  } catch (error) {
    show($('#fault-outcome'), 'bad', error.message);
  }
}

export function start() {
  onSubmit($('#fault-form'), ({ percent = 0 }) => plan(Number(percent) / 100));
  $('#fault-off').addEventListener('click', async () => {
    await plan(0);
    $('#fault-percent').focus();
  });
  listen('pane', (name) => {
    visible = name === 'faults';
    if (visible) load();
  });
  listen('request', () => {
    if (!visible) return;
    clearTimeout(pending);
    pending = setTimeout(load, 200);
  });
  listen('connection', (connected) => connected && load());
  listen('changed', (what) => what === 'faults' && load());
}
