import { startRedis, type TestRedis } from '../support/redis.ts';
import { openPatiently } from '../support/redis-store.ts';
import { requireSystem } from '../support/system.ts';
import { allEnds, followTheModel } from './interleavings-property.ts';
import { openScene } from './scene.ts';

requireSystem('redis-server')(
  'random interleavings of three clients, three users and three devices each, on Redis',
  () => {
    let redis: TestRedis;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.stop());

    test('promises 2, 3, 5, 6, IV-02, IV-04, IV-05: the answers are those of the model, and so of the embedded store', async () => {
      const scene = await openScene({ store: await openPatiently({ url: redis.url }) });
      expect(await followTheModel(scene, 100)).toEqual(expect.arrayContaining(allEnds));
      await scene.close();
    }, 120_000);
  },
);
