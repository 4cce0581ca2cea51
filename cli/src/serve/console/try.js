// Try it: enroll a factor, open a challenge and verify a code, with the API's own requests.

import { $, $$, announce, copyable, fields, h, onSubmit, show, time } from './dom.js';
import { call, dev, explain, tell } from './api.js';
import { serverNow } from './clock.js';
import { codeIn, stepAt, totpCode, untilNextStep } from './codes.js';
import { enable, guarded, refusal, showExchange } from './steps.js';

/** What is being tried: the factor, its challenge, and the last step whose code was accepted. */
const tried = {};

/** The types of factors: the fields of their enrollment, what follows it, and where their right code comes from. */
const TYPES = {
  totp: {
    body: ({ totp_issuer, totp_user }) => ({ totp_issuer, totp_user }),
    enrolled: ({ totp }) => [
      h('p', {}, 'Scan the code with an authenticator app, or type the secret into it. Or let the console be the app.'),
      h('img', { className: 'qr', src: totp.qr_code, alt: 'QR code of the secret, for an authenticator app' }),
      h('dl', { className: 'facts' },
        h('dt', {}, 'Secret'), h('dd', {}, copyable('the secret', totp.secret)),
        h('dt', {}, 'URI'), h('dd', {}, copyable('the URI', totp.uri))),
    ],
    challenged: () => 'Your app shows a code. Type it below.',
    code: currentTotpCode,
  },
  sms: {
    body: ({ phone_number }) => ({ phone_number }),
    enrolled: ({ sms }) => [h('p', {}, `No message is sent yet. The challenge sends one to ${sms.phone_number}.`)],
    challenged: () => 'The message is in the pane “Messages”. This server sends no real ones.',
    code: async () => {
      const texts = (await dev('GET', 'sms')).filter(({ to }) => to === tried.factor.sms.phone_number);
      const code = texts.length && codeIn(texts.at(-1).message);
      if (!code) throw new Error('There is no message with a code for this number. Was the outbox cleared?');
      return code;
    },
  },
  generic_otp: {
    body: () => ({}),
    enrolled: () => [h('p', {}, 'Your application delivers the codes of this factor, by mail for example.')],
    challenged: ({ code }) => `Your application gets the code ${code} and delivers it.`,
    code: async () => tried.challenge.code,
  },
};

/** The current code. If its step was accepted before, the code of the next step, which is accepted a little early. */
async function currentTotpCode() {
  const now = serverNow();
  const current = stepAt(now);
  const step = Math.max(current, (tried.lastStep ?? 0) + 1);
  if (step > current + 1) {
    throw new Error(step > current + 2
      ? 'The clock was turned back: codes of a later time were used already. Turn it forward, or enroll another factor.'
      : `This code and the next one were used before. The one after them comes in ${untilNextStep(now)} s: wait, or turn the clock.`);
  }
  tried.filled = { step, code: await totpCode(tried.factor.totp.secret, step) };
  return tried.filled.code;
}

const STEPS = ['enroll', 'challenge', 'verify'];

/** Begins a step: what it and the steps after it have led to is no longer true. */
function begin(step) {
  const later = STEPS.slice(STEPS.indexOf(step));
  for (const name of later) {
    $(`#${name}-outcome`).replaceChildren();
    $(`#${name}-exchange`).replaceChildren();
  }
  for (const name of later.slice(1)) enable($(`#step-${name}`), false);
}

async function enroll(form) {
  const { type, user_id } = form;
  begin('enroll');
  $('#enroll-result').replaceChildren();
  const exchange = await call('enroll', 'POST', '/auth/factors/enroll', { type, ...TYPES[type].body(form), ...(user_id && { user_id }) });
  showExchange($('#enroll-exchange'), exchange);
  const { status, answer } = exchange;
  if (status !== 201) return show($('#enroll-outcome'), 'bad', explain(status, answer));
  Object.assign(tried, { factor: answer, challenge: null, lastStep: null, filled: null });
  $('#enroll-result').replaceChildren(...TYPES[type].enrolled(answer));
  enable($('#step-challenge'), true);
  $('#template-field').hidden = type !== 'sms';
  tell('enrolled', answer);
  show($('#enroll-outcome'), 'good', `Enrolled ${answer.id}.`);
}

async function challenge(form) {
  begin('challenge');
  const body = tried.factor.type === 'sms' && form.sms_template ? { sms_template: form.sms_template } : {};
  const exchange = await call('challenge', 'POST', `/auth/factors/${tried.factor.id}/challenge`, body);
  showExchange($('#challenge-exchange'), exchange);
  const { status, answer } = exchange;
  if (status !== 201) return show($('#challenge-outcome'), 'bad', ...refusal(status, answer));
  tried.challenge = answer;
  enable($('#step-verify'), true);
  const until = answer.expires_at ? [' It expires at ', time(answer.expires_at), ' UTC.'] : [];
  show($('#challenge-outcome'), 'good', `Challenge opened. ${TYPES[tried.factor.type].challenged(answer)}`, ...until);
  $('#code').value = '';
  $('#code').focus();
}

async function fillIn() {
  try {
    $('#code').value = await TYPES[tried.factor.type].code();
    announce(`Code ${$('#code').value} filled in`);
    $('#verify-button').focus();
  } catch (error) {
    show($('#verify-outcome'), 'bad', error.message);
  }
}

async function verify({ code = '' }) {
  begin('verify');
  const exchange = await call('verify', 'POST', `/auth/challenges/${tried.challenge.id}/verify`, { code });
  showExchange($('#verify-exchange'), exchange);
  const { status, answer } = exchange;
  if (status !== 201) return show($('#verify-outcome'), 'bad', ...refusal(status, answer));
  if (answer.valid) {
    if (tried.filled?.code === code) tried.lastStep = tried.filled.step;
    return show($('#verify-outcome'), 'good', 'Verified: ', h('code', {}, 'valid'), ' is true. This is where you log the user in.');
  }
  show($('#verify-outcome'), 'bad', 'Not verified: ', h('code', {}, 'valid'),
    ' is false. The code is wrong, or was used before. Ask the user to try again.');
}

/** Shows the fields of the chosen type. */
function chooseType() {
  const { type } = fields($('#enroll-form'));
  for (const group of $$('#enroll-form [data-type]')) {
    group.hidden = group.dataset.type !== type;
    for (const input of $$('input', group)) input.disabled = group.hidden;
  }
}

export function start() {
  onSubmit($('#enroll-form'), guarded('enroll', enroll));
  onSubmit($('#challenge-form'), guarded('challenge', challenge));
  onSubmit($('#verify-form'), guarded('verify', verify));
  $('#fill-in').addEventListener('click', fillIn);
  $('#enroll-form').addEventListener('change', chooseType);
  chooseType();
  enable($('#step-challenge'), false);
  enable($('#step-verify'), false);
}

