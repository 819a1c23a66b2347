/**
 * How often each entry was tried by this process. The store counts claims, and what finds its receiver busy or left alone is
 * claimed and not tried: by that number what failed once after a while in the queue would wait as long as what failed six times.
 * A process that starts anew begins with one; its next attempt comes sooner for that, and no harm is done.
 */
export interface Tries {
  /** @returns how often, with this time */
  count(id: string): number;
  forget(id: string): void;
}

/** Far more than wait in any store that is well; the oldest is forgotten. */
const maxKnown = 20_000;

export function createTries(): Tries {
  const tries = new Map<string, number>();
  return {
    count(id) {
      const count = (tries.get(id) ?? 0) + 1;
      // the last in the order of the map
      tries.delete(id);
      tries.set(id, count);
      if (tries.size > maxKnown) tries.delete(tries.keys().next().value!);
      return count;
    },
    forget: (id) => void tries.delete(id),
  };
}
