// Clock: the server's time, and how to turn it.

import { $, $$, show } from './dom.js';
import { dev, listen } from './api.js';

/** How far the server's clock is ahead of this browser's, in milliseconds. */
let ahead = 0;
let offsetSeconds = 0;

/** The server's time in milliseconds. */
export const serverNow = () => Date.now() + ahead;

function set({ now, offset_seconds }) {
  ahead = Date.parse(now) - Date.now();
  offsetSeconds = offset_seconds;
  render();
}

const clockTime = (millis) => new Date(millis).toISOString().slice(0, 19).replace('T', ' ');

function render() {
  const now = clockTime(serverNow());
  $('#clock-now').textContent = `${now} UTC`;
  $('#header-time').textContent = `${now} UTC`;
  $('#header-offset').textContent = offsetSeconds ? `turned by ${span(offsetSeconds)}` : '';
  $('#clock-offset').textContent = offsetSeconds ? `The clock is turned by ${span(offsetSeconds)}.` : 'The clock shows the real time.';
}

/** `+1 d 2 h` of a number of seconds. */
function span(seconds) {
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  let rest = Math.abs(seconds);
  const parts = [];
  for (const [unit, size] of units) {
    if (rest >= size) parts.push(`${Math.floor(rest / size)} ${unit}`);
    rest %= size;
  }
  return `${seconds < 0 ? '−' : '+'}${parts.join(' ')}`;
}

async function turn(seconds) {
  try {
    set(await dev('POST', 'clock', { advance_seconds: seconds }));
    const turned = offsetSeconds ? `Turned by ${span(offsetSeconds)} in all.` : 'Back to the real time.';
    show($('#clock-outcome'), 'good', `${turned} It is ${clockTime(serverNow())} UTC.`);
  } catch (error) {
    show($('#clock-outcome'), 'bad', error.message);
  }
}

const load = async () => set(await dev('GET', 'clock'));

export async function start() {
  for (const button of $$('#pane-clock [data-seconds]')) {
    button.addEventListener('click', () => turn(Number(button.dataset.seconds)));
  }
  $('#clock-back').addEventListener('click', () => turn(-offsetSeconds));
  listen('connection', (connected) => connected && load());
  listen('changed', (what) => what === 'clock' && load());
  setInterval(render, 1000);
  await load();
}
