import type { Wake, Wakeups } from '../domain/ports/store.ts';
import type { Partition } from '../support/ids.ts';
import { partitionOf } from '../support/ids.ts';

/**
 * One subscription per partition, however many streams of it are open: counted, begun with the first listener and ended
 * with the last. Wake-ups fan out by user.
 */
export interface WakeHub {
  /** From when the promise resolves, `listener` is called when something of this user may have changed. */
  watch(userId: string, listener: () => void): Promise<() => void>;
  /** Wakes the listeners of this process: for a change that was learned of in another way. */
  nudge(userId: string): void;
  /** Subscriptions held. */
  subscriptions(): number;
}

interface Watched {
  listeners: Map<string, Set<() => void>>;
  subscription: Promise<() => void>;
}

export function createWakeHub({ wakeups }: { wakeups: Wakeups }): WakeHub {
  const watched = new Map<Partition, Watched>();

  function nudge(userId: string): void {
    // copied: a listener may stop listening while it is told
    const listeners = watched.get(partitionOf(userId))?.listeners.get(userId);
    for (const listener of [...(listeners ?? [])]) listener();
  }

  function subscribed(partition: Partition): Watched {
    const known = watched.get(partition);
    if (known) return known;
    const subscription = wakeups.subscribe(partition, ({ userId }: Wake) => nudge(userId));
    const fresh: Watched = { listeners: new Map(), subscription };
    watched.set(partition, fresh);
    return fresh;
  }

  function remove(partition: Partition, from: Watched, userId: string, listener: () => void): void {
    const listeners = from.listeners.get(userId);
    if (!listeners?.delete(listener)) return;
    if (listeners.size === 0) from.listeners.delete(userId);
    if (from.listeners.size > 0 || watched.get(partition) !== from) return;
    watched.delete(partition);
    // where subscribing had failed there is nothing to end
    void from.subscription.then((stop) => stop()).catch(() => {});
  }

  return {
    async watch(userId, given) {
      const partition = partitionOf(userId);
      const of = subscribed(partition);
      const listener = () => given(); // the same function may be given twice
      const listeners = of.listeners.get(userId) ?? new Set();
      of.listeners.set(userId, listeners.add(listener));
      try {
        await of.subscription;
      } catch (error) {
        remove(partition, of, userId, listener);
        throw error;
      }
      return () => remove(partition, of, userId, listener);
    },
    nudge,
    subscriptions: () => watched.size,
  };
}
