import type { Timers } from './timers.ts';

/** For somebody else's code, which may never answer. @throws Error when it has not in time; the signal tells it so */
export async function inTime<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { deadlineMs, timers }: { deadlineMs: number; timers: Timers },
): Promise<T> {
  const late = new AbortController();
  const giveUp = timers.after(deadlineMs, () => late.abort(new Error(`no answer in ${deadlineMs} ms`)));
  try {
    const aborted = new Promise<never>((_, reject) => {
      late.signal.addEventListener('abort', () => reject(late.signal.reason));
    });
    return await Promise.race([work(late.signal), aborted]);
  } finally {
    giveUp();
  }
}
