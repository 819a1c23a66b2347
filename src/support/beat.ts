/**
 * Answers that leave together, at fixed moments, tell nothing of how long each was worked on (TH-04). What is left to see is
 * work that takes longer than to the next moment, which needs a machine that hardly keeps up.
 *
 * A timer is exact to a millisecond only and starts from when it was set, so it would hand on the very microseconds that are
 * to be hidden: the last stretch is waited for turn by turn. Other work goes on between the turns.
 */
/** Resolves at the next moment. */
export type Beat = () => Promise<void>;

/** Of a timer, twice over. */
const inexactMs = 2;

/**
 * @param everyMs between two moments, which all callers of this one share; by default several times what a start takes, and
 * nothing to whoever waits for a person
 */
export function createBeat(everyMs = 10): Beat {
  let next: Promise<void> | undefined;

  function begin(): Promise<void> {
    const due = (Math.floor(performance.now() / everyMs) + 1) * everyMs;
    return new Promise((resolve) => {
      const look = () => {
        if (performance.now() < due) return void setImmediate(look);
        next = undefined;
        resolve();
      };
      setTimeout(look, Math.max(0, due - performance.now() - inexactMs));
    });
  }

  return () => {
    next ??= begin();
    return next;
  };
}
