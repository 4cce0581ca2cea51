export { SignUp as default } from '../pages';
