import type { AppContext, Middleware, NodeHandler } from './middleware/context.ts';

/** A piece that answers some paths by itself: each path exactly, and everything below it. */
export interface Mounted {
  paths: readonly string[];
  handle: NodeHandler;
}

/** True for the path itself and for what lies below it, not for its neighbours (`/health` is not `/healthy`). */
export function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}

/** Only paths below `prefix` reach `middleware`; what it does not answer is a 404 there and then. */
export function below(prefix: string, middleware: Middleware): Middleware {
  return (ctx, next) => (isBelow(ctx.path, prefix) ? middleware(ctx, async () => {}) : next());
}

/**
 * Hands the request over, as it came, to a piece that is no Koa middleware. The headers set so far stay (`X-Trace-Id` is
 * `res.getHeader('x-trace-id')` there), the body has not been touched. What it rejects with before it has answered
 * becomes a problem document.
 */
export function handOver({ paths, handle }: Mounted, prepare: (ctx: AppContext) => void = () => {}): Middleware {
  return async (ctx, next) => {
    if (!paths.some((path) => isBelow(ctx.path, path))) return next();
    prepare(ctx);
    ctx.respond = false;
    ctx.res.statusCode = 200; // Koa starts at 404; node:http, and whoever writes for it, starts here
    await handle(ctx.req, ctx.res);
  };
}
