export { Account as default } from '../pages';
