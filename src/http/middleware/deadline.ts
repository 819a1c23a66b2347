import type { IncomingMessage } from 'node:http';
import { StoreUnavailable } from '../../support/unavailable.ts';
import type { Middleware } from './context.ts';

/** IV-10: nobody waits longer for an answer of ours, whatever hangs behind it. */
const ANSWERED_MS = 5_000;

/** For routes that answer at once: an event stream's middleware returns as soon as the stream has begun. */
export function deadline(ms = ANSWERED_MS): Middleware {
  return (ctx, next) => inTime(ctx.req, next(), ms);
}

/**
 * The work's outcome, or StoreUnavailable when it takes longer than `ms`. A body that still arrives is not our time; the
 * listener's `requestTimeout` bounds that.
 */
export function inTime<T>(req: Pick<IncomingMessage, 'complete'>, work: Promise<T>, ms = ANSWERED_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      if (!req.complete) return;
      clearInterval(timer);
      reject(new StoreUnavailable(`no answer within ${ms} ms`));
    }, ms);
    timer.unref(); // a request that a shutdown has cut must not keep the process
    const inTime = <V>(settle: (value: V) => void) => {
      return (value: V) => {
        clearInterval(timer);
        settle(value);
      };
    };
    work.then(inTime(resolve), inTime(reject));
  });
}
