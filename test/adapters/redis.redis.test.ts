import { storeConformance } from '../conformance/index.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { requireSystem } from '../support/system.ts';
import { openEmpty, options } from './redis-opened.ts';

requireSystem('redis-server')('the Redis store', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  storeConformance('redis', () => openEmpty(redis.url, [redis]), options);
});
