import { requireSystem } from '../../support/system.ts';
import { deliveryModes } from './delivery-modes.ts';

requireSystem('redis-server')('Redis, two servers', () => deliveryModes('redis'));
