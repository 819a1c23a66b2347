/** A clock that moves only when a test says so. */
export interface TestClock {
  /** Epoch milliseconds, to be passed on as it is: `now: clock.now`. */
  now: () => number;
  advance(seconds: number): void;
}

export function createClock(startsAt = '2030-01-01T00:00:00Z'): TestClock {
  let nowMs = Date.parse(startsAt);
  return {
    now: () => nowMs,
    advance(seconds) {
      nowMs += seconds * 1000;
    },
  };
}
