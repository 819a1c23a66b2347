import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import type { RedisStore } from '../../adapters/redis/index.ts';
import { createKeys } from '../../adapters/redis/keys.ts';
import { createOperations } from '../../src/domain/operations.ts';
import type { StoredUser } from '../../src/domain/user.ts';
import { HOUR, MINUTE, SECOND } from '../../src/support/clock.ts';
import { ALL_PARTITIONS, newHandle, newId, partitionOf } from '../../src/support/ids.ts';
import { createSecrets } from '../../src/support/secrets.ts';
import {
  approved,
  asked,
  commitOf,
  committed,
  decideOf,
  pollOf,
  startOf,
  withDevice,
  withUser,
} from '../conformance/scenes.ts';
import {
  aDecision,
  anArtifact,
  anEvent,
  anOperation,
  anOutboxEntry,
  aReceipt,
  aServerKey,
  T0,
} from '../support/records.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { openPatiently } from '../support/redis-store.ts';
import { requireSystem } from '../support/system.ts';

/** Nothing but the prefix, the partition, a name, and an id of ours, a SHA-256, or a model with a SHA-256. */
const KEY =
  /^assent:\{[0-9a-f]{2}\}:([a-z]+|[a-z]+:([0-9a-f]{2}[\w-]{22}|[\w-]{43}|([0-9a-f]{2})?~[\w-]{43}|[A-Za-z]{1,40}:[0-9a-f]{64}))$/;

const hostile = ['{}', '{x}abc', ':a:', '*', 'a\0b', '"\\', randomBytes(7500).toString('base64'), ''];

