import { openRedisStore } from '../../adapters/redis/index.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { requireSystem } from '../support/system.ts';
import { differingClocks } from './differing-clocks.ts';
import { openScene } from './scene.ts';

requireSystem('redis-server')('processes whose clocks are half a minute off, on Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  differingClocks(async () => openScene({ store: await openRedisStore({ url: redis.url }) }));
});
