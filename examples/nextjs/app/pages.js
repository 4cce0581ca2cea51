import { redirect } from 'next/navigation';
import { account, logIn, logOut, secondFactor, signUp } from './actions';
import { accountView, currentSession, explain } from './server';
import View from './View';

export async function Home() {
  const { user } = await currentSession();
  const view = user
    ? { text: `Logged in as ${user.email}`, links: { 'Two-factor login': '/account' }, forms: [['Log out']] }
    : { text: 'You are logged out.', links: { 'Sign up': '/signup', 'Log in': '/login' } };
  return <View title="Foo Corp" action={logOut} {...view} />;
}

export const SignUp = () => (
  <View title="Sign up" action={signUp} forms={[['email', 'newPassword', 'Sign up']]} />
);
export const LogIn = () => <View title="Log in" action={logIn} forms={[['email', 'password', 'Log in']]} />;

export async function SecondFactor() {
  const { pending } = await currentSession();
  if (!pending) redirect('/login');
  const text = pending.phoneFactor ? [['Send a text message']] : [];
  const forms = [['code', 'Verify'], ...text, ['recovery', 'Use a recovery code']];
  return <View title="Enter your code" action={secondFactor} forms={forms} />;
}

export async function Account() {
  const session = await currentSession();
  if (!session.user) redirect('/login');
  const view = await accountView(session.user).catch((error) => explain(error, session));
  return <View title="Two-factor login" action={account} note={session.note} {...view} />;
}
