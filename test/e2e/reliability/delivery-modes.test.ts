import { deliveryModes } from './delivery-modes.ts';

describe('the embedded store', () => deliveryModes('embedded'));
