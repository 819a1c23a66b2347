import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRedisStore, type RedisStore } from '../../adapters/redis/index.ts';
import { parseRedisUrl } from '../../adapters/redis/url.ts';
import { MINUTE } from '../../src/support/clock.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { listen } from '../conformance/harness.ts';
import { asked, decideOf, startOf, withOperation, withUser } from '../conformance/scenes.ts';
import { anEvent, anOperation, T0 } from '../support/records.ts';
import { startRedis, startRedisCluster, startRedisWithSentinel, type TestRedis } from '../support/redis.ts';
import { inParallel } from '../support/reliability/concurrency.ts';
import { requireSystem } from '../support/system.ts';

const deadlineMs = 20_000;

/** Tries again until it works: how long an outage lasts is the machine's matter. */
async function afterwards<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || Date.now() > deadline) throw error;
      await sleep(20);
    }
  }
}

/** Writes without end, several at once, until it is stopped; remembers what was acknowledged. */
function load(store: RedisStore, name: string) {
  const acknowledged: string[] = [];
  const refusals: unknown[] = [];
  let isOver = false;
  const write = async (lane: number) => {
    for (let i = 0; !isOver; i++) {
      const id = `${name}-${lane}-${i}`;
      try {
        await store.replay.once({ scope: 'load', id, now: T0, until: T0 + MINUTE });
        acknowledged.push(id);
      } catch (error) {
        refusals.push(error);
        await sleep(5);
      }
    }
  };
  const lanes = Promise.all(Array.from({ length: 16 }, (_, lane) => write(lane)));
  return {
    acknowledged,
    refusals,
    stop: () => {
      isOver = true;
      return lanes;
    },
  };
}

const isUsed = (store: RedisStore) => async (id: string) =>
  !(await store.replay.once({ scope: 'load', id, now: T0, until: T0 + MINUTE }));

