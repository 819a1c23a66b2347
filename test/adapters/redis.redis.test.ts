import { storeConformance } from '../conformance/index.ts';
import { startRedisPair, type TestRedis } from '../support/redis.ts';
import { requireSystem } from '../support/system.ts';
import { openEmpty, options } from './redis-opened.ts';

// The store waits for the replica, its peer does not: races are between both, and the cluster's suite is all without.
requireSystem('redis-server')('the Redis store', () => {
  let redis: { master: TestRedis; replica: TestRedis };
  beforeAll(async () => {
    redis = await startRedisPair();
  });
  afterAll(() => Promise.all([redis.master.stop(), redis.replica.stop()]));

  const waitForReplicas = { count: 1, withinMs: 2_000 };
  const open = (special = {}) => openEmpty(redis.master.url, [redis.master], { waitForReplicas, ...special });
  storeConformance('redis', open, options);
});
