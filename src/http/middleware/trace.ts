import { traceOf, withTrace } from '../../observability/trace.ts';
import type { Middleware } from './context.ts';

/**
 * First of all: every answer names its trace, and everything that the request causes belongs to it. A caller may bring
 * its own by `traceparent` (W3C Trace Context); `X-Trace-Id` is never read, so nobody writes text into our logs.
 */
export function tracing(): Middleware {
  return (ctx, next) => {
    const trace = traceOf(ctx.req.headers.traceparent as string | undefined);
    ctx.state.traceId = trace.traceId;
    ctx.set('x-trace-id', trace.traceId);
    return withTrace(trace, next);
  };
}
