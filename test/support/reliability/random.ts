import { randomInt } from 'node:crypto';

/** Numbers that come again with the same seed. */
export interface SeededRandom {
  /** Printed by whoever uses it: `ASSENT_TEST_SEED=<seed>` runs the same again. */
  seed: number;
  /** From 0 up to, not including, 1. */
  next(): number;
  /** From 0 up to, not including, `limit`. */
  below(limit: number): number;
}

export function seededRandom(seed = Number(process.env['ASSENT_TEST_SEED'] ?? randomInt(2 ** 31))): SeededRandom {
  // mulberry32
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, next, below: (limit) => Math.floor(next() * limit) };
}
