import type { Metrics } from '../observability/metrics.ts';
import { allow } from './health.ts';
import type { Middleware } from './middleware/context.ts';

export const METRICS_PATH = '/metrics';

/** For Prometheus, on the management listener only. Like health without a key: it names no person and holds no secret. */
export function metricsRoute(metrics: Pick<Metrics, 'text' | 'contentType'>): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== METRICS_PATH) return next();
    allow(ctx, ['GET', 'HEAD']);
    ctx.set('content-type', metrics.contentType);
    ctx.body = await metrics.text();
  };
}
