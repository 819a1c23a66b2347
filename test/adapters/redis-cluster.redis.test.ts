import { storeConformance } from '../conformance/index.ts';
import { startRedisCluster, type TestRedisCluster } from '../support/redis.ts';
import { requireSystem } from '../support/system.ts';
import { openEmpty, options } from './redis-opened.ts';

requireSystem('redis-server')('the Redis store on a cluster', () => {
  let cluster: TestRedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster.stop());

  storeConformance('redis cluster', (special) => openEmpty(cluster.url, cluster.nodes, special), options);
});
