import type { Timers } from '../../src/support/timers.ts';
import type { TestClock } from './clock.ts';

/** Timers that run when a test moves the clock, in the order in which they are due. */
export interface TestTimers extends Timers {
  /** Moves the clock, stopping at every timer on the way. */
  advance(seconds: number): void;
  /** How many are set. */
  pending(): number;
}

export function createTimers(clock: TestClock): TestTimers {
  const set = new Set<{ at: number; run: () => void }>();
  // of those at the same moment the one that was set first
  function nextUntil(end: number) {
    let next: { at: number; run: () => void } | undefined;
    for (const timer of set) if (timer.at <= end && timer.at < (next?.at ?? Infinity)) next = timer;
    return next;
  }
  return {
    after(ms, run) {
      const timer = { at: clock.now() + ms, run };
      set.add(timer);
      return () => set.delete(timer);
    },
    advance(seconds) {
      const end = clock.now() + seconds * 1000;
      for (let timer = nextUntil(end); timer; timer = nextUntil(end)) {
        set.delete(timer);
        clock.advance(Math.max(0, timer.at - clock.now()) / 1000);
        timer.run();
      }
      clock.advance((end - clock.now()) / 1000);
    },
    pending: () => set.size,
  };
}
