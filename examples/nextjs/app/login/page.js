export { LogIn as default } from '../pages';
