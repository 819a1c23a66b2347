import { createWakeHub } from '../../src/channels/wake-hub.ts';
import type { Wake, Wakeups } from '../../src/domain/ports/store.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';

const wakeOf = (userId: string): Wake => ({
  partition: userId.slice(0, 2),
  operationId: 'op',
  userId,
  state: 'pending',
});

/** The far side of the hub: subscriptions by partition, delivered by hand. */
function recordedWakeups() {
  const listeners = new Map<string, Set<(wake: Wake) => void>>();
  const wakeups: Wakeups = {
    subscribe: async (partition, listener) => {
      const set = listeners.get(partition) ?? new Set();
      listeners.set(partition, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0) listeners.delete(partition);
      };
    },
  };
  const publish = (wake: Wake) => {
    for (const listener of listeners.get(wake.partition) ?? []) listener(wake);
  };
  return { wakeups, publish, partitions: () => [...listeners.keys()].sort() };
}

describe('the hub of wake-ups', () => {
  test('ten thousand streams are one subscription per partition, each told of its own person only', async () => {
    const { wakeups, publish, partitions } = recordedWakeups();
    const hub = createWakeHub({ wakeups });
    const told = new Map<string, number>();
    const users = Array.from({ length: 10_000 }, (_, i) => `${(i % 4).toString(16).padStart(2, '0')}user${i % 5000}`);
    const stops = await Promise.all(
      users.map((user) => hub.watch(user, () => told.set(user, (told.get(user) ?? 0) + 1))),
    );
    expect(partitions()).toEqual(['00', '01', '02', '03']);
    publish(wakeOf(users[0]!));
    publish(wakeOf('00nobody'));
    expect([...told]).toEqual([[users[0], 2]]);
    for (const stop of stops) stop();
    await new Promise(setImmediate);
    expect([hub.subscriptions(), partitions()]).toEqual([0, []]);
  });

  test('the last listener ends the subscription, once; the next one begins another', async () => {
    const { wakeups, partitions } = recordedWakeups();
    const hub = createWakeHub({ wakeups });
    const first = await hub.watch('aa1', () => {});
    const second = await hub.watch('aa2', () => {});
    first();
    first();
    expect(partitions()).toEqual(['aa']);
    second();
    const third = await hub.watch('aa1', () => {});
    expect([hub.subscriptions(), partitions()]).toEqual([1, ['aa']]);
    third();
  });

  test('a nudge reaches listeners of this process, and none that has left', async () => {
    const hub = createWakeHub(recordedWakeups());
    let nudges = 0;
    const stop = await hub.watch('aa1', () => nudges++);
    hub.nudge('aa1');
    stop();
    hub.nudge('aa1');
    expect(nudges).toBe(1);
  });

  test('where the store cannot be subscribed to, nobody is left waiting and the next try begins anew', async () => {
    const { wakeups } = recordedWakeups();
    let isDown = true;
    const hub = createWakeHub({
      wakeups: {
        subscribe: async (...args) => {
          if (isDown) throw new StoreUnavailable('down');
          return wakeups.subscribe(...args);
        },
      },
    });
    await expect(Promise.all([hub.watch('aa1', () => {}), hub.watch('aa2', () => {})])).rejects.toThrow('down');
    await new Promise(setImmediate);
    expect(hub.subscriptions()).toBe(0);
    isDown = false;
    await hub.watch('aa1', () => {});
    expect(hub.subscriptions()).toBe(1);
  });
});
