import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Health } from '../observability/health.ts';
import type { Log } from '../observability/log.ts';
import type { Tls, TlsKind } from './tls.ts';

/** Names and units of node:http; milliseconds (TH-20). `config.listeners` is one of these. */
export interface ListenerLimits {
  headersTimeout: number;
  requestTimeout: number;
  connectionsCheckingInterval: number;
  maxConnections: number;
  maxHeadersCount: number;
  maxRequestsPerSocket: number;
  keepAliveTimeout?: number;
}

/** Longer than the 60 s after which proxies usually drop an idle connection: they must be the first to let go of it. */
const KEEP_ALIVE_MS = 65_000;

export interface ListenerOptions {
  name: string;
  host: string;
  port: number;
  handler: RequestListener;
  limits: ListenerLimits;
  /** Speaks TLS; with `client-certificates` a client may show one, and goes on without. */
  tls?: { tls: Tls; kind: TlsKind };
}

export interface Listener {
  readonly name: string;
  /** Resolves with the port that it got. @rejects where the address is in use or not ours */
  listen(): Promise<number>;
  /** The steps of a shutdown; see {@link drain}. */
  stopAccepting(): Promise<void>;
  closeIdle(): void;
  /** Ends what is still open; the answer is how many requests that hit. */
  cut(): number;
}

/**
 * One HTTP server with bounded patience. A request that has been read completely is no longer under `requestTimeout`
 * (node counts only until the end of the body), so event streams and held token requests stay as long as they like.
 */
export function createListener({ name, host, port, handler, limits, tls }: ListenerOptions): Listener {
  const options = {
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.requestTimeout,
    connectionsCheckingInterval: limits.connectionsCheckingInterval,
    keepAliveTimeout: limits.keepAliveTimeout ?? KEEP_ALIVE_MS,
    // Never lenient, whatever a command-line flag says (TH-33).
    insecureHTTPParser: false,
  };
  const server = tls ? secureServer(tls, { ...options, handler }) : createServer(options, handler);
  server.maxConnections = limits.maxConnections;
  // Node drops headers above this silently; one more lets edge/framing.ts see that there were too many and refuse.
  server.maxHeadersCount = limits.maxHeadersCount + 1;
  server.maxRequestsPerSocket = limits.maxRequestsPerSocket;
  const requests = trackRequests(server);
  const silent = trackSilent(server);
  const handshakes = tls && trackHandshakes(server);

  return {
    name,
    listen: () => listen(server, host, port),
    async stopAccepting() {
      requests.close();
      await acceptWaiting(server);
      await stopAccepting(server);
    },
    closeIdle() {
      requests.closeIdleFromNowOn();
      server.close();
      silent.end();
      handshakes?.end();
    },
    cut() {
      const count = requests.open.size;
      server.closeAllConnections();
      handshakes?.end();
      return count;
    },
  };
}

type SecureOptions = Parameters<typeof createSecureServer>[0] & { headersTimeout: number; handler: RequestListener };

function secureServer(
  { tls, kind }: { tls: Tls; kind: TlsKind },
  { handler, ...options }: SecureOptions,
): SecureServer {
  const server = createSecureServer(
    {
      ...options,
      ...tls.contextOf(kind),
      // Nobody is turned away in the handshake: which client needs which certificate is known later (RFC 8705).
      requestCert: kind === 'client-certificates',
      rejectUnauthorized: false,
      // node's two minutes are for a slower world (TH-20)
      handshakeTimeout: options.headersTimeout,
    },
    handler,
  );
  tls.onChange(() => server.setSecureContext(tls.contextOf(kind)));
  // TLS 1.2 lets a client ask for new keys again and again, and change its certificate on the way.
  server.on('secureConnection', (socket: TLSSocket) => socket.disableRenegotiation());
  return server;
}

