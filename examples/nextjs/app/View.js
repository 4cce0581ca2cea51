'use client';

import { useActionState } from 'react';

const FIELDS = {
  email: { label: 'Email', type: 'email', autoComplete: 'username' },
  password: { label: 'Password', type: 'password', autoComplete: 'current-password' },
  newPassword: { label: 'Password', type: 'password', autoComplete: 'new-password' },
  code: { label: 'Code', inputMode: 'numeric', autoComplete: 'one-time-code' },
  recovery: { label: 'Recovery code', autoComplete: 'off' },
  phone: { label: 'Phone number', type: 'tel', autoComplete: 'tel' },
};

/** In a form, whatever is not the name of a field is the label of a button. */
function itemOf(name, busy) {
  if (!FIELDS[name]) return <input key={name} name="button" type="submit" value={name} disabled={busy} />;
  const { label, ...attributes } = FIELDS[name];
  return (
    <p key={name}>
      <label htmlFor={name}>{label}</label> <input id={name} name={name} readOnly={busy} {...attributes} />
    </p>
  );
}

/** What a page shows, until its action answers with another view, or with what is to be said on this one. */
export default function View({ action, ...first }) {
  const [view, submit, busy] = useActionState(async ({ alert, note, ...same }, form) => {
    const answer = await action(form);
    return answer.title ? answer : { ...same, ...answer };
  }, first);
  const { title, alert, note, text, qrCode, secret, links = {}, forms = [] } = view;
  const codes = view.codes?.map((code) => <li key={code}>{code}</li>);
  return (
    <main>
      <title>{title}</title>
      <h1>{title}</h1>
      {alert && !busy && <p role="alert">{alert}</p>}
      {note && !busy && <p role="status">{note}</p>}
      {text && <p>{text}</p>}
      {qrCode && <img alt="QR code" src={qrCode} width="300" height="300" />}
      {secret && <code>{secret}</code>}
      {codes && <ol id="recovery-codes">{codes}</ol>}
      {forms.map((names) => (
        <form key={names} action={submit} noValidate>
          {names.map((name) => itemOf(name, busy))}
        </form>
      ))}
      {Object.keys(links).map((label) => (
        <a key={label} href={links[label]} children={label} />
      ))}
    </main>
  );
}
