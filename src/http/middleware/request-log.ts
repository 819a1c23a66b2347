import type { Log } from '../../observability/log.ts';
import type { Middleware } from './context.ts';

/** One line for each answer. Never the query: `auth_req_id`, tickets and hints travel there (ruling 3). */
export function requestLog({ log, listener }: { log: Log; listener: string }): Middleware {
  return (ctx, next) => {
    const startedAt = performance.now();
    ctx.res.once('close', () => {
      const write = ctx.path.startsWith('/health/') ? log.debug : log.info;
      write('http.request', {
        // said here: the event comes from the socket, which belongs to no request
        trace_id: ctx.state.traceId,
        listener,
        method: ctx.method,
        path: ctx.path,
        status: ctx.res.statusCode,
        ms: Math.round(performance.now() - startedAt),
        // The client went away before it had everything.
        ...(!ctx.res.writableFinished && { aborted: true }),
      });
    });
    return next();
  };
}