requireSystem('redis-server')('what lies in Redis', () => {
  let redis: TestRedis;
  let store: RedisStore;
  let raw: Redis;
  beforeAll(async () => {
    redis = await startRedis();
    store = await openPatiently({ url: redis.url });
    raw = new Redis(redis.url);
  });
  afterAll(async () => {
    await store.close();
    await raw.quit();
    await redis.stop();
  });
  beforeEach(() => raw.flushall());

  /** A bit of everything. */
  async function fill(): Promise<void> {
    const scene = await committed(store);
    const evidence = { sealed: 'sealed.evidence', retainUntil: T0 + HOUR };
    const other = await asked(store);
    const event = anEvent(other.operation, 'operation.denied', {
      operationId: other.operation.id,
      userId: other.user.id,
    });
    const decision = aDecision(other.device, { approved: false });
    const outbox = [anOutboxEntry(other.operation)];
    await store.operations.decide(decideOf(other, { decision, evidence, events: [event], outbox }));
    await store.outbox.claimDue({ partitions: ALL_PARTITIONS, now: T0 + 1, limit: 9, holder: 'h', leaseMs: SECOND });
    await store.events.write('00', [anEvent({ id: '00' }, 'key.created')]);
    await store.keys.add({ key: aServerKey(), now: T0, events: [] });
    await store.artifacts.write([anArtifact()], T0);
    await store.devices.claimKey('thumbprint', scene.device.id, T0);
    await store.check();
  }

  async function fillWithHostileTexts(): Promise<void> {
    for (const text of hostile) {
      await store.replay.once({ scope: text, id: text, now: T0, until: T0 + MINUTE });
      await store.counters.reserve({ key: text, limit: 1, windowMs: HOUR, now: T0 });
      const begin = { scope: text, key: text, requestHash: text, now: T0, leaseUntil: T0 + 1, until: T0 + MINUTE };
      await store.idempotency.begin(begin);
      await store.artifacts.write([{ model: text, id: text, payload: text, expiresAt: T0 + 1 }], T0);
      const user = await withUser(store, { identifiers: { username: text } });
      const device = await withDevice(store, user);
      const receipt = aReceipt(device, { jti: text });
      await store.devices.save({ device, states: ['active'], now: T0, events: [], receipt });
      await store.devices.claimKey(text, device.id, T0);
    }
  }

  test('TH-27 every key is prefix, partition and nothing that others chose; hostile texts spread like any', async () => {
    await fill();
    await fillWithHostileTexts();
    const keys = await raw.keys('*');
    expect(keys.length).toBeGreaterThan(80);
    expect(keys.filter((key) => !KEY.test(key))).toEqual([]);
    expect(new Set(keys.map((key) => key.slice(8, 10))).size).toBeGreaterThan(20);
  });

  test('TH-27 every key of a record has the slot of the partition that its id names', async () => {
    await fill();
    for (const key of await raw.keys('*')) {
      const [, partition, id] = /\{(..)\}:\w+:([0-9a-f]{2}[\w-]{22})$/.exec(key) ?? [];
      if (id) expect(partitionOf(id)).toBe(partition);
    }
  });

  test('promise 9: no secret that the store was not given sealed can be read from it', async () => {
    const secrets = createSecrets(randomBytes(32));
    const user = await withUser(store);
    await withDevice(store, user);
    const handle = newHandle(partitionOf(user.id));
    const operations = operationsOn(store, secrets);
    const { operation } = await operations.start(startCall(handle, user.id, 'canary-binding-message'));
    await raw.bgrewriteaof();
    const dump = await everything(raw);
    for (const canary of [
      handle,
      'canary-binding-message',
      Buffer.from('canary-binding-message').toString('base64url'),
    ]) {
      expect(dump).not.toContain(canary);
    }
    expect(dump).toContain(operation.id);
  });

  test('a key that holds a prefix of somebody else, braces or a glob cannot be made', () => {
    for (const prefix of ['', 'assent', 'a{b}:', 'a*:', 'A:', `${'a'.repeat(40)}:`]) {
      expect(() => createKeys(prefix)).toThrow(RangeError);
    }
    expect(createKeys('tenant-1:').of('user', `3f${'a'.repeat(22)}`)).toBe(`tenant-1:{3f}:u:3f${'a'.repeat(22)}`);
  });

  test('a pending operation, everything included, takes at most 4 KiB', async () => {
    const user = await withUser(store);
    await withDevice(store, user);
    const operations = operationsOn(store, createSecrets(randomBytes(32)));
    const before = await memory(raw);
    const handle = newHandle(partitionOf(user.id));
    const { operation } = await operations.start(startCall(handle, user.id, 'x'.repeat(640)));
    const after = await memory(raw);
    const ciphertext = Buffer.from(operation.context!.sealed, 'base64url').length;
    expect(ciphertext).toBeGreaterThanOrEqual(1024);
    const grown = [...after].map(
      ([key, bytes]) => [key.replace(/^assent:\{..\}:/, ''), bytes - (before.get(key) ?? 0)] as const,
    );
    const total = grown.reduce((sum, [, bytes]) => sum + bytes, 0);
    const parts = grown.filter(([, bytes]) => bytes > 0).map(([key, bytes]) => `${key.split(':')[0]} ${bytes}`);
    process.stdout.write(`one pending operation in Redis: ${total} bytes (${parts.join(', ')})\n`);
    expect(total).toBeLessThanOrEqual(4096);
  });

  test('many pending operations take at most 4 KiB each by the count of Redis itself', async () => {
    const operations = operationsOn(store, createSecrets(randomBytes(32)));
    // As dense as 32 000 operations over all 256 partitions; each with a user of its own.
    const users: StoredUser[] = [];
    for (let i = 0; i < 500; i++) {
      const user = await withUser(store, { id: newId(ALL_PARTITIONS[i % 4]!) });
      await withDevice(store, user);
      users.push(user);
    }
    const before = await usedMemory(raw);
    for (const { id } of users) await operations.start(startCall(newHandle(partitionOf(id)), id, 'x'.repeat(640)));
    const each = Math.round(((await usedMemory(raw)) - before) / users.length);
    process.stdout.write(`each of many pending operations in Redis: ${each} bytes\n`);
    expect(each).toBeLessThanOrEqual(4096);
  });

  test('the store’s own expiry comes an hour after the end that a record says, and at no record without an end', async () => {
    const scene = await approved(store);
    const receipt = aReceipt(scene.device, { until: T0 + 10 * MINUTE });
    await store.devices.save({ device: scene.device, states: ['active'], now: T0, events: [], receipt });
    await store.replay.once({ scope: 's', id: 'i', now: T0, until: T0 + MINUTE });
    await store.counters.reserve({ key: 'k', limit: 1, windowMs: HOUR, now: T0 });
    const begin = { scope: 's', key: 'k', requestHash: 'h', now: T0, leaseUntil: T0 + 1, until: T0 + MINUTE };
    await store.idempotency.begin(begin);
    await store.artifacts.write([anArtifact({ expiresAt: T0 + 5 * MINUTE })], T0);
    const limits = {
      perClient: { starts: 1, windowMs: MINUTE },
      perUser: { starts: 0, windowMs: MINUTE },
      backOff: { firstMs: 0, maxMs: 0 },
      notMeMs: 0,
    };
    await store.operations.start({ ...startOf(anOperation(scene.user)), limits });
    const { retainUntil } = scene.operation;
    const lifetimes = new Map<string, number>();
    for (const key of await raw.keys('*')) {
      const ms = await raw.pttl(key);
      const [, name] = /\}:(\w+):?(.*)$/.exec(key)!;
      if (ms >= 0) lifetimes.set(name!, Math.max(lifetimes.get(name!) ?? 0, ms));
      else
        expect(['u', 'users', 'i', 'd', 'devices', 'ud', 'up', 'ut', 'due', 'gc', 'x', 'xd', 'xn', 'schema']).toContain(
          name,
        );
    }
    const hours = (ms: number) => Math.round((ms / HOUR) * 10) / 10;
    // what a sweep takes an hour after its end: yet an hour later
    expect(hours(lifetimes.get('o')!)).toBe(hours(retainUntil - T0 + 2 * HOUR));
    expect(hours(lifetimes.get('b')!)).toBe(hours(retainUntil - T0 + 2 * HOUR));
    expect(hours(lifetimes.get('j')!)).toBe(hours(MINUTE + HOUR));
    expect(hours(lifetimes.get('k')!)).toBe(hours(MINUTE + HOUR));
    expect(hours(lifetimes.get('c')!)).toBe(hours(2 * HOUR));
    expect(hours(lifetimes.get('a')!)).toBe(hours(5 * MINUTE + HOUR));
    expect(hours(lifetimes.get('s')!)).toBe(hours(25 * HOUR));
    expect(hours(lifetimes.get('r')!)).toBeGreaterThanOrEqual(hours(10 * MINUTE + HOUR));
  });

  test('a collection of garbage takes operations with their places in every index, evidence, and events in their time', async () => {
    const brief = await openPatiently({ url: redis.url, eventRetentionMs: 2 * HOUR });
    const scene = await asked(brief);
    const about = { operationId: scene.operation.id, userId: scene.user.id };
    await brief.events.write(partitionOf(scene.user.id), [
      anEvent(scene.operation, 'operation.started', about),
      anEvent(scene.user, 'user.locked', { userId: scene.user.id, at: T0 + HOUR }),
    ]);
    const evidence = { sealed: 'sealed.evidence', retainUntil: T0 };
    await brief.operations.decide(decideOf(scene, { evidence }));
    const collect = (now: number) => brief.collectGarbage({ partitions: ALL_PARTITIONS, now, limit: 100 });
    await collect(T0 + 3 * HOUR);
    expect(await brief.operations.evidence(scene.operation.id)).toBeUndefined();
    expect((await brief.events.ofUser(scene.user.id, 9)).map(({ type }) => type)).toEqual(['user.locked']);
    expect(await brief.events.ofOperation(scene.operation.id)).toHaveLength(1);
    await collect(scene.operation.retainUntil + HOUR);
    await collect(scene.operation.retainUntil + HOUR);
    expect(await brief.events.ofOperation(scene.operation.id)).toEqual([]);
    expect(await brief.events.ofUser(scene.user.id, 9)).toEqual([]);
    const left = (await raw.keys('*')).map((key) => key.replace(/^assent:\{..\}:/, '').split(':')[0]);
    expect(new Set(left)).toEqual(new Set(['u', 'users', 'i', 'd', 'devices', 'ud', 'r', 'schema']));
    await brief.close();
  });

  test('round trips: a poll that waits, a poll that leases, a decision, a start and a device’s view take one each', async () => {
    const scene = await asked(store);
    const { count: counted, stop } = await watch(raw);
    const next = await asked(store);
    // Once to send the scripts whole; by their hash from then on. Either is one command.
    for (const { operation, user, device } of [scene, next]) {
      const poll = (holder: string, seconds: number) => () =>
        store.operations.poll(pollOf(operation, { holder, now: T0 + seconds * SECOND }));
      expect(await counted(poll('h', 0))).toBe(1);
      expect(await counted(() => store.operations.forDevice(operation.id, device.id, { jti: 'j', now: T0 }))).toBe(1);
      expect(await counted(() => store.operations.decide(decideOf({ user, device, operation })))).toBe(1);
      expect(await counted(poll('holder-1', 2))).toBe(1);
      expect(await counted(() => store.operations.commit(commitOf(operation)))).toBe(1);
    }
    const operations = operationsOn(store, createSecrets(randomBytes(32)));
    const start = startCall(newHandle(partitionOf(scene.user.id)), scene.user.id, 'text');
    // The user's devices, then the start itself.
    expect(await counted(() => operations.start(start))).toBe(2);
    const artifacts = [anArtifact(), anArtifact()];
    expect(await counted(() => store.artifacts.write(artifacts, T0))).toBe(2);
    stop();
  });
});

