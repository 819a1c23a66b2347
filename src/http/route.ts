import Router from '@koa/router';
import type { AppContext, Middleware } from './middleware/context.ts';
import { HttpProblem } from './problem.ts';

/** JSON Schema 2020-12, which is also what OpenAPI 3.1 speaks. */
export type Schema = Record<string, unknown>;

/** What one route may answer. `schema` names one of the API's schemas; none: an empty body. */
export interface ResponseSpec {
  description: string;
  schema?: string;
  type?: string;
  headers?: Record<string, string>;
}

/** One operation of an API: what the router mounts and what the OpenAPI document tells are made from it. */
export interface RouteSpec {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the API's prefix, OpenAPI spelling: `/users/{id}`. */
  path: string;
  operationId: string;
  summary: string;
  description?: string;
  tag: string;
  query?: Record<string, Schema & { description: string }>;
  /** Request headers that it reads, with their descriptions. */
  headers?: Record<string, string>;
  body?: { schema: string; types: readonly string[]; required: boolean };
  /** Successes by status. */
  responses: Record<number, ResponseSpec>;
  /** Refusals that are particular to it, by status; see `commonProblems` of the API for the others. */
  problems?: Partial<Record<number, string>>;
}

/**
 * Mounts routes below a prefix. A known path with another method is 405 with `Allow`; all else goes on to `next`.
 */
export function mountRoutes<R extends RouteSpec>(
  prefix: string,
  routes: readonly R[],
  run: (route: R) => (ctx: AppContext, params: Record<string, string>) => Promise<void>,
): Middleware {
  const router = new Router({ sensitive: true, strict: true });
  for (const route of routes) {
    const answer = run(route);
    const path = prefix + route.path.replaceAll(/\{(\w+)\}/g, ':$1');
    router.register(path, [route.method], (ctx) => answer(ctx as unknown as AppContext, ctx.params));
  }
  const serve = router.routes() as unknown as Middleware;
  return (ctx, next) =>
    serve(ctx, () => {
      const allowed = router.match(ctx.path, ctx.method).path.flatMap(({ methods }) => methods);
      if (allowed.length === 0) return next();
      throw new HttpProblem('method_not_allowed', { headers: { allow: [...new Set(allowed)].sort().join(', ') } });
    });
}
