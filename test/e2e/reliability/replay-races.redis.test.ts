import { requireSystem } from '../../support/system.ts';
import { replayRaces } from './replay-races.ts';

requireSystem('redis-server')('Redis, two servers', () => replayRaces('redis'));