requireSystem('redis-server')('the Redis store when something fails', () => {
  let redis: TestRedis;
  let store: RedisStore;
  beforeEach(async () => {
    redis = await startRedis();
    store = await openRedisStore({ url: redis.url });
  });
  afterEach(async () => {
    await store.close();
    await redis.stop();
  });

  test('promise 4: kill -9 of Redis loses nothing that was acknowledged, and every refusal says only "unavailable"', async () => {
    let total = 0;
    for (let cycle = 0; cycle < 5; cycle++) {
      const { acknowledged, refusals, stop } = load(store, `cycle-${cycle}`);
      const scene = await asked(store);
      await store.operations.decide(decideOf(scene));
      while (acknowledged.length < 200) await sleep(1);
      await redis.kill();
      while (refusals.length < 16) await sleep(1);
      await redis.restart();
      await afterwards(() => store.check());
      await stop();
      for (const refusal of refusals) expect(refusal).toBeInstanceOf(StoreUnavailable);
      const found = await Promise.all(acknowledged.map(isUsed(store)));
      expect(found.filter((isThere) => !isThere)).toEqual([]);
      expect(await store.operations.get(scene.operation.id)).toMatchObject({ state: 'approved' });
      total += acknowledged.length;
    }
    process.stdout.write(`kill -9 of Redis, 5 cycles: ${total} acknowledged, 0 lost\n`);
  }, 120_000);

  test('a Redis that hangs is an unknown outcome, and a repetition of the call is safe', async () => {
    const scene = await asked(store);
    const started = anOperation(scene.user);
    const event = anEvent(started, 'operation.started', { operationId: started.id });
    const start = () => store.operations.start(startOf(started, { events: [event] }));
    const approved = anEvent(scene.operation, 'operation.approved', { operationId: scene.operation.id });
    const decide = decideOf(scene, { events: [approved] });
    process.kill(redis.pid(), 'SIGSTOP');
    const unknown = await Promise.allSettled([start(), store.operations.decide(decide), store.check()]);
    for (const outcome of unknown) expect(outcome).toMatchObject({ reason: expect.any(StoreUnavailable) });
    process.kill(redis.pid(), 'SIGCONT');
    expect(['started', 'exists']).toContain((await afterwards(start)).result);
    expect(['decided', 'repeated']).toContain((await afterwards(() => store.operations.decide(decide))).result);
    expect(await store.events.ofOperation(started.id)).toEqual([event]);
    expect(await store.events.ofOperation(scene.operation.id)).toEqual([approved]);
    expect(await store.operations.get(scene.operation.id)).toMatchObject({ decision: decide.decision });
  }, 60_000);

  test.each([
    ['full (OOM)', ['config', 'set', 'maxmemory', '1'], ['config', 'set', 'maxmemory', '0']],
    ['a replica by now (READONLY)', ['replicaof', '127.0.0.1', '1'], ['replicaof', 'no', 'one']],
    [
      'short of replicas (NOREPLICAS)',
      ['config', 'set', 'min-replicas-to-write', '1'],
      ['config', 'set', 'min-replicas-to-write', '0'],
    ],
  ])(
    'a server that is %s refuses writes without a word of its own, and serves again afterwards',
    async (_what, harm, heal) => {
      const user = await withUser(store);
      const operation = anOperation(user);
      await redis.command(...harm);
      const refusal = await store.operations.start(startOf(operation)).catch((error: Error) => error);
      expect(refusal).toBeInstanceOf(StoreUnavailable);
      expect((refusal as Error).message).not.toMatch(/OOM|READONLY|NOREPLICAS|assent:|127\.0|script/i);
      await expect(store.check()).rejects.toBeInstanceOf(StoreUnavailable);
      await redis.command(...heal);
      expect(await afterwards(() => store.operations.start(startOf(operation)))).toMatchObject({ result: 'started' });
      await store.check();
    },
  );

  test('wake-ups come again by themselves after Redis was gone', async () => {
    const user = await withUser(store);
    const all = await listen(store.wakeups, '*');
    const own = await listen(store.wakeups, user.id.slice(0, 2));
    await redis.kill();
    await redis.restart();
    await afterwards(() => store.check());
    for (;;) {
      await withOperation(store, user);
      await sleep(20);
      if (all.heard.length > 0 && own.heard.length > 0) break;
    }
    await all.stop();
    await own.stop();
  }, 30_000);

  test('a partition is subscribed to while somebody listens, once for all of them', async () => {
    const count = async (partition: string) =>
      (await redis.command('pubsub', 'numsub', `assent:wake:${partition}`)).split('\n')[1];
    const stops = await Promise.all([1, 2, 3].map(() => store.wakeups.subscribe('3f', () => {})));
    expect(await count('3f')).toBe('1');
    stops[0]!();
    stops[0]!();
    stops[1]!();
    expect(await count('3f')).toBe('1');
    stops[2]!();
    while ((await count('3f')) !== '0') await sleep(5);
  });

  test('nobody to listen through is told at once', async () => {
    await redis.kill();
    await expect(store.wakeups.subscribe('3f', () => {})).rejects.toBeInstanceOf(StoreUnavailable);
    await redis.restart();
    const stop = await afterwards(() => store.wakeups.subscribe('3f', () => {}));
    stop();
  });

  test('a store of a newer schema, or of none that can be read, is not opened', async () => {
    for (const [version, says] of [
      ['2', /schema version 2; this program knows up to 1\. Start the newer program/],
      ['x', /that cannot be read/],
      ['1 or so', /that cannot be read/],
    ] as const) {
      await redis.command('set', 'assent:{00}:schema', version);
      await expect(openRedisStore({ url: redis.url })).rejects.toThrow(says);
    }
    await (await openRedisStore({ url: redis.url, prefix: 'other:' })).close();
  });

  test('settings that could lose acknowledged writes are told at the start', async () => {
    const warned = async () => {
      const events: string[] = [];
      const opened = await openRedisStore({ url: redis.url, log: { info() {}, warn: (event) => events.push(event) } });
      await opened.close();
      return events;
    };
    expect(await warned()).toEqual([]);
    await redis.command('config', 'set', 'appendfsync', 'everysec');
    await redis.command('config', 'set', 'maxmemory-policy', 'allkeys-lru');
    expect(await warned()).toEqual(['store.redis_may_evict', 'store.redis_may_lose_seconds']);
    await redis.command('config', 'set', 'appendonly', 'no');
    expect(await warned()).toEqual(['store.redis_may_evict', 'store.redis_not_durable']);
  });

  test('an outage is one line when it begins and one when it ends', async () => {
    const lines: string[] = [];
    const note = (event: string) => lines.push(event);
    const opened = await openRedisStore({ url: redis.url, log: { info: note, warn: note } });
    await redis.kill();
    await expect(opened.check()).rejects.toBeInstanceOf(StoreUnavailable);
    await redis.restart();
    await afterwards(() => opened.check());
    await opened.close();
    expect(lines).toEqual(['store.connection_lost', 'store.connection_restored']);
  });

  test('a user with the rights that the README names is enough, and may do nothing else', async () => {
    const readme = await readFile(new URL('../../adapters/redis/README.md', import.meta.url), 'utf8');
    const rights = /^ACL SETUSER assent on >… (.+)$/m.exec(readme)![1]!.split(' ');
    await redis.command('acl', 'setuser', 'assent', 'on', '>pw', ...rights);
    const opened = await openRedisStore({ url: redis.url.replace('//', '//assent:pw@') });
    await opened.check();
    const wakes = await listen(opened.wakeups, '*');
    const scene = await asked(opened);
    await opened.operations.decide(decideOf(scene));
    await wakes.next({ operationId: scene.operation.id, state: 'approved' });
    await wakes.stop();
    await opened.collectGarbage({ partitions: ['00'], now: T0, limit: 1 });
    await opened.close();
    for (const command of [
      ['keys', '*'],
      ['flushall'],
      ['config', 'get', '*'],
      ['get', 'other:key'],
      ['script', 'flush'],
    ]) {
      expect(await redis.command('--user', 'assent', '--pass', 'pw', '--no-auth-warning', ...command)).toMatch(
        /^NOPERM/,
      );
    }
  });

  test('a Redis that is not there, or wants another password, is unavailable, and the refusal holds no password', async () => {
    await redis.command('config', 'set', 'requirepass', 'right');
    const url = redis.url.replace('//', '//:canary@');
    const refusal = await openRedisStore({ url, openWithinMs: 300 }).catch((error: Error) => error);
    expect(refusal).toBeInstanceOf(StoreUnavailable);
    expect(JSON.stringify([(refusal as Error).message, String((refusal as Error).cause)])).not.toContain('canary');
    await (await openRedisStore({ url: redis.url.replace('//', '//:right@') })).close();
    await redis.kill();
    await expect(openRedisStore({ url: redis.url, openWithinMs: 300 })).rejects.toBeInstanceOf(StoreUnavailable);
    await redis.restart();
  });
});

