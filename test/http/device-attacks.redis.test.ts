import { startRedis, type TestRedis } from '../support/redis.ts';
import { openPatiently } from '../support/redis-store.ts';
import { requireSystem } from '../support/system.ts';
import { deviceAttacks } from './device-attacks.ts';
import { offers } from './offers.ts';
import { shownAndSigned } from './shown-and-signed.ts';

requireSystem('redis-server')('the device API on Redis', () => {
  let redis: TestRedis;
  let stores = 0;
  beforeAll(async () => {
    redis = await startRedis({ appendfsync: 'no' });
  });
  afterAll(() => redis.stop());

  const options = async () => ({ store: await openPatiently({ url: redis.url, prefix: `device-${stores++}:` }) });
  deviceAttacks(options);
  describe('what was shown and what was signed', () => shownAndSigned(options));
  describe('what is offered under a code', () => offers(options));
});
