import { createSweeper, type SweeperDeps } from '../../src/domain/sweeper.ts';
import { DAY, SECOND } from '../../src/support/clock.ts';
import { aDevice, aHash } from '../support/records.ts';
import { createTimers } from '../support/timers.ts';
import { asked, by, newUser, sceneForEach } from './scene.ts';

describe('the sweeper', () => {
  const scene = sceneForEach();
  const sweeperOf = (overrides: Partial<SweeperDeps> = {}) =>
    createSweeper({
      store: scene.store,
      clock: scene.clock.now,
      serverKeys: scene.serverKeys,
      timers: createTimers(scene.clock),
      onError: (_job, error) => {
        throw error;
      },
      ...overrides,
    });

  test('it writes the end of operations whose time has passed, in batches, over all partitions', async () => {
    const operations = [];
    for (let i = 0; i < 9; i++) operations.push((await asked(scene)).operation);
    const sweeper = sweeperOf({ options: { batch: 2, partitions: 100 } });
    expect(await sweeper.expire()).toBe(0);
    scene.clock.advance(300);
    // nine operations and their nine tickets, which were redeemed and are over
    expect(await sweeper.expire()).toBe(9);
    expect(await sweeper.expire()).toBe(0);
    for (const { id } of operations) {
      expect(await scene.store.operations.get(id)).toMatchObject({ state: 'expired' });
      const events = await scene.store.events.ofOperation(id);
      expect(events.filter(({ type }) => type === 'operation.expired')).toMatchObject([{ actor: 'system' }]);
    }
  });

  test('it deletes records after their retention, not before', async () => {
    const { operation } = await asked(scene);
    const sweeper = sweeperOf();
    scene.clock.advance((300 * SECOND + DAY) / SECOND - 1);
    await sweeper.expire();
    await sweeper.collect();
    expect(await scene.store.operations.get(operation.id)).toBeDefined();
    scene.clock.advance((2 * DAY) / SECOND);
    expect(await sweeper.collect()).toBeGreaterThan(0);
    expect(await scene.store.operations.get(operation.id)).toBeUndefined();
    expect((await scene.users.list({ limit: 10 })).items).toHaveLength(1);
  });

  test('RL-16 one call to the store deletes fifty records at most, and the next one goes on', async () => {
    const { clock, store } = scene;
    const until = clock.now();
    await Promise.all(
      Array.from({ length: 120 }, (_, i) => store.replay.once({ scope: 's', id: `${i}`, now: until, until })),
    );
    clock.advance(DAY / SECOND);
    const deleted: number[] = [];
    const counting: SweeperDeps['store'] = {
      operations: store.operations,
      async collectGarbage(options) {
        const outcome = await store.collectGarbage(options);
        deleted.push(outcome.deleted);
        return outcome;
      },
    };
    expect(await sweeperOf({ store: counting }).collect()).toBeGreaterThanOrEqual(120);
    expect(Math.max(...deleted)).toBe(50);
    expect(await sweeperOf().collect()).toBe(0);
  });

  test('a call that deletes nothing goes on where more is left, and no partition waits for another to be empty', async () => {
    const left = new Map([
      ['00', 3],
      ['80', 1],
      ['ff', 2],
    ]);
    const served: string[] = [];
    const store: SweeperDeps['store'] = {
      operations: scene.store.operations,
      // what had an end is gone already: only its place in an index is left
      async collectGarbage({ partitions }) {
        const first = partitions[0]!;
        const count = left.get(first) ?? 0;
        if (count > 0) served.push(first);
        left.set(first, count - 1);
        return { deleted: 0, more: count > 1 };
      },
    };
    expect(await sweeperOf({ store, options: { partitions: 1 } }).collect()).toBe(0);
    expect(served).toEqual(['00', '80', 'ff', '00', 'ff', '00']);
  });

  test('its turns come by the timers, one after the other, and stop waits for the one under way', async () => {
    const timers = createTimers(scene.clock);
    const calls: string[] = [];
    let finish = () => {};
    const store: SweeperDeps['store'] = {
      operations: {
        expireDue: () => {
          calls.push('expire');
          return new Promise((resolve) => {
            finish = () => resolve([]);
          });
        },
      },
      collectGarbage: async () => ({ deleted: 0, more: false }),
    };
    const sweeper = sweeperOf({
      store,
      timers,
      options: { partitions: 256, expireEveryMs: 1000, collectEveryMs: DAY },
    });
    sweeper.start();
    expect(calls).toEqual([]);
    timers.advance(1);
    expect(calls).toEqual(['expire']);
    timers.advance(20);
    expect(calls).toEqual(['expire']);
    let isStopped = false;
    const stopped = sweeper.stop().then(() => {
      isStopped = true;
    });
    await Promise.resolve();
    expect(isStopped).toBe(false);
    finish();
    await stopped;
    timers.advance(100);
    expect(calls).toEqual(['expire']);
    expect(timers.pending()).toBe(0);
  });

  test('a round that fails is told, and the next one comes', async () => {
    const timers = createTimers(scene.clock);
    const told: string[] = [];
    let turn = () => {};
    const maintain = async () => {
      turn();
      throw new Error('the store is away');
    };
    const sweeper = sweeperOf({
      timers,
      serverKeys: { maintain, reload: async () => {} },
      onError: (job) => told.push(job),
    });
    sweeper.start();
    for (let i = 0; i < 2; i++) {
      const came = new Promise<void>((resolve) => {
        turn = resolve;
      });
      timers.advance(30);
      await came;
      await new Promise(setImmediate);
    }
    await sweeper.stop();
    expect(told.filter((job) => job === 'keys')).toEqual(['keys', 'keys']);
  });

  test('people’s enrollments that nobody finished are swept, with what the list of their devices says', async () => {
    const user = await newUser(scene);
    const { operationId } = await scene.tickets.create({ userId: user.id, applicationId: 'assent-web' }, by);
    const device = aDevice(user, { operationId, createdAt: scene.clock.now() });
    const bind = { operationId, thumbprint: aHash(), device, now: scene.clock.now(), events: [] };
    expect(await scene.store.operations.bindTicket(bind)).toMatchObject({ result: 'bound' });
    const sweeper = sweeperOf();
    scene.clock.advance(DAY / SECOND);
    await sweeper.expire();
    await sweeper.collect();
    expect(await scene.devices.ofUser(user.id)).toHaveLength(1);
    scene.clock.advance(2 * 3600);
    await sweeper.collect();
    expect(await scene.devices.ofUser(user.id)).toEqual([]);
    await expect(scene.devices.get(device.id)).rejects.toMatchObject({ code: 'device_not_found' });
  });

  test('a user is nothing to be swept', async () => {
    await newUser(scene);
    scene.clock.advance((400 * DAY) / SECOND);
    await sweeperOf().collect();
    expect((await scene.users.list({ limit: 10 })).items).toHaveLength(1);
  });
});
