import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Trace, traceOf } from '../../observability/trace.ts';
import type { PeerCertificate } from './peer-certificate.ts';

/** One request and its answer on the way through the edge. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly trace: Trace;
  /** As sent, not decoded; without the query. */
  readonly path: string;
  readonly query: string;
  /** The client's address; see proxies.ts. */
  address: string;
  /** What a trusted proxy says about the client's certificate; see peer-certificate.ts, which is whom to ask. */
  forwardedCertificate?: PeerCertificate;
}

/**
 * A step of the way, in the order that app.ts lists. Plain functions on node's own objects: a poll passes here thousands of
 * times a second, and Koa would cost it as much as everything that it came for.
 *
 * @throws HttpProblem to refuse
 */
export type Step = (exchange: Exchange) => void;

const key = Symbol('exchange');
type Carrier = IncomingMessage & { [key]?: Exchange };

/** Every answer names its trace: the caller's by `traceparent`, or a new one. `X-Trace-Id` is never read: nobody writes text into our logs. */
export function beginExchange(req: IncomingMessage, res: ServerResponse): Exchange {
  const url = originForm(req.url ?? '/');
  req.url = url;
  const mark = url.indexOf('?');
  const exchange: Exchange = {
    req,
    res,
    trace: traceOf(req.headers.traceparent as string | undefined),
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? '' : url.slice(mark + 1),
    address: '',
  };
  res.setHeader('x-trace-id', exchange.trace.traceId);
  (req as Carrier)[key] = exchange;
  return exchange;
}

export function exchangeOf(req: IncomingMessage): Exchange {
  return (req as Carrier)[key]!;
}

/** RFC 9112 §3.2.2: `GET http://host/path` is a way to ask as well; who is asked says nothing here (ruling 3). */
function originForm(url: string): string {
  if (url.startsWith('/') || !URL.canParse(url)) return url;
  const { pathname, search } = new URL(url);
  return pathname + search;
}
