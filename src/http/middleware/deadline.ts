import { StoreUnavailable } from '../../support/unavailable.ts';
import type { Middleware } from './context.ts';

/**
 * IV-10: nobody waits longer than 5 s for an answer of ours, whatever hangs behind it. A body that still arrives is not
 * our time; the listener's `requestTimeout` bounds that. For routes that answer at once: an event stream's middleware
 * returns as soon as the stream has begun.
 */
export function deadline(ms = 5_000): Middleware {
  return async (ctx, next) => {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setInterval(() => {
      if (ctx.req.complete) reject(new StoreUnavailable(`no answer within ${ms} ms`));
    }, ms);
    try {
      const work = next();
      // Where the deadline wins, the loser's error has nobody to go to and says nothing new.
      work.catch(() => {});
      await Promise.race([work, late]);
    } finally {
      clearInterval(timer);
    }
  };
}
