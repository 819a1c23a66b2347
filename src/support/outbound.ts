import { OutboundError } from './outbound/errors.ts';
import { exchange } from './outbound/exchange.ts';
import { createGuard, type Policy } from './outbound/guard.ts';
import { createResolve, type Resolve } from './outbound/resolve.ts';
import { assertGuarded } from './outbound/self-test.ts';
import { type ClientCertificate, createTransport, trustOf } from './outbound/transport.ts';
import { systemTimers, type Timers } from './timers.ts';

export { OUTBOUND_MESSAGE, OutboundError, type OutboundReason } from './outbound/errors.ts';
export { asFetch } from './outbound/fetch.ts';
export type { Policy } from './outbound/guard.ts';
export type { Resolve } from './outbound/resolve.ts';
export type { ClientCertificate } from './outbound/transport.ts';

export interface OutboundOptions extends Policy {
  /** Trust anchors (PEM) beside the ones that Node trusts by default. */
  ca?: readonly string[];
  /** Shown to servers that ask for one. */
  clientCertificate?: ClientCertificate;
  /**
   * `connectMs`: names, TCP and TLS together; default 2.5 s, a server that takes longer is not well.
   * `totalMs`: until the last byte of the answer; default 5 s (N-12). A call may ask for less.
   */
  timeouts?: { connectMs?: number; totalMs?: number };
  /** Of an answer's body; default 64 KiB (TH-17). A call may ask for less. */
  maxBytes?: number;
  log?: { debug(event: string, fields: Record<string, unknown>): void };
  resolve?: Resolve;
  timers?: Timers;
}

export interface OutboundRequest {
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** Media types that the caller can use; the `Accept` header. */
  accept?: string;
  /** `refuse` (default): a 3xx answer is an error. `return`: it is an answer like any other. Never followed. */
  redirects?: 'refuse' | 'return';
  totalMs?: number;
  maxBytes?: number;
  /** The status says it all: what follows is not read. */
  ignoreBody?: boolean;
  signal?: AbortSignal;
}

export interface OutboundAnswer {
  status: number;
  /** Lower-case names; several lines of one name are joined as RFC 9110 §5.3 says. Without `Set-Cookie`. */
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

export interface Outbound {
  /** @throws OutboundError for everything that is not an answer */
  request(url: string, request?: OutboundRequest): Promise<OutboundAnswer>;
  /** What can be said about a URL without calling it, for whoever registers one. @throws OutboundError */
  check(url: string): void;
  /** For the start of the process. @throws Error where an address gets past the guard */
  assertGuarded(): Promise<void>;
}

/**
 * The only way out of the house for addresses that somebody else has chosen: pings, pushes, callbacks, `jwks_uri`,
 * `sector_identifier_uri`, logos (TH-17). One connection for each call: the name is resolved anew each time, and what is
 * connected to is what was checked. No redirects, no cookies, no proxy of the environment, no decompression.
 */
export function createOutbound(options: OutboundOptions, trust = trustOf(options)): Outbound {
  const {
    timeouts: { connectMs = 2_500, totalMs = 5_000 } = {},
    maxBytes = 64 * 1024,
    log,
    timers = systemTimers,
  } = options;
  const resolve = options.resolve ?? createResolve({ timeoutMs: connectMs / 2 });
  const guard = createGuard(options);
  const transport = createTransport({ guard, resolve, trust });

  const request: Outbound['request'] = async (text, call = {}) => {
    const startedAt = performance.now();
    const target = guard.target(text);
    try {
      if (call.signal?.aborted) throw new OutboundError('aborted', { cause: call.signal.reason });
      const answer = await exchange(transport.open(target, headersOf(call), call.method), {
        body: call.body,
        connectMs,
        totalMs: Math.min(call.totalMs ?? totalMs, totalMs),
        maxBytes: Math.min(call.maxBytes ?? maxBytes, maxBytes),
        ignoreBody: call.ignoreBody,
        signal: call.signal,
        timers,
      });
      if (isRedirect(answer.status) && call.redirects !== 'return') throw new OutboundError('redirect');
      return answer;
    } catch (error) {
      const failure = error instanceof OutboundError ? error : new OutboundError('request', { cause: error });
      // never path or query: callers put secrets there
      const { reason, cause } = failure;
      log?.debug('outbound.failed', {
        host: target.host,
        port: target.port,
        reason,
        cause,
        ms: performance.now() - startedAt,
      });
      throw failure;
    }
  };
  const outbound: Outbound = {
    request,
    check: (text) => void guard.target(text),
    assertGuarded: () =>
      assertGuarded({ outbound, create: (strict) => createOutbound({ ...options, ...strict }, trust) }),
  };
  return outbound;
}

const isRedirect = (status: number) => status >= 300 && status < 400 && status !== 304;

/** What the connection itself decides; a caller's word on it could only be a mistake or an attack. */
const OURS = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'cookie',
]);

function headersOf({ headers = {}, accept = '*/*' }: OutboundRequest): Record<string, string> {
  const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    accept,
    // what calls without a name is a scanner to many firewalls, and a 403 is for ever (N-06)
    'user-agent': 'Assent',
    ...Object.fromEntries(given.filter(([name]) => !OURS.has(name))),
    // a few compressed bytes could become any number
    'accept-encoding': 'identity',
    connection: 'close',
  };
}
