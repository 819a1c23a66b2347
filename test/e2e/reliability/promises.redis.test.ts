import { requireSystem } from '../../support/system.ts';
import { promises } from './promises.ts';

requireSystem('redis-server')('Redis, two servers', () => promises('redis'));
