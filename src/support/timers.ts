/** The only source of delays. A test hands in its own and lets them pass. */
export interface Timers {
  /** Runs once, after `ms` milliseconds. Call the answer to give it up. */
  after(ms: number, run: () => void): () => void;
}

/** Timers of the process. They do not keep it alive: whoever must finish something waits for it in its own `stop`. */
export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