requireSystem('redis-server')('the Redis store behind Sentinel', () => {
  test('finds the master, and leaves it for the next one as soon as the sentinels say so', async () => {
    await using sentinel = await startRedisWithSentinel();
    const store = await openRedisStore({ url: sentinel.url });
    const scene = await asked(store);
    await store.operations.decide(decideOf(scene));
    expect(await sentinel.master.command('dbsize')).not.toBe('0');
    const { acknowledged, refusals, stop } = load(store, 'failover');
    const wakes = await listen(store.wakeups, '*');
    while (acknowledged.length < 100) await sleep(1);
    const atFailover = acknowledged.length;
    await sentinel.replicated();
    await sentinel.failover();
    await afterwards(() => store.check());
    await stop();
    for (const refusal of refusals) expect(refusal).toBeInstanceOf(StoreUnavailable);
    // The old master does not know yet that it is none: until then it would go on taking writes.
    const isOnNewMaster = async (id: string) => (await sentinel.replica.command('keys', `*:o:${id}`)) !== '';
    while (!(await isOnNewMaster((await afterwards(() => withOperation(store, scene.user))).id))) await sleep(20);
    expect(await sentinel.master.command('role')).toMatch(/^master/);
    expect(await store.operations.get(scene.operation.id)).toMatchObject({ state: 'approved' });
    const found = await Promise.all(acknowledged.slice(0, atFailover).map(isUsed(store)));
    expect(found.filter((isThere) => !isThere)).toEqual([]);
    for (;;) {
      const next = await withOperation(store, scene.user);
      await sleep(20);
      if (wakes.heard.some(({ operationId }) => operationId === next.id)) break;
    }
    await wakes.stop();
    await store.close();
  }, 60_000);
});

