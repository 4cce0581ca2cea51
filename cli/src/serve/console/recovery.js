// Recovery codes: create a user's, and verify one, with the API's own requests.

import { $, announce, copyButton, h, onSubmit, show } from './dom.js';
import { call, listen } from './api.js';
import { enable, guarded, refusal, showExchange } from './steps.js';

/** The codes that were created last: whose, and which of them were used here. */
const created = { user: '', codes: [], used: new Set() };

export const recoveryPath = (user) => `/user_management/users/${encodeURIComponent(user)}/recovery_codes`;

async function create({ user_id, accept_on_challenges }) {
  for (const name of ['#recovery-codes', '#recover-outcome', '#recover-exchange']) $(name).replaceChildren();
  enable($('#recover-form'), false);
  const body = accept_on_challenges ? { accept_on_challenges: true } : {};
  const exchange = await call('create_recovery_codes', 'POST', recoveryPath(user_id), body);
  showExchange($('#recovery-exchange'), exchange);
  const { status, answer } = exchange;
  if (status !== 201) return show($('#recovery-outcome'), 'bad', ...refusal(status, answer));
  Object.assign(created, { user: user_id, codes: answer.codes, used: new Set() });
  $('#recovery-codes').replaceChildren(
    h('p', {}, 'Show them to the user once: nothing shows them again.'),
    h('ul', { className: 'codes', 'aria-label': 'Recovery codes' }, answer.codes.map((code) => h('li', {}, h('code', {}, code)))),
    copyButton('Copy the recovery codes', answer.codes.join('\n')),
  );
  enable($('#recover-form'), true);
  show($('#recovery-outcome'), 'good', `Created ${answer.total} recovery codes for ${user_id}.`);
}

function fillIn() {
  const code = created.codes.find((code) => !created.used.has(code));
  if (!code) return show($('#recover-outcome'), 'bad', 'All of these codes were used here. Create new ones.');
  $('#recovery-code').value = code;
  announce('An unused recovery code is filled in');
  $('#recover-button').focus();
}

async function recover({ code = '' }) {
  $('#recover-outcome').replaceChildren();
  const exchange = await call('verify_recovery_code', 'POST', `${recoveryPath(created.user)}/verify`, { code });
  showExchange($('#recover-exchange'), exchange);
  const { status, answer } = exchange;
  if (status !== 201) return show($('#recover-outcome'), 'bad', ...refusal(status, answer));
  created.used.add(code);
  const left = ` Codes left: ${answer.remaining}.`;
  if (!answer.valid) {
    return show($('#recover-outcome'), 'bad', 'Not verified: ', h('code', {}, 'valid'), ' is false. The code is wrong, or was used before.', left);
  }
  const warning = answer.remaining <= 3 ? ' Ask the user to create new ones.' : '';
  show($('#recover-outcome'), 'good', 'Verified: ', h('code', {}, 'valid'), ` is true.${left}${warning} Now let the user replace the lost factor.`);
}

export function start() {
  onSubmit($('#recovery-form'), guarded('recovery', create));
  onSubmit($('#recover-form'), guarded('recover', recover));
  $('#fill-in-recovery').addEventListener('click', fillIn);
  listen('enrolled', ({ user_id }) => user_id && ($('#recovery-user').value = user_id));
  enable($('#recover-form'), false);
}
