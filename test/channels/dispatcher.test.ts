import { createDispatcher, type DispatcherOptions } from '../../src/channels/dispatcher.ts';
import type { DeliveryOutcome, Handler } from '../../src/channels/outcome.ts';
import type { OutboxEntry } from '../../src/domain/ports/outbox.ts';
import { ALL_PARTITIONS, partitionOf } from '../../src/support/ids.ts';
import { asked, decide, sceneForEach, startOf } from '../domain/scene.ts';
import { watchedLog } from '../support/log.ts';
import { createTimers, type TestTimers } from '../support/timers.ts';

describe('the dispatcher', () => {
  const scene = sceneForEach();
  let timers: TestTimers;
  let running: ReturnType<typeof createDispatcher>[] = [];
  beforeEach(() => {
    timers = createTimers(scene.clock);
  });
  afterEach(async () => {
    await Promise.all(running.map((dispatcher) => dispatcher.stop()));
    running = [];
  });

  function dispatcherWith(handler: Handler, options: Partial<DispatcherOptions> = {}) {
    const { outbox, wakeups } = scene.store;
    const dispatcher = createDispatcher({
      outbox,
      wakeups,
      handlers: { inbox: handler },
      clock: scene.clock.now,
      timers,
      holder: `test-${running.length}`,
      log: watchedLog().log,
      options,
    });
    running.push(dispatcher);
    return dispatcher;
  }

  /** A handler that gives these outcomes in turn, and tells what it was given. */
  function handlerOf(...outcomes: DeliveryOutcome[]) {
    const given: OutboxEntry[] = [];
    const waiting: (() => void)[] = [];
    const handler: Handler = async (entry) => {
      given.push(entry);
      for (const resolve of waiting.splice(0)) resolve();
      return outcomes.length > 1 ? outcomes.shift()! : (outcomes[0] ?? { outcome: 'accepted' });
    };
    const until = async (count: number) => {
      while (given.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    };
    return { handler, given, until };
  }

  const backlog = async () => (await scene.store.outbox.backlog(ALL_PARTITIONS)).count;

  test('an entry is delivered when it is written, without anybody waiting for it, and then gone', async () => {
    const { handler, given, until } = handlerOf();
    const dispatcher = dispatcherWith(handler);
    await dispatcher.start();
    const { operation, user } = await asked(scene);
    await until(1);
    await dispatcher.idle();
    expect(given[0]).toMatchObject({ kind: 'inbox', operationId: operation.id, userId: user.id, attempts: 1 });
    expect(await backlog()).toBe(0);
  });

  test('what was written before the start is found by the first walk', async () => {
    await asked(scene);
    const { handler, given } = handlerOf();
    const dispatcher = dispatcherWith(handler);
    await dispatcher.start();
    await dispatcher.idle();
    expect([given.length, await backlog()]).toEqual([1, 0]);
  });

  test('retry comes again later and later, under the same id, until it is accepted', async () => {
    await asked(scene);
    const { handler, given } = handlerOf(
      { outcome: 'retry', reason: 'busy' },
      { outcome: 'retry', reason: 'busy' },
      { outcome: 'accepted' },
    );
    const dispatcher = dispatcherWith(handler, { walkMs: 3_600_000 });
    await dispatcher.start();
    await dispatcher.idle();
    expect([given.length, await backlog()]).toEqual([1, 1]);
    timers.advance(1);
    await dispatcher.idle();
    expect(given.length).toBe(2);
    timers.advance(1);
    await dispatcher.idle();
    expect(given.length).toBe(2);
    timers.advance(1);
    await dispatcher.idle();
    expect([given.map(({ attempts }) => attempts), await backlog()]).toEqual([[1, 2, 3], 0]);
    expect(new Set(given.map(({ id }) => id)).size).toBe(1);
  });

  test('a timer that runs a millisecond early, by a clock of its own, leaves nothing to the next walk', async () => {
    await asked(scene);
    const { after } = timers;
    timers.after = (ms, run) => after(Math.max(1, ms - 1), run);
    const { handler, given } = handlerOf({ outcome: 'later', afterMs: 500 }, { outcome: 'accepted' });
    const dispatcher = dispatcherWith(handler);
    await dispatcher.start();
    await dispatcher.idle();
    timers.advance(0.499);
    await dispatcher.idle();
    expect(given).toHaveLength(1);
    timers.advance(0.001);
    await dispatcher.idle();
    expect(given).toHaveLength(2);
  });

  test('gone is never tried again; a fault is', async () => {
    await asked(scene);
    const gone = handlerOf({ outcome: 'gone', reason: 'unregistered' });
    const dispatcher = dispatcherWith(gone.handler);
    await dispatcher.start();
    await dispatcher.idle();
    expect([gone.given.length, await backlog()]).toEqual([1, 0]);
    await dispatcher.stop();

    await asked(scene);
    const faulty = dispatcherWith(async () => {
      throw new Error('a bug');
    });
    await faulty.start();
    await faulty.idle();
    expect(await backlog()).toBe(1);
  });

  test('later comes again when it says so, and is no failure', async () => {
    await asked(scene);
    const { handler, given } = handlerOf({ outcome: 'later', afterMs: 3000 }, { outcome: 'accepted' });
    const dispatcher = dispatcherWith(handler, { walkMs: 600_000, retry: { firstMs: 600_000, maxMs: 600_000 } });
    await dispatcher.start();
    await dispatcher.idle();
    timers.advance(2);
    await dispatcher.idle();
    expect(given).toHaveLength(1);
    timers.advance(1);
    await dispatcher.idle();
    expect([given.length, await backlog()]).toEqual([2, 0]);
  });

  test('an entry that only a newer process knows is left for it', async () => {
    const { operation, device } = await asked(scene, { notification: { mode: 'push', sealed: 'x' } });
    await decide(scene, operation, device);
    const { handler } = handlerOf();
    const dispatcher = dispatcherWith(handler);
    await dispatcher.start();
    await dispatcher.idle();
    expect(await backlog()).toBe(1);
  });

  test('nothing is retried beyond the life of its operation', async () => {
    await asked(scene);
    const { handler, given } = handlerOf({ outcome: 'retry', reason: 'busy', afterMs: 301_000 });
    const dispatcher = dispatcherWith(handler);
    await dispatcher.start();
    await dispatcher.idle();
    expect([given.length, await backlog()]).toEqual([1, 0]);
  });

  test('of two processes one delivers; what a dead one had claimed is delivered when its lease runs out', async () => {
    const { operation } = await asked(scene);
    const partitions = [partitionOf(operation.id)];
    const { outbox } = scene.store;
    const [dead] = await outbox.claimDue({
      partitions,
      now: scene.clock.now(),
      limit: 1,
      holder: 'dead',
      leaseMs: 30_000,
    });
    const { handler, given } = handlerOf();
    const [one, two] = [dispatcherWith(handler), dispatcherWith(handler)];
    await Promise.all([one.start(), two.start()]);
    await Promise.all([one.idle(), two.idle()]);
    expect(given).toEqual([]);
    timers.advance(31);
    await Promise.all([one.idle(), two.idle()]);
    expect(given.map(({ attempts }) => attempts)).toEqual([2]);
    expect(await outbox.complete(dead!.entry.id, dead!.fence)).toBe(false);
  });

  test('more than fits at once is delivered in turn, each once', async () => {
    const { user } = await asked(scene);
    let atOnce = 0;
    let most = 0;
    const ids: string[] = [];
    const dispatcher = dispatcherWith(
      async ({ id }) => {
        most = Math.max(most, ++atOnce);
        ids.push(id);
        await new Promise(setImmediate);
        atOnce--;
        return { outcome: 'accepted' };
      },
      { concurrency: 2 },
    );
    for (let count = 0; count < 7; count++) {
      await scene.operations.start(startOf(user, { clientId: `client-${count}` }));
    }
    await dispatcher.start();
    await dispatcher.idle();
    expect([ids.length, new Set(ids).size, most, await backlog()]).toEqual([8, 8, 2, 0]);
  });

  test('stop finishes what is under way and claims nothing more', async () => {
    await asked(scene);
    const release = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const dispatcher = dispatcherWith(async () => {
      begun.resolve();
      await release.promise;
      return { outcome: 'accepted' };
    });
    await dispatcher.start();
    await begun.promise;
    const stopped = dispatcher.stop();
    await asked(scene);
    release.resolve();
    await stopped;
    expect([await backlog(), timers.pending()]).toEqual([1, 0]);
  });

  test('a store that does not answer is asked again', async () => {
    await asked(scene);
    const { outbox, wakeups } = scene.store;
    let isDown = true;
    const { handler, given } = handlerOf();
    const dispatcher = createDispatcher({
      outbox: {
        ...outbox,
        complete: (...args) => outbox.complete(...args),
        retry: (...args) => outbox.retry(...args),
        claimDue: async (claim) => {
          if (isDown) throw new Error('away');
          return outbox.claimDue(claim);
        },
      },
      wakeups,
      handlers: { inbox: handler },
      clock: scene.clock.now,
      timers,
      holder: 'test',
      log: watchedLog().log,
    });
    running.push(dispatcher);
    await dispatcher.start();
    await dispatcher.idle();
    isDown = false;
    timers.advance(1);
    await dispatcher.idle();
    expect(given.length).toBe(1);
  });
});
