import { Redis } from 'ioredis';
import { createKeys } from '../../adapters/redis/keys.ts';
import { raiseSchema, schema } from '../../adapters/redis/schema.ts';
import { createScripts, type Scripts } from '../../adapters/redis/scripts.ts';
import type { SchemaMarker } from '../../src/support/schema-marker.ts';
import { asked, commitOf, decideOf, pollOf } from '../conformance/scenes.ts';
import { aReceipt, T0 } from '../support/records.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { openPatiently } from '../support/redis-store.ts';
import { requireSystem } from '../support/system.ts';

const keys = createKeys('assent:');
const { version } = schema;
/** What the next version may say without locking this one out, and what the one after it may. */
const expanding: SchemaMarker = { version: version + 1, readableBy: version };
const contracting: SchemaMarker = { version: version + 2, readableBy: version + 1 };

requireSystem('redis-server')('the schema marker in Redis', () => {
  let redis: TestRedis;
  let client: Redis;
  let scripts: Scripts;
  beforeAll(async () => {
    redis = await startRedis();
    client = new Redis(redis.url);
    scripts = createScripts(client);
  });
  beforeEach(() => redis.flush());
  afterAll(async () => {
    client.disconnect();
    await redis.stop();
  });

  const marker = () => client.get(keys.at('00', 'schema'));
  /** As the start of another program does it. */
  const starts = (program: SchemaMarker) => raiseSchema(scripts, keys, program);

  test('RL-20 the next version expands a store while this one works on it: this one goes on, and starts, and what only that one knows stays', async () => {
    await using running = await openedStore();
    const scene = await asked(running.store);
    await starts(expanding);
    expect(await marker()).toBe(`${version + 1} readable by ${version}`);

    const { user, device, operation } = scene;
    const record = {
      u: keys.of('user', user.id),
      d: keys.of('device', device.id),
      o: keys.of('operation', operation.id),
    };
    for (const key of Object.values(record)) await client.hset(key, 'later', 'kept');
    for (const key of [record.u, record.d]) {
      await client.hset(key, 'b', JSON.stringify({ ...JSON.parse((await client.hget(key, 'b'))!), later: 'kept' }));
    }

    await running.store.check();
    await using started = await openedStore();
    const { store } = started;
    const phone = (await store.devices.get(device.id))!;
    const receipt = aReceipt(phone);
    expect(await store.devices.save({ device: phone, states: ['active'], now: T0, events: [], receipt })).toMatchObject(
      {
        result: 'saved',
      },
    );
    const person = (await store.users.get(user.id))!;
    expect(await store.users.update(person, T0, [])).toMatchObject({ result: 'updated' });
    expect(await running.store.operations.decide(decideOf(scene))).toMatchObject({ result: 'decided' });
    expect(await store.operations.poll(pollOf(operation, { holder: 'holder-1' }))).toMatchObject({ result: 'leased' });
    expect(await running.store.operations.commit(commitOf(operation))).toEqual({ result: 'committed' });

    for (const key of Object.values(record)) expect(await client.hget(key, 'later')).toBe('kept');
    for (const key of [record.u, record.d]) expect(JSON.parse((await client.hget(key, 'b'))!).later).toBe('kept');
    expect(await marker()).toBe(`${version + 1} readable by ${version}`);
  });

  test('RL-20 a store of the version before is raised once by the next one, and its records are as they were', async () => {
    await using before = await openedStore();
    const { operation } = await asked(before.store);
    // as before there were floors
    expect(await marker()).toBe(`${version}`);
    await starts(expanding);
    await starts(expanding);
    expect(await marker()).toBe(`${version + 1} readable by ${version}`);
    expect(await before.store.operations.get(operation.id)).toEqual(operation);
  });

  test('RL-20 one that was contracted is not for older programs: a start stops with one sentence, and who runs is ready no more', async () => {
    const told: string[] = [];
    await using running = await openedStore((event) => told.push(event));
    const scene = await asked(running.store);
    await starts(expanding);
    await starts(contracting);
    const sentence = `The store has schema version ${version + 2}, for programs of ${version + 1} and later; this program knows up to ${version}. Start the newer program, or restore a backup.`;
    await expect(openPatiently({ url: redis.url })).rejects.toThrow(sentence);
    await expect(running.store.check()).rejects.toThrow(sentence);
    await expect(running.store.check()).rejects.toThrow(sentence);
    expect(told).toEqual(['store.too_new']);
    // what it has begun it goes on with
    expect(await running.store.operations.decide(decideOf(scene))).toMatchObject({ result: 'decided' });
    expect(await marker()).toBe(`${version + 2} readable by ${version + 1}`);
  });

  test('RL-20 of any number of programs that start at once, in any order, the marker has the highest version and floor', async () => {
    const programs = [1, 2, 3, 4, 5, 6, 7].map((n) => ({ version: n, readableBy: Math.max(1, n - 2) }));
    const shuffled = [3, 7, 1, 5, 2, 7, 6, 4, 1, 3].map((n) => programs[n - 1]!);
    const outcomes = await Promise.allSettled(shuffled.map(starts));
    expect(await marker()).toBe('7 readable by 5');
    // whoever came too late for its version was told so
    for (const [i, { status }] of outcomes.entries())
      if (status === 'rejected') expect(shuffled[i]!.version).toBeLessThan(5);
    await Promise.allSettled(programs.map(starts));
    expect(await marker()).toBe('7 readable by 5');
  });

  async function openedStore(warn: (event: string) => void = () => {}) {
    const store = await openPatiently({ url: redis.url, log: { info() {}, warn } });
    return { store, [Symbol.asyncDispose]: () => store.close() };
  }
});
