// The pages. `html` escapes every value, except what `html` itself made.

class Html extends String {}
const entity = (character) => `&#${character.charCodeAt(0)};`;
const escape = (value) => (value instanceof Html ? value : String(value ?? '').replace(/[&<>"']/g, entity));
const html = (strings, ...values) =>
  new Html(String.raw({ raw: strings }, ...values.map((value) => [value].flat(2).map(escape).join(''))));

const page = (title, said, body) =>
  html`<!doctype html>
    <html lang="en">
      <title>${title}</title>
      <meta name="viewport" content="width=device-width" />
      <main style="max-width: 28rem; margin: 2rem auto; font: 1rem/1.6 sans-serif">
        <h1>${title}</h1>
        ${said?.alert && html`<p role="alert"><strong>${said.alert}</strong></p>`}
        ${said?.note && html`<p role="status">${said.note}</p>`} ${body}
      </main>
    </html>`.toString();

const input = (label, name, attributes) =>
  html`<p><label for="${name}">${label}</label><br /><input id="${name}" name="${name}" ${attributes} /></p>`;
const email = input('Email', 'email', html`type="email" autocomplete="username"`);
const password = input('Password', 'password', html`type="password" autocomplete="current-password"`);
const newPassword = input('Password', 'password', html`type="password" autocomplete="new-password"`);
const code = input('Code', 'code', html`inputmode="numeric" autocomplete="one-time-code"`);
const recovery = input('Recovery code', 'recovery', html`autocomplete="off"`);
const phone = input('Phone number', 'phone', html`type="tel" autocomplete="tel"`);
const button = (action, text) => html`<p><button formaction="${action}">${text}</button></p>`;
const link = (path, text) => html`<p><a href="${path}">${text}</a></p>`;
// The browser's own checks are off, because the server's answers are the same in every browser.
const form = (...content) => html`<form method="post" novalidate>${content}</form>`;

export const home = ({ user }, said) =>
  page('Foo Corp', said, [
    html`<p>${user ? `Logged in as ${user.email}` : 'You are logged out.'}</p>`,
    user ? link('/account', 'Two-factor login') : link('/signup', 'Sign up'),
    user ? form(button('/logout', 'Log out')) : link('/login', 'Log in'),
  ]);

export const signUp = (req, said) =>
  page('Sign up', said, form(email, newPassword, button('/signup', 'Sign up')));
export const logIn = (req, said) => page('Log in', said, form(email, password, button('/login', 'Log in')));

export const secondFactor = ({ user }, said) =>
  page('Enter your code', said, [
    form(code, button('/login/code', 'Verify')),
    user.phoneFactor && form(button('/login/text', 'Send a text message')),
    form(recovery, button('/login/recovery', 'Use a recovery code')),
  ]);

export const account = ({ user }, said, codesLeft) =>
  page('Two-factor login', said, [
    html`<p>${codesLeft} recovery codes left</p>`,
    form(
      password,
      button('/account/app', `${user.totpFactor ? 'Replace the' : 'Set up an'} authenticator app`),
      user.totpFactor && [phone, button('/account/phone', 'Add a phone')],
      user.totpFactor && button('/account/recovery-codes', 'Create new recovery codes'),
    ),
    link('/', 'Home'),
  ]);

export const confirm = ({ session: { setup } }, said) =>
  page(setup.qrCode ? 'Scan this QR code' : 'Confirm your phone', said, [
    setup.qrCode && html`<p><img alt="QR code" src="${setup.qrCode}" width="300" height="300" /></p>`,
    setup.qrCode && html`<p>Or type this into the app: <code>${setup.secret}</code></p>`,
    form(code, button('/account/verify', 'Verify')),
  ]);

export const recoveryCodes = (codes) =>
  page('Recovery codes', {}, [
    html`<p>Each one works once. Keep them where your phone is not.</p>`,
    html`<ol id="recovery-codes">${codes.map((each) => html`<li><code>${each}</code></li>`)}</ol>`,
    link('/account', 'I have saved them'),
  ]);
