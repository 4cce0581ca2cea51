// The console: starts the panes, and shows the one that the address names.

import { $, $$, show } from './dom.js';
import { listen, openEvents, openSession, renewSession, session, tell } from './api.js';
import * as activity from './activity.js';
import * as clock from './clock.js';
import * as factors from './factors.js';
import * as faults from './faults.js';
import * as keys from './keys.js';
import * as messages from './messages.js';
import * as recovery from './recovery.js';
import * as tryIt from './try.js';

const PANES = ['try', 'messages', 'factors', 'activity', 'clock', 'faults', 'keys'];

/** Shows a pane. After a choice in the navigation, its heading gets the focus, so that it is read and found. */
function open(focus) {
  const asked = location.hash.slice(1);
  const name = PANES.includes(asked) ? asked : 'try';
  for (const pane of PANES) $(`#pane-${pane}`).hidden = pane !== name;
  for (const link of $$('nav a')) {
    if (link.hash === `#${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${$(`#h-${name}`).textContent} – Latchkey console`;
  if (focus) {
    $(`#h-${name}`).focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  tell('pane', name);
}

/** Shows where the console works, or that its key is not accepted any more. */
function showSession({ environment, api_key }) {
  $('#header-environment').textContent = environment;
  $('#no-key').hidden = Boolean(api_key);
}

async function renew() {
  try {
    await renewSession();
    show($('#renew-outcome'), 'good', 'The console has a new API key.');
    $('#h-try').focus();
  } catch (error) {
    show($('#renew-outcome'), 'bad', error.message);
  }
}

listen('session', showSession);
listen('changed', (what) => what === 'environments' && openSession());
listen('connection', (connected) => {
  $('#connection').textContent = connected ? 'connected' : 'not connected: is the server running?';
  $('#connection').className = connected ? 'tag good' : 'tag bad';
  if (connected && session.url) openSession();
  if (connected) $('#start-outcome').replaceChildren();
});
$('#renew').addEventListener('click', renew);
$('#skip').addEventListener('click', (event) => {
  event.preventDefault();
  $('main section:not([hidden]) h2').focus();
});
addEventListener('hashchange', () => open(true));
// What went wrong in no pane in particular, such as a list that could not be loaded.
addEventListener('unhandledrejection', ({ reason }) => show($('#start-outcome'), 'bad', reason.message));

try {
  await openSession();
  await clock.start();
  for (const pane of [tryIt, recovery, messages, factors, activity, faults, keys]) pane.start();
  open(false);
  openEvents();
} catch (error) {
  show($('#start-outcome'), 'bad', error.message);
}
