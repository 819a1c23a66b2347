import type { Wakeups } from '../domain/ports/store.ts';

/**
 * Tells who waits for one operation that it has ended, wherever that happened. One subscription for the whole process,
 * shared with the dispatcher's: a wait costs an entry in a map, no call to the store and no connection. A hint, like all
 * wake-ups: whoever waits also looks again when the time is over.
 */
export interface OperationWatch {
  /** Resolves when it listens. */
  start(): Promise<void>;
  stop(): void;
  /** From now on, until the answer is called, `listener` is told when the operation has ended. */
  watch(operationId: string, listener: () => void): () => void;
}

export function createOperationWatch({ wakeups }: { wakeups: Wakeups }): OperationWatch {
  const listening = new Map<string, Set<() => void>>();
  let unsubscribe = () => {};

  return {
    async start() {
      unsubscribe = await wakeups.subscribe('*', ({ operationId, state }) => {
        if (state === 'pending' || state === 'noticed') return;
        for (const listener of [...(listening.get(operationId) ?? [])]) listener();
      });
    },
    stop: () => unsubscribe(),
    watch(operationId, given) {
      const listener = () => given(); // the same function may be given twice
      const listeners = listening.get(operationId) ?? new Set();
      listening.set(operationId, listeners.add(listener));
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) listening.delete(operationId);
      };
    },
  };
}
