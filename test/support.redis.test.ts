import { startRedis, startRedisCluster } from './support/redis.ts';
import { requireSystem } from './support/system.ts';

const withRedis = requireSystem('redis-server');

withRedis('a Redis of the tests', () => {
  test('what it acknowledged is there after SIGKILL and a restart', async () => {
    await using redis = await startRedis();
    expect(await redis.command('set', 'a', '1')).toBe('OK');
    const before = redis.pid();
    await redis.kill();
    expect(await redis.command('ping')).toMatch(/refused/);
    await redis.restart();
    expect(await redis.command('get', 'a')).toBe('1');
    expect(redis.pid()).not.toBe(before);
  });

  test('it syncs as it was told', async () => {
    await using redis = await startRedis({ appendfsync: 'everysec' });
    expect(await redis.command('config', 'get', 'appendfsync')).toBe('appendfsync\neverysec');
  });
});

withRedis('a Redis Cluster of the tests', () => {
  test('three masters serve all slots, and send a client to the right one', async () => {
    await using cluster = await startRedisCluster();
    const answers = await Promise.all(cluster.nodes.map((node) => node.command('set', 'somewhere', '1')));
    expect(answers.filter((answer) => answer === 'OK')).toHaveLength(1);
    expect(answers.filter((answer) => answer.startsWith('MOVED'))).toHaveLength(2);
  });
});
