import type { RequestListener } from 'node:http';
import Koa from 'koa';
import type { Log } from '../../observability/log.ts';
import { exchangeOf } from '../edge/exchange.ts';
import { answerProblem } from '../edge/problems.ts';
import { HttpProblem } from '../problem.ts';
import type { AppContext, AppState, Middleware } from './context.ts';

/** Our own APIs: Koa middleware behind the edge. What none of them answers is 404, what one throws a problem document. */
export function koaApp(
  middleware: readonly Middleware[],
  options: { log: Log; bodyLimitBytes: number },
): RequestListener {
  const { log, bodyLimitBytes } = options;
  const app = new Koa<AppState>({ env: 'production' });
  // Only what fails after the answer has begun arrives here: a stream or a socket that broke.
  app.on('error', (error: unknown) => log.debug('http.broken', { error }));
  app.use(async (ctx, next) => {
    const exchange = exchangeOf(ctx.req);
    ctx.state.traceId = exchange.trace.traceId;
    ctx.state.bodyLimitBytes = bodyLimitBytes;
    ctx.request.ip = exchange.address;
    try {
      await next();
      if (isUnanswered(ctx)) throw new HttpProblem('not_found');
    } catch (error) {
      ctx.respond = false;
      answerProblem(exchange, error, log);
    }
  });
  for (const each of middleware) app.use(each);
  return app.callback();
}

/** Koa's own state before anybody has answered is 404 without a body. */
function isUnanswered(ctx: AppContext): boolean {
  return ctx.status === 404 && ctx.body == null;
}