function operationsOn(store: RedisStore, secrets: ReturnType<typeof createSecrets>) {
  const application = {
    id: 'assent-web',
    name: 'Web',
    active: true,
    methods: ['device' as const, 'pin' as const],
    enrollmentMode: 'multiple' as const,
    pin: { length: 6, maxFailures: 5, lifetimeFailures: 100 },
  };
  return createOperations({
    store,
    clock: () => T0,
    secrets,
    applications: { find: () => application, list: () => [application] },
    options: {
      cap: { perClient: 0, policy: 'refuse', perUser: 0 },
      // noted with every start, as by default
      limits: {
        perClient: { starts: 10, windowMs: 10 * MINUTE },
        perUser: { starts: 30, windowMs: HOUR },
        backOff: { firstMs: 10_000, maxMs: HOUR },
        notMeMs: HOUR,
      },
      retentionMs: 24 * HOUR,
    },
  });
}

function startCall(handle: string, userId: string, bindingMessage: string) {
  return {
    handle,
    kind: 'authentication' as const,
    userId,
    clientId: 'demo-helpdesk',
    shown: {
      client: { id: 'demo-helpdesk', name: 'Help desk of a bank with a long name' },
      purpose: 'authentication',
      bindingMessage,
      // As src/http/pages/consent-text.ts writes it.
      context: {
        text: 'Approving gives Help desk of a bank with a long name: your name, user name and language, your e-mail address, your phone number, access while you are away, until you withdraw it.',
      },
      origin: { ip: '192.0.2.1', browser: 'Firefox 140', os: 'Debian 12', place: 'Vienna, Austria' },
    },
    match: 'choose' as const,
    lifetimeSeconds: 300,
    intervalSeconds: 5,
    // As src/protocol seals it: scope, claims, nonce.
    protocol: `abcdef.${randomBytes(150).toString('base64url')}`,
    by: { actor: 'client:demo-helpdesk', traceId: randomBytes(16).toString('hex') },
  };
}

