import type { Log } from '../../observability/log.ts';
import { HttpProblem, PROBLEM_TYPE, problemOf } from '../problem.ts';
import type { AppContext, Middleware } from './context.ts';

/** Whatever is thrown below becomes a problem document; whatever nobody expected is logged with its cause and shows nothing. */
export function problems({ log }: { log: Log }): Middleware {
  return async (ctx, next) => {
    try {
      await next();
      if (isUnanswered(ctx)) throw new HttpProblem('not_found');
    } catch (error) {
      if (ctx.req.destroyed && !ctx.req.complete) return; // the client went away: nobody is there to be told
      answerProblem(ctx, error, log);
    }
  };
}

/** Koa's own state before anybody has answered is 404 without a body. */
function isUnanswered(ctx: AppContext): boolean {
  return ctx.respond !== false && ctx.status === 404 && ctx.body == null;
}

function answerProblem(ctx: AppContext, error: unknown, log: Log): void {
  const { status, headers, body, fault } = problemOf(error, ctx.state.traceId);
  if (fault) log.error('http.fault', { status, method: ctx.method, path: ctx.path, error });
  if (ctx.headerSent) {
    // Half an answer is out; ending the connection is the only way to say that it is not whole.
    ctx.res.destroy();
    return;
  }
  ctx.respond = true;
  ctx.status = status;
  ctx.set(headers);
  ctx.type = PROBLEM_TYPE;
  ctx.body = JSON.stringify(body);
}
