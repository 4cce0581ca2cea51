// Elements, copying, and what a screen reader is told.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** An element: `h('button', { type: 'button', onclick }, 'Copy')`. Children are elements or texts; null is left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'hidden' || name === 'value' || name === 'checked') element[name] = value;
    else element.setAttribute(name === 'className' ? 'class' : name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Has a screen reader say a text, also one that it has just said. */
export function announce(text) {
  const region = $('#announcer');
  region.textContent = '';
  setTimeout(() => (region.textContent = text), 50);
}

/** Shows the outcome of an action in its live region: `good`, `bad` or `neutral`. */
export function show(region, kind, ...content) {
  region.className = `outcome ${kind}`;
  region.replaceChildren(...content);
}

/** A button that copies a text. `label` says what, and contains what the button shows. */
export function copyButton(label, text, shown = 'Copy') {
  const button = h('button', { type: 'button', className: 'small', onclick: copy });
  const say = (word, name = word) => {
    button.textContent = word;
    button.setAttribute('aria-label', name);
  };
  async function copy() {
    try {
      await navigator.clipboard.writeText(typeof text === 'function' ? text() : text);
      say('Copied');
      announce('Copied');
    } catch {
      say('Not allowed');
      announce('The browser does not allow this page to copy');
    }
    setTimeout(say, 1500, shown, label);
  }
  say(shown, label);
  return button;
}

/** A text in a monospaced font with a button that copies it. */
export function copyable(label, text) {
  return h('span', { className: 'copyable' }, h('code', {}, text), copyButton(`Copy ${label}`, text));
}

/** `22 Nov, 08:00:00` of a timestamp, in UTC, as the server's log has it. */
export function time(timestamp) {
  const text = new Date(timestamp).toLocaleString('en-GB', {
    day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZone: 'UTC',
  });
  return h('time', { datetime: timestamp, title: timestamp }, text);
}

/** Asks before something that cannot be undone. Escape means no. */
export function confirmed(question, action) {
  const dialog = $('#confirm');
  $('#confirm-text').textContent = question;
  $('#confirm-yes').textContent = action;
  $('#confirm-yes').onclick = () => dialog.close('yes');
  $('#confirm-no').onclick = () => dialog.close('no');
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

/** The fields of a form by name, without those that are empty. */
export function fields(form) {
  const entries = [...new FormData(form)].filter(([, value]) => value !== '');
  return Object.fromEntries(entries.map(([name, value]) => [name, value.trim()]));
}

/** Runs `action` when the form is sent, once at a time. */
export function onSubmit(form, action) {
  let busy = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    form.setAttribute('aria-busy', 'true');
    try {
      await action(fields(form));
    } finally {
      busy = false;
      form.removeAttribute('aria-busy');
    }
  });
}