requireSystem('redis-server')('the Redis store on a cluster that changes', () => {
  test('slots move to another node under load: nothing is lost, nothing but "unavailable" is seen', async () => {
    await using cluster = await startRedisCluster();
    const store = await openRedisStore({ url: cluster.url });
    const { acknowledged, refusals, stop } = load(store, 'reshard');
    const scenes = await Promise.all(Array.from({ length: 20 }, () => asked(store)));
    const [from, to] = cluster.nodes;
    const idOf = (node: TestRedis) => node.command('cluster', 'myid');
    const moving = from!.command(
      ...['--cluster', 'reshard', `127.0.0.1:${from!.port}`, '--cluster-yes', '--cluster-slots', '600'],
      ...['--cluster-from', await idOf(from!), '--cluster-to', await idOf(to!)],
    );
    const decisions = scenes.map((scene) => decideOf(scene));
    const decided = await Promise.all(decisions.map((decide) => afterwards(() => store.operations.decide(decide))));
    await moving;
    await afterwards(() => store.check());
    await stop();
    for (const refusal of refusals) expect(refusal).toBeInstanceOf(StoreUnavailable);
    for (const { result } of decided) expect(['decided', 'repeated']).toContain(result);
    for (const { operation } of scenes) {
      expect(await afterwards(() => store.operations.get(operation.id))).toMatchObject({ state: 'approved' });
    }
    const found = await inParallel(acknowledged, 16, (id) => afterwards(() => isUsed(store)(id)));
    expect(found.filter((isThere) => !isThere)).toEqual([]);
    expect(await from!.command('cluster', 'slots')).not.toContain('\n0\n5460');
    await store.close();
  }, 60_000);

  test('a node that is killed and comes back takes only its own partitions away meanwhile', async () => {
    await using cluster = await startRedisCluster();
    const store = await openRedisStore({ url: cluster.url });
    const scenes = await Promise.all(Array.from({ length: 20 }, () => asked(store)));
    await cluster.nodes[2]!.kill();
    const during = await Promise.allSettled(scenes.map(({ operation }) => store.operations.get(operation.id)));
    for (const outcome of during) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(StoreUnavailable);
    }
    expect(new Set(during.map(({ status }) => status))).toEqual(new Set(['fulfilled', 'rejected']));
    await cluster.nodes[2]!.restart();
    for (const { operation } of scenes) {
      expect(await afterwards(() => store.operations.get(operation.id))).toEqual(operation);
    }
    await store.close();
  }, 60_000);
});

test('the forms of the URL', () => {
  expect(parseRedisUrl('redis://localhost')).toEqual({
    kind: 'single',
    tls: false,
    hosts: [{ host: 'localhost', port: 6379 }],
    db: 0,
  });
  expect(parseRedisUrl('rediss://us%40er:p%2Fw@redis.internal:6380/3')).toEqual({
    kind: 'single',
    tls: true,
    hosts: [{ host: 'redis.internal', port: 6380 }],
    username: 'us@er',
    password: 'p/w',
    db: 3,
  });
  expect(parseRedisUrl('redis+sentinel://:secret@a:1,b,[::1]:2/my-master/4')).toEqual({
    kind: 'sentinel',
    tls: false,
    hosts: [
      { host: 'a', port: 1 },
      { host: 'b', port: 26379 },
      { host: '::1', port: 2 },
    ],
    password: 'secret',
    master: 'my-master',
    db: 4,
  });
  expect(parseRedisUrl('rediss+cluster://a:1,b:2')).toMatchObject({ kind: 'cluster', tls: true, db: 0 });
});

test.each([
  'http://localhost',
  'redis://',
  'redis://a,b',
  'redis://canary@host',
  'redis://:canary@host:99999',
  'redis://:canary@host/x',
  'redis+sentinel://:canary@host',
  'redis+cluster://:canary@host/1',
])('%s is refused without being repeated', (url) => {
  expect(() => parseRedisUrl(url)).toThrow(RangeError);
  expect(() => parseRedisUrl(url)).not.toThrow(/canary/);
});
