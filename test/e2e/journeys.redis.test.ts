import { startRedis } from '../support/redis.ts';
import { requireSystem } from '../support/system.ts';
import { journeys } from './journeys.ts';

requireSystem('redis-server')('on Redis', () => {
  journeys(async () => {
    const redis = await startRedis();
    return { store: redis.url, close: () => redis.stop() };
  });
});
