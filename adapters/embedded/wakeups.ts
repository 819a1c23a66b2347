import type { Wake, Wakeups } from '../../src/domain/ports/store.ts';
import type { Partition } from '../../src/support/ids.ts';

type Listener = (wake: Wake) => void;

export interface LocalWakeups extends Wakeups {
  publish(wakes: Wake[]): void;
}

/** One process, so one map of listeners. `onError`: a listener that throws must not cost the others their wake-up. */
export function createWakeups(onError: (error: unknown) => void): LocalWakeups {
  const listeners = new Map<Partition | '*', Set<Listener>>();

  const tell = (listener: Listener, wake: Wake) => {
    try {
      listener(wake);
    } catch (error) {
      onError(error);
    }
  };

  return {
    publish(wakes) {
      for (const wake of wakes)
        for (const topic of [wake.partition, '*'])
          for (const listener of [...(listeners.get(topic) ?? [])]) tell(listener, wake);
    },
    async subscribe(partition, listener) {
      const own: Listener = (wake) => listener(wake);
      const others = listeners.get(partition) ?? new Set();
      listeners.set(partition, others.add(own));
      return async () => {
        others.delete(own);
        if (others.size === 0 && listeners.get(partition) === others) listeners.delete(partition);
      };
    },
  };
}
