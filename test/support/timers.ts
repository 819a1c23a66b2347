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
  const nextUntil = (end: number) => [...set].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
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
