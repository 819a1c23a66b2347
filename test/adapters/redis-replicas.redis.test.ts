/** Acknowledgements that wait for replicas: what was acknowledged survives the loss of a master (RL-07). */
import { Command } from 'ioredis';
import { openRedisStore, type RedisStore } from '../../adapters/redis/index.ts';
import { createKeys } from '../../adapters/redis/keys.ts';
import { MINUTE } from '../../src/support/clock.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { asked, decideOf, pollOf } from '../conformance/scenes.ts';
import { T0 } from '../support/records.ts';
import { startRedisCluster, startRedisPair, type TestRedis } from '../support/redis.ts';
import { requireSystem } from '../support/system.ts';

const waitForReplicas = { count: 1, withinMs: 500 };
const use = (store: RedisStore, id: string) => store.replay.once({ scope: 's', id, now: T0, until: T0 + MINUTE });
const codeOf = (call: Promise<unknown>) => call.then(String, (error: Error) => error.constructor.name);

/** How often a server has run a command. */
async function countOf(redis: TestRedis, command: string): Promise<number> {
  const stats = await redis.command('info', 'commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

requireSystem('redis-server')('the Redis store that waits for a replica', () => {
  let master: TestRedis;
  let replica: TestRedis;
  let store: RedisStore;
  beforeEach(async () => {
    ({ master, replica } = await startRedisPair({ appendfsync: 'everysec' }));
    store = await openRedisStore({ url: master.url, waitForReplicas });
  });
  afterEach(async () => {
    await store.close();
    await Promise.all([master.stop(), replica.stop()]);
  });

  test('RL-07 IV-06 a master is killed under load and the replica takes over: nothing that was acknowledged is lost', async () => {
    const acknowledged: string[] = [];
    const scene = await asked(store);
    await store.operations.decide(decideOf(scene));
    const count = await store.counters.reserve({ key: 'k', limit: 9, windowMs: MINUTE, now: T0 });
    let isOver = false;
    const lanes = Array.from({ length: 16 }, async (_, lane) => {
      for (let i = 0; !isOver; i++) {
        const id = `${lane}-${i}`;
        const answer = await codeOf(use(store, id));
        if (answer === 'true') acknowledged.push(id);
        else isOver = true;
      }
    });
    while (acknowledged.length < 300) await new Promise(setImmediate);
    await master.kill();
    isOver = true;
    await Promise.all(lanes);
    await replica.command('replicaof', 'no', 'one');
    const after = await openRedisStore({ url: replica.url });
    const found = await Promise.all(acknowledged.map(async (id) => !(await use(after, id))));
    expect(found.filter((isThere) => !isThere)).toEqual([]);
    expect(await after.operations.get(scene.operation.id)).toMatchObject({ state: 'approved' });
    expect(await after.counters.reserve({ key: 'k', limit: 9, windowMs: MINUTE, now: T0 })).toMatchObject({
      count: count.count + 1,
    });
    process.stdout.write(`a lost master: ${acknowledged.length} acknowledged, 0 lost\n`);
    await after.close();
  }, 60_000);

  test('a replica that does not answer: writes are unavailable, polls go on; a repetition tells what was done, once it is safe', async () => {
    const scene = await asked(store);
    const other = await asked(store);
    process.kill(replica.pid(), 'SIGSTOP');
    const decide = decideOf(scene);
    const [first, poll] = await Promise.all([
      codeOf(store.operations.decide(decide)),
      store.operations.poll(pollOf(other.operation)),
    ]);
    expect([first, poll]).toEqual(['StoreUnavailable', { result: 'pending' }]);
    // done, and nobody may be told as long as a lost master would take it back
    expect(await store.operations.get(scene.operation.id)).toMatchObject({ state: 'approved' });
    await expect(store.operations.decide(decide)).rejects.toBeInstanceOf(StoreUnavailable);
    process.kill(replica.pid(), 'SIGCONT');
    let again = await codeOf(store.operations.decide(decide));
    while (again === 'StoreUnavailable') again = await codeOf(store.operations.decide(decide));
    expect((await store.operations.decide(decide)).result).toBe('repeated');
    expect(await replica.command('hget', createKeys('assent:').of('operation', scene.operation.id), 's')).toBe(
      'approved',
    );
  }, 30_000);

  test('what leaves in one turn waits once, and in one round trip', async () => {
    await use(store, 'first');
    const before = await countOf(master, 'wait');
    await Promise.all(Array.from({ length: 50 }, (_, i) => use(store, `${i}`)));
    expect((await countOf(master, 'wait')) - before).toBeLessThanOrEqual(2);
    const polls = await asked(store);
    const waits = await countOf(master, 'wait');
    await store.operations.poll(pollOf(polls.operation));
    expect(await countOf(master, 'wait')).toBe(waits);
  });

  test('a script that the server has forgotten is sent again, and waited for', async () => {
    await use(store, 'known');
    await master.command('script', 'flush');
    const waits = await countOf(master, 'wait');
    expect(await use(store, 'forgotten')).toBe(true);
    expect(await countOf(master, 'wait')).toBe(waits + 2);
  });
});

requireSystem('redis-server')('a cluster whose store waits for replicas', () => {
  test('RL-07 each node waits for its own replicas; also while a slot moves', async () => {
    await using cluster = await startRedisCluster({ withReplicas: true });
    const store = await openRedisStore({ url: cluster.url, waitForReplicas });
    const keys = createKeys('assent:');
    const slotOf = (id: string) => new Command('get', [keys.hashed('replay', 's', id)]).getSlot();
    const ids = Array.from({ length: 60 }, (_, i) => `${i}`);
    const onFirst = (id: string) => slotOf(id) <= 5460;
    expect(await Promise.all(ids.map((id) => use(store, id)))).toEqual(ids.map(() => true));

    process.kill(cluster.replicas[0]!.pid(), 'SIGSTOP');
    const answers = await Promise.all(ids.map((id) => codeOf(use(store, `${id}`))));
    expect(answers).toEqual(ids.map((id) => (onFirst(id) ? 'StoreUnavailable' : 'false')));
    process.kill(cluster.replicas[0]!.pid(), 'SIGCONT');
    while ((await codeOf(use(store, ids.find(onFirst)!))) !== 'false') await new Promise(setImmediate);

    const moving = Array.from({ length: 5000 }, (_, i) => `moving-${i}`).filter(onFirst);
    const slot = slotOf(moving[0]!);
    const [source, target] = cluster.nodes;
    const [from, to] = [
      (await source!.command('cluster', 'myid')).trim(),
      (await target!.command('cluster', 'myid')).trim(),
    ];
    await target!.command('cluster', 'setslot', String(slot), 'importing', from);
    await source!.command('cluster', 'setslot', String(slot), 'migrating', to);
    const inSlot = moving.filter((id) => slotOf(id) === slot).slice(0, 5);
    for (const id of inSlot) expect(await use(store, id)).toBe(true);
    for (const node of [target!, source!]) await node.command('cluster', 'setslot', String(slot), 'node', to);
    expect(await Promise.all(inSlot.map((id) => use(store, id)))).toEqual(inSlot.map(() => false));
    await store.close();
  }, 60_000);
});
