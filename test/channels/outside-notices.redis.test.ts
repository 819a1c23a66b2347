import { startRedis, type TestRedis } from '../support/redis.ts';
import { openPatiently } from '../support/redis-store.ts';
import { requireSystem } from '../support/system.ts';
import { outsideNotices } from './outside-notices.ts';

requireSystem('redis-server')('notices outside of the devices, on Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  afterEach(() => redis.flush());
  outsideNotices(() => openPatiently({ url: redis.url, outsideNotices: true }));
});
