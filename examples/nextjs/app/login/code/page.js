export { SecondFactor as default } from '../../pages';
