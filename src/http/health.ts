import type { Health } from '../observability/health.ts';
import type { AppContext, Middleware } from './middleware/context.ts';
import { HttpProblem } from './problem.ts';

export const HEALTH_PATHS = ['/health/live', '/health/ready'];

/**
 * `/health/live`: the process answers. `/health/ready`: it wants requests. On the public listener without detail: what
 * is down inside is nobody's business there.
 */
export function healthRoutes({ health, detail }: { health: Health; detail: boolean }): Middleware {
  const answers: Record<string, (ctx: AppContext) => Promise<void> | void> = {
    '/health/live': (ctx) => {
      ctx.body = { status: 'live' };
    },
    '/health/ready': async (ctx) => {
      const { ready, ...parts } = await health.ready();
      ctx.status = ready ? 200 : 503;
      if (!ready) ctx.set('retry-after', '2');
      ctx.body = { status: ready ? 'ready' : 'not_ready', ...(detail && parts) };
    },
  };
  return async (ctx, next) => {
    const answer = Object.hasOwn(answers, ctx.path) ? answers[ctx.path] : undefined;
    if (!answer) return next();
    allow(ctx, ['GET', 'HEAD']);
    await answer(ctx);
  };
}

/** @throws HttpProblem method_not_allowed, with `Allow` (RFC 9110 §15.5.6) */
export function allow(ctx: AppContext, methods: readonly string[]): void {
  if (methods.includes(ctx.method)) return;
  throw new HttpProblem('method_not_allowed', { headers: { allow: methods.join(', ') } });
}