/** Connections that have not said hello to the end: HTTP does not know them yet, and would wait for them at the end. */
function trackHandshakes(server: Server | SecureServer): { end(): void } {
  const open = new Map<string, Socket>();
  const nameOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`;
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    open.set(name, socket);
    socket.once('close', () => open.get(name) === socket && open.delete(name));
  });
  server.on('secureConnection', (socket: TLSSocket) => void open.delete(nameOf(socket)));
  return {
    end() {
      for (const socket of open.values()) socket.destroy();
    },
  };
}

function listen(server: Server | SecureServer, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.removeListener('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** As many connections wait for `accept` at most (the default of `listen`). */
const BACKLOG = 511;

/**
 * The kernel completes connections before anybody accepts them, and resets those, with the requests that they brought,
 * when the listener closes. Node accepts one in each turn of its event loop: go on until two turns bring none.
 */
async function acceptWaiting(server: Server | SecureServer): Promise<void> {
  let accepted = 0;
  const count = () => {
    accepted += 1;
  };
  server.on('connection', count);
  for (let quiet = 0, turns = 0; quiet < 2 && turns < BACKLOG; turns++) {
    const before = accepted;
    await new Promise((resolve) => setImmediate(resolve));
    quiet = accepted === before ? quiet + 1 : 0;
  }
  server.off('connection', count);
}

/**
 * Resolves when the last connection has ended. `http.Server.close` would cut idle connections at once, and with them the
 * request that a busy client is just sending; this is the plain half of it.
 */
function stopAccepting(server: Server | SecureServer): Promise<void> {
  return new Promise((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  });
}

/**
 * Connections that have not brought a byte: to node they are as good as busy until `headersTimeout`, so a client that
 * connects ahead of its requests would keep a shutdown waiting.
 */
function trackSilent(server: Server | SecureServer) {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return {
    end() {
      for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
    },
  };
}

/** Requests without a complete answer. After `close` each answer is the last one on its connection. */
function trackRequests(server: Server | SecureServer) {
  const open = new Set<ServerResponse>();
  // Their headers had promised to keep the connection before the shutdown began.
  const promised = new Set<ServerResponse>();
  let closing = false;
  let closesIdle = false;
  let isPlanned = false;
  // Node looks at every connection for it: once for many answers.
  const closeIdleSoon = () => {
    if (isPlanned) return;
    isPlanned = true;
    setTimeout(() => {
      isPlanned = false;
      server.closeIdleConnections();
    }, 10);
  };
  const sayLast = (res: ServerResponse) => {
    if (res.headersSent) promised.add(res);
    else res.setHeader('connection', 'close');
  };
  server.prependListener('request', (_req, res) => {
    open.add(res);
    if (closing) sayLast(res);
    res.once('close', () => {
      open.delete(res);
      if (promised.delete(res) && closesIdle) closeIdleSoon();
    });
  });
  return {
    open: open as ReadonlySet<ServerResponse>,
    close() {
      closing = true;
      for (const res of open) sayLast(res);
    },
    closeIdleFromNowOn() {
      closesIdle = true;
    },
  };
}

export interface Drain {
  listeners: readonly Listener[];
  health: Health;
  /** Aborted at the beginning: event streams and held token requests listen to it and end themselves. */
  stopping: AbortController;
  deadlineMs: number;
  /** How long an idle connection may still bring a request, which is then answered with `Connection: close`. */
  idleGraceMs?: number;
  log: Log;
}

/**
 * RL-19: not ready -> streams told to end -> nobody new -> every answer says `Connection: close` -> idle connections
 * closed -> requests in flight finish -> done; at the deadline what is left is cut. Resolves with how many that hit.
 */
export async function drain({
  listeners,
  health,
  stopping,
  deadlineMs,
  idleGraceMs = 500,
  log,
}: Drain): Promise<number> {
  health.drain();
  stopping.abort();
  const ended = Promise.all(listeners.map((listener) => listener.stopAccepting())).then(() => 'ended' as const);
  const idle = wait(Math.min(idleGraceMs, deadlineMs));
  const late = wait(deadlineMs);
  try {
    if ((await Promise.race([ended, idle.over])) === 'ended') return 0;
    for (const listener of listeners) listener.closeIdle();
    if ((await Promise.race([ended, late.over])) === 'ended') return 0;
  } finally {
    idle.cancel();
    late.cancel();
  }
  const cut = listeners.reduce((sum, listener) => sum + listener.cut(), 0);
  if (cut > 0) log.warn('http.drain.cut', { requests: cut, deadlineMs });
  await ended;
  return cut;
}

function wait(ms: number): { over: Promise<void>; cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  return { over: promise, cancel: () => clearTimeout(timer) };
}
