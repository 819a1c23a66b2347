import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Log } from '../observability/log.ts';
import { withTrace } from '../observability/trace.ts';
import { beginExchange, type Exchange, type Step } from './edge/exchange.ts';
import { answerProblem, type Refusal } from './edge/problems.ts';
import type { Middleware } from './middleware/context.ts';

/** A piece that knows nothing of Koa: the engine, the demo, the simulator. */
export type NodeHandler = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;

/**
 * A piece that answers some paths by itself: each path exactly, and everything below it. It gets the request with the body
 * unread; headers set so far stay (`X-Trace-Id` is `res.getHeader('x-trace-id')`). What it rejects with before it has
 * answered becomes a problem document, or what `refusal` makes of that.
 */
export interface Mounted {
  paths: readonly string[];
  handle: NodeHandler;
  /** How these paths tell of errors, the edge's own included. undefined: by problem documents. */
  refusal?: Refusal;
}

/** True for the path itself and for what lies below it, not for its neighbours (`/health` is not `/healthy`). */
export function isBelow(path: string, prefix: string): boolean {
  return path === prefix || (path.startsWith(prefix) && path[prefix.length] === '/');
}

/** Only paths below `prefix` reach `middleware`; what it does not answer is a 404 there and then. */
export function below(prefix: string, middleware: Middleware): Middleware {
  return (ctx, next) => (isBelow(ctx.path, prefix) ? middleware(ctx, async () => {}) : next());
}

export interface Way {
  /** In this order, before anybody answers. */
  steps: readonly Step[];
  mounted: readonly Mounted[];
  /** Everything else. */
  rest: RequestListener;
  log: Log;
}

/** The way of every request: steps, then the piece that its path belongs to; whatever is thrown on it is told as that piece tells it. */
export function listenerOf({ steps, mounted, rest, log }: Way): RequestListener {
  const pieceAt = byPath(mounted);
  const go = async (exchange: Exchange) => {
    const piece = pieceAt(exchange.path);
    try {
      for (const step of steps) step(exchange);
      await (piece?.handle ?? rest)(exchange.req, exchange.res);
    } catch (error) {
      answerProblem(exchange, error, log, piece?.refusal);
    }
  };
  return (req, res) => {
    const exchange = beginExchange(req, res);
    withTrace(exchange.trace, () => go(exchange));
  };
}

/** Most requests ask for exactly one of the paths. */
function byPath(mounted: readonly Mounted[]): (path: string) => Mounted | undefined {
  const exact = new Map(mounted.flatMap((piece) => piece.paths.map((path) => [path, piece] as const)));
  return (path) => exact.get(path) ?? mounted.find(({ paths }) => paths.some((each) => isBelow(path, each)));
}
