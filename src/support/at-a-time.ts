/** From when it begins until `end`. Ended before that, it never begins. */
export interface Turn {
  end(): void;
}

export interface AtATime {
  /** Calls back when there is room, in the order of asking. */
  take(begin: () => void): Turn;
  /** Does the work when there is room. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * So many at a time. Whoever had to wait begins in another turn of the event loop than the one whose place it takes, so that
 * all else that waits for the process is served in between.
 */
export function createAtATime(size: number): AtATime {
  const waiting = new Set<() => void>();
  let begun = 0;
  let isPlanned = false;

  const next = () => {
    isPlanned = false;
    for (const begin of waiting) {
      if (begun >= size) return;
      waiting.delete(begin);
      begun++;
      begin();
    }
  };
  const plan = () => {
    if (isPlanned || waiting.size === 0 || begun >= size) return;
    isPlanned = true;
    setImmediate(next);
  };

  function take(begin: () => void): Turn {
    if (waiting.size === 0 && begun < size) {
      begun++;
      begin();
    } else waiting.add(begin);
    return {
      end() {
        if (!waiting.delete(begin)) begun--;
        plan();
      },
    };
  }

  return {
    take,
    async run(work) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const turn = take(resolve);
      await promise;
      try {
        return await work();
      } finally {
        turn.end();
      }
    },
  };
}
