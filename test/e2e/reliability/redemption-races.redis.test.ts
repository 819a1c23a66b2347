import { requireSystem } from '../../support/system.ts';
import { redemptionRaces } from './redemption-races.ts';

requireSystem('redis-server')('Redis, two servers', () => redemptionRaces('redis'));
