import { Redis } from 'ioredis';
import type { RedisStore } from '../../adapters/redis/index.ts';
import { sharesOf } from '../../adapters/redis/walk.ts';
import { createSweeper } from '../../src/domain/sweeper.ts';
import { DAY, HOUR, SECOND } from '../../src/support/clock.ts';
import { ALL_PARTITIONS, newId, type Partition } from '../../src/support/ids.ts';
import { decideOf, startOf, withDevice, withUser } from '../conformance/scenes.ts';
import { anEvent, anOperation, T0 } from '../support/records.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { openPatiently } from '../support/redis-store.ts';
import { requireSystem } from '../support/system.ts';

requireSystem('redis-server')('garbage in Redis', () => {
  let redis: TestRedis;
  let store: RedisStore;
  let raw: Redis;
  beforeAll(async () => {
    redis = await startRedis();
    store = await openPatiently({ url: redis.url, eventRetentionMs: 30 * DAY });
    raw = new Redis(redis.url);
  });
  afterAll(async () => {
    await store.close();
    await raw.quit();
    await redis.stop();
  });
  beforeEach(() => raw.flushall());

  const indexOf = (partition: Partition) => `assent:{${partition}}:gc`;
  async function inIndex(): Promise<number> {
    const counts = await Promise.all(ALL_PARTITIONS.map((partition) => raw.zcard(indexOf(partition))));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Operations of one user that were decided, each with evidence and two events. */
  async function decided(partition: Partition, count: number): Promise<void> {
    const user = await withUser(store, { id: newId(partition) });
    const device = await withDevice(store, user);
    const decide = async () => {
      const operation = anOperation(user);
      const about = { operationId: operation.id, userId: user.id };
      await store.operations.start(startOf(operation, { events: [anEvent(user, 'operation.started', about)] }));
      const evidence = { sealed: 'sealed.evidence', retainUntil: T0 + DAY };
      const events = [anEvent(user, 'operation.approved', about)];
      await store.operations.decide(decideOf({ user, device, operation }, { evidence, events }));
    };
    await Promise.all(Array.from({ length: count }, decide));
  }

  /** What Redis does when nobody has swept for long: all that has a time to live is gone, and nothing else. */
  async function expireAll(): Promise<void> {
    for (const key of await raw.keys('*')) if ((await raw.pttl(key)) >= 0) await raw.pexpireat(key, 1);
  }

  /** One round as a server makes it. */
  async function round(now: number) {
    const calls: number[] = [];
    const counting = {
      operations: store.operations,
      async collectGarbage(options: Parameters<RedisStore['collectGarbage']>[0]) {
        const before = await inIndex();
        const outcome = await store.collectGarbage(options);
        // an operation that goes leaves the events that it had, which are a member of their own
        calls.push(Math.max(before - (await inIndex()), outcome.deleted));
        return outcome;
      },
    };
    const serverKeys = { maintain: async () => {}, reload: async () => {} };
    const onError = (_job: string, error: unknown) => Promise.reject(error);
    await createSweeper({ store: counting, clock: () => now, serverKeys, onError }).collect();
    return { calls: calls.length, most: Math.max(...calls) };
  }

  test('RL-16 IV-12 a round leaves nothing that is over in the index, also where Redis was faster; fifty at a time', async () => {
    // all in one group of partitions, the first of them with most
    for (const [partition, count] of [
      ['00', 90],
      ['01', 60],
      ['1f', 30],
    ] as const)
      await decided(partition, count);
    const members = await inIndex();
    expect(members).toBeGreaterThan(2 * 180);
    await expireAll();
    expect(await raw.keys('*}:[obev]:*')).toEqual([]);
    const { most, calls } = await round(T0 + 60 * DAY);
    expect(await inIndex()).toBe(0);
    expect(most).toBe(50);
    expect(calls).toBeLessThan(members / 50 + 16);
  });

  test('RL-16 IV-12 the sweep comes first, and takes lists of events as well', async () => {
    await decided('7f', 100);
    await round(T0 + DAY + 2 * HOUR);
    expect(await raw.keys('*}:[obv]:*')).toEqual([]);
    const lengthOf = async () => (await Promise.all((await raw.keys('*}:ue:*')).map((key) => raw.llen(key))))[0] ?? 0;
    expect(await lengthOf()).toBe(200);
    expect(await inIndex()).toBe(101);
    const { most } = await round(T0 + 30 * DAY + 2 * HOUR);
    expect(most).toBe(50);
    expect(await lengthOf()).toBe(0);
    expect(await inIndex()).toBe(0);
  });

  test('what lives in the index outlives the sweep by an hour', async () => {
    await decided('7f', 1);
    const user = (await raw.keys('*}:ue:*'))[0]!;
    const [operation] = await raw.keys('*}:o:*');
    const [evidence] = await raw.keys('*}:v:*');
    const hours = async (key: string) => Math.round((await raw.pttl(key)) / HOUR);
    expect(await hours(user)).toBe(30 * 24 + 2);
    expect(await hours(operation!)).toBe(24 + 2);
    expect(await hours(evidence!)).toBe(24 + 2);
  });

  test('a partition that always has something to do keeps no other waiting', async () => {
    await decided('02', 40);
    await decided('05', 5);
    const due = async (partition: Partition) => raw.zcount(indexOf(partition), '-inf', T0 + 2 * DAY);
    const before = await due('02');
    const call = () => store.collectGarbage({ partitions: ALL_PARTITIONS, now: T0 + 3 * DAY, limit: 20 });
    expect(await call()).toMatchObject({ more: true });
    await call();
    expect(await due('05')).toBe(0);
    expect(await due('02')).toBeGreaterThan(before / 2);
  });

  test('one user’s list of many old events is shortened as far as a call goes', async () => {
    const user = await withUser(store);
    const events = Array.from({ length: 70 }, (_, i) =>
      anEvent(user, 'user.updated', { userId: user.id, at: T0 + i * SECOND }),
    );
    await store.events.write(user.id.slice(0, 2), events);
    const call = () => store.collectGarbage({ partitions: ALL_PARTITIONS, now: T0 + 60 * DAY, limit: 50 });
    expect(await call()).toEqual({ deleted: 50, more: true });
    expect(await call()).toEqual({ deleted: 20, more: false });
    expect(await call()).toEqual({ deleted: 0, more: false });
  });
});

describe('shares of a walk', () => {
  const due = [
    { partition: '00', count: 70 },
    { partition: '10', count: 5 },
    { partition: 'ff', count: 1 },
  ];

  test.each([
    [undefined, 50, '00:50', true],
    ['00', 50, '10:5 ff:1 00:44', true],
    ['10', 3, 'ff:1 00:2', true],
    ['ff', 75, '00:70 10:5', true],
    // what nobody needs is divided
    ['ff', 106, '00:80 10:15 ff:11', false],
    [undefined, 0, '', true],
  ] as const)('behind %s, of %i: %s', (lastServed, limit, served, more) => {
    const shares = sharesOf(due, limit, lastServed);
    expect(shares.served.map(({ partition, share }) => `${partition}:${share}`).join(' ')).toBe(served);
    expect(shares.more).toBe(more);
  });

  test('of nothing', () => {
    expect(sharesOf([], 50, 'ff')).toEqual({ served: [], more: false });
  });
});
