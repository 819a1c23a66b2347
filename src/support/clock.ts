/** The only source of time. Epoch milliseconds; a test hands in its own and moves it. */
export type Clock = () => number;

export const systemClock: Clock = () => Date.now();

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** How long ago, in ms. What lies ahead is from before the clock was set back: as if it were long ago, so that nobody waits until it has come again. */
export const elapsed = (now: number, at: number): number => (at > now ? Number.POSITIVE_INFINITY : now - at);