/** MEMORY USAGE of every key, all elements counted. */
async function memory(raw: Redis): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const key of await raw.keys('*')) sizes.set(key, Number(await raw.memory('USAGE', key, 'SAMPLES', 0)));
  return sizes;
}

async function usedMemory(raw: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await raw.info('memory'))![1]);
}

/** Runs something and tells which commands came over connections meanwhile; what scripts call inside does not count. */
async function watch(raw: Redis): Promise<{ count(call: () => Promise<unknown>): Promise<number>; stop(): void }> {
  const monitor = raw.duplicate({ monitor: true, lazyConnect: false, retryStrategy: null });
  await new Promise((resolve) => monitor.once('monitoring', resolve));
  let seen: string[][] = [];
  let look: () => unknown = () => {};
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (source === 'lua') return;
    seen.push(args);
    look();
  });
  /** Resolves when all that was sent before has been seen; answers how much that was. */
  const settled = async () => {
    const marker = randomBytes(6).toString('hex');
    const end = () => seen.findIndex((args) => args[1] === marker);
    const arrived = new Promise<void>((resolve) => {
      look = () => end() >= 0 && resolve();
    });
    await raw.echo(marker);
    await arrived;
    return end();
  };
  return {
    async count(call) {
      await settled();
      seen = [];
      await call();
      return settled();
    },
    stop: () => monitor.disconnect(),
  };
}

/** Every key and value as text. */
async function everything(raw: Redis): Promise<string> {
  const keys = await raw.keys('*');
  const dumps = await Promise.all(keys.map(async (key) => (await raw.dumpBuffer(key))!.toString('latin1')));
  return keys.join('\n') + dumps.join('\n');
}
