// What a step shows: a request and its answer, in the language that was chosen last, with buttons that copy them; and a refusal.

import { $, $$, h, copyButton, show, time } from './dom.js';
import { explain } from './api.js';
import { LANGUAGES } from './snippets.js';

let language = 'curl';
const shown = new Set();

/** Fills `place` with a request and its answer. */
export function showExchange(place, exchange) {
  const code = h('pre', { className: 'code' });
  const options = Object.keys(LANGUAGES).map((name) => {
    const choose = () => {
      language = name;
      shown.forEach((render) => render());
    };
    return h('button', { type: 'button', className: 'choice', onclick: choose }, name);
  });
  const render = () => {
    if (!code.isConnected && code.dataset.shown) return shown.delete(render);
    code.dataset.shown = 'yes';
    code.textContent = LANGUAGES[language](exchange);
    options.forEach((option) => option.setAttribute('aria-pressed', String(option.textContent === language)));
  };
  const { status, answer, requestId } = exchange;
  const text = answer === null ? '' : JSON.stringify(answer, shortened, 2);
  place.replaceChildren(
    h('div', { className: 'bar' },
      h('div', { role: 'group', 'aria-label': 'Language of the request', className: 'choices' }, options),
      copyButton('Copy the request', () => LANGUAGES[language](exchange))),
    code,
    h('div', { className: 'bar' },
      h('span', {}, 'Answer ', h('strong', {}, String(status)), h('span', { className: 'quiet' }, ` request ${requestId}`)),
      text && copyButton('Copy the answer', () => JSON.stringify(answer, null, 2))),
    text && h('pre', { className: 'code' }, text),
  );
  render();
  shown.add(render);
}

/** Whether a form, or the forms of a part of the page, can be used. */
export function enable(part, possible) {
  part.classList.toggle('waiting', !possible);
  for (const control of $$(':is(button, input)', part)) control.disabled = !possible;
}

/** A refusal, and when a repeat makes sense. */
export function refusal(status, answer) {
  const retry = answer?.retry_at ? [' Possible again at ', time(answer.retry_at), ' UTC.'] : [];
  return [explain(status, answer), ...retry];
}

/** Runs a step. An answer that does not come is its outcome. */
export const guarded = (step, action) => async (form) => {
  try {
    await action(form);
  } catch (error) {
    show($(`#${step}-outcome`), 'bad', error.message);
  }
};

/** The image of the QR code is long, and shown as an image. */
function shortened(name, value) {
  return name === 'qr_code' ? `${value.slice(0, 22)}… (${value.length} characters)` : value;
}
