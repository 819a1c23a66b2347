import { startRedis, type TestRedis } from '../support/redis.ts';
import { openPatiently } from '../support/redis-store.ts';
import { requireSystem } from '../support/system.ts';
import { differingClocks } from './differing-clocks.ts';
import { openScene } from './scene.ts';

requireSystem('redis-server')('processes whose clocks are half a minute off, on Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  differingClocks(async () => openScene({ store: await openPatiently({ url: redis.url }) }));
});
