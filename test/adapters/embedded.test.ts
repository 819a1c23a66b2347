import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type EmbeddedStore, openEmbeddedStore } from '../../adapters/embedded/index.ts';
import { createPacing } from '../../adapters/embedded/pacing.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { storeConformance } from '../conformance/index.ts';
import { asked, pollOf, withUser } from '../conformance/scenes.ts';
import { empty } from '../support/embedded.ts';
import { anOperation, aReceipt, T0 } from '../support/records.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';

let folder: TemporaryFolder;
let file: string;
let store: EmbeddedStore;

beforeAll(async () => {
  folder = await temporaryFolder('assent-embedded');
  file = join(folder.path, 'assent.db');
  store = await openEmbeddedStore({ file });
});
afterAll(async () => {
  await store.close();
  await folder.remove();
});

// A thread takes longer to start than most tests to run: one store serves them all, emptied after each.
const shared = async () => ({ store, close: async () => empty(file) });
storeConformance('embedded store', (special) => (special ? openAnother(special) : shared()), {
  knownDifferences: { oneStepUsers: 'user and identifiers are one transaction' },
});

async function openAnother(special: { outsideNotices: true }) {
  const another = await openEmbeddedStore({ file: join(folder.path, `${randomUUID()}.db`), ...special });
  return { store: another, close: () => another.close() };
}

describe('embedded store, what only it has', () => {
  afterEach(() => empty(file));

  test('a request that fails is undone alone; the others of its group are done', async () => {
    const use = (id: string, until = T0 + 60_000) => store.replay.once({ scope: 's', id, now: T0, until });
    const answers = await Promise.allSettled([use('a'), use('b', Number.NaN), use('c')]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await Promise.all([use('a'), use('b'), use('c')])).toEqual([false, true, false]);
  });

  test('a request that fails half-way leaves none of its steps, and wakes nobody', async () => {
    const user = await withUser(store);
    const operation = anOperation(user);
    const heard: string[] = [];
    const stop = await store.wakeups.subscribe('*', (wake) => heard.push(wake.operationId));
    const start = { operation, cap: { perClient: 9, policy: 'refuse' as const, perUser: 9 }, now: T0, events: [] };
    const entry = { id: 'e', kind: 'inbox' as const, operationId: operation.id, userId: user.id, payload: '{}' };
    const broken = { ...entry, dueAt: Number.NaN, expiresAt: T0 };
    await expect(store.operations.start({ ...start, outbox: [broken] })).rejects.toThrow(/NOT NULL/);
    expect(await store.operations.get(operation.id)).toBeUndefined();
    expect(heard).toEqual([]);
    await stop();
  });

  test('a wake-up listener that throws costs the others nothing', async () => {
    const user = await withUser(store);
    const heard: string[] = [];
    const stops = [
      await store.wakeups.subscribe('*', () => {
        throw new Error('listener');
      }),
      await store.wakeups.subscribe('*', (wake) => heard.push(wake.operationId)),
    ];
    const operation = anOperation(user);
    const cap = { perClient: 9, policy: 'refuse' as const, perUser: 9 };
    await store.operations.start({ operation, cap, now: T0, events: [], outbox: [] });
    expect(heard).toEqual([operation.id]);
    for (const stop of stops) await stop();
  });

  test('a pending poll writes nothing', async () => {
    const { operation } = await asked(store);
    const before = commits(file);
    for (let i = 0; i < 100; i++) await store.operations.poll(pollOf(operation, { now: T0 + i }));
    expect(commits(file)).toBe(before);
    await store.replay.once({ scope: 's', id: 'i', now: T0, until: T0 });
    expect(commits(file)).not.toBe(before);
  });

  test('pacing remembers so many operations and no more; the one that was silent longest is forgotten', () => {
    const pacing = createPacing(2);
    const poll = (operationId: string) => pacing.take(pollOf(anOperation({ id: 'u' }, { id: operationId })), 5).result;
    expect(['a', 'b', 'a', 'c'].map(poll)).toEqual(['pending', 'pending', 'slow_down', 'pending']);
    expect(['a', 'b'].map(poll)).toEqual(['slow_down', 'pending']);
  });

  test('more writes than may wait are refused at once; those that were taken are done', async () => {
    const answers = await Promise.allSettled(
      Array.from({ length: 20_001 }, (_, i) => store.replay.once({ scope: 's', id: `${i}`, now: T0, until: T0 })),
    );
    expect(answers.slice(0, -1).every((answer) => answer.status === 'fulfilled' && answer.value)).toBe(true);
    expect(answers.at(-1)).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
    await store.check();
  });

  test('ready means that it can read and commit', async () => {
    const before = commits(file);
    await store.check();
    expect(commits(file)).not.toBe(before);
  });

  test('closing waits for what was asked, and refuses what comes later', async () => {
    await using place = await temporaryFolder('assent-embedded');
    const closing = await openEmbeddedStore({ file: join(place.path, 'assent.db') });
    const asked = Array.from({ length: 50 }, (_, i) =>
      closing.replay.once({ scope: 's', id: `${i}`, now: T0, until: T0 }),
    );
    await Promise.all([closing.close(), closing.close()]);
    expect(await Promise.all(asked)).toEqual(Array(50).fill(true));
    await expect(closing.replay.once({ scope: 's', id: 'late', now: T0, until: T0 })).rejects.toThrow(StoreUnavailable);
    await expect(closing.operations.get('00')).rejects.toThrow(StoreUnavailable);
    await expect(closing.check()).rejects.toThrow(StoreUnavailable);
  });

  test('what was closed is there when it is opened again, counters and used ids included', async () => {
    await using place = await temporaryFolder('assent-embedded');
    const path = join(place.path, 'assent.db');
    const first = await openEmbeddedStore({ file: path });
    const scene = await asked(first);
    const count = { key: 'k', limit: 2, windowMs: 1000, now: T0 };
    await first.counters.reserve(count);
    const receipt = aReceipt(scene.device);
    await first.devices.save({ device: scene.device, states: ['active'], now: T0, events: [], receipt });
    await first.close();

    const second = await openEmbeddedStore({ file: path });
    expect(await second.operations.get(scene.operation.id)).toEqual(scene.operation);
    expect(await second.counters.reserve(count)).toMatchObject({ count: 2 });
    const again = { device: scene.device, states: ['active' as const], now: T0, events: [], receipt };
    expect(await second.devices.save(again)).toMatchObject({ result: 'repeated' });
    await second.close();
  });
});

/** Grows with every commit of another connection. */
function commits(path: string): unknown {
  watcher ??= new DatabaseSync(path, { readOnly: true });
  return watcher.prepare('PRAGMA data_version').get()!['data_version'];
}
let watcher: DatabaseSync | undefined;
afterAll(() => watcher?.close());
