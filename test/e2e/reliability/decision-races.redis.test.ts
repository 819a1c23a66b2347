import { requireSystem } from '../../support/system.ts';
import { decisionRaces } from './decision-races.ts';

requireSystem('redis-server')('Redis, two servers', () => decisionRaces('redis'));
