import { requireSystem } from '../../support/system.ts';
import { secretsAtRest } from './secrets.ts';

requireSystem('redis-server')('Redis, two servers', () => secretsAtRest('redis'));
