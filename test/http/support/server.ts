import { EventEmitter, once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import {
  type AuthenticatorParts,
  createAuthenticatorApp,
  createManagementApp,
  createPublicApp,
  type ManagementParts,
  type PublicParts,
} from '../../../src/http/app.ts';
import { createListener, type Listener, type ListenerLimits } from '../../../src/http/listeners.ts';
import type { Mounted } from '../../../src/http/mount.ts';
import { createHealth, type Health } from '../../../src/observability/health.ts';
import { watchedLog } from '../../support/log.ts';

/** As TH-20 names them, and as the configuration defaults to. */
export const limits = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  maxConnections: 25_000,
  maxHeadersCount: 64,
  maxRequestsPerSocket: 1_000,
  bodyLimitBytes: 56 * 1024,
};

export interface Started extends AsyncDisposable {
  listener: Listener;
  port: number;
  url: string;
}

/** One listener on a port of its own, gone after the test. */
export async function startListener(handler: RequestListener, changed: Partial<ListenerLimits> = {}): Promise<Started> {
  const listener = createListener({
    name: 'test',
    host: '127.0.0.1',
    port: 0,
    handler,
    limits: { ...limits, ...changed },
  });
  const port = await listener.listen();
  return {
    listener,
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const ended = listener.stopAccepting();
      listener.closeIdle();
      listener.cut();
      await ended;
    },
  };
}

/** Sends bytes as they are; resolves with all that came back when the other side has closed. */
export function exchangeRaw(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => {}); // a reset after the answer is a way of closing
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

/** An engine that reads each request and then waits for the test. */
export function holdingEngine(): { engine: Mounted; reached(count: number): Promise<void>; release(): void } {
  const released = Promise.withResolvers<void>();
  const arrivals = new EventEmitter();
  let arrived = 0;
  return {
    engine: {
      paths: ['/oauth/token'],
      async handle(req, res) {
        for await (const _chunk of req);
        arrived += 1;
        arrivals.emit('arrival');
        await released.promise;
        res.end('held');
      },
    },
    async reached(count) {
      while (arrived < count) await once(arrivals, 'arrival');
    },
    release: () => released.resolve(),
  };
}

export function healthy(): Health {
  return createHealth({ checkStore: async () => {} });
}

const common = () => ({ log: watchedLog().log, limits, proxyHops: 0 });
const nothing = async () => {};
const nowhereAtAll = { paths: [], handle() {} };

/** A public app with pieces that answer in one line; a test replaces what it is about. */
export function publicApp(parts: Partial<PublicParts> = {}): RequestListener {
  return createPublicApp({
    ...common(),
    issuer: 'http://localhost:3000',
    authenticatorOrigin: 'http://localhost:3002',
    health: healthy(),
    deviceCalls: nowhereAtAll,
    deviceApi: nothing,
    engine: {
      paths: ['/oauth/token', '/.well-known/openid-configuration'],
      handle: (_req, res) => void res.end('engine'),
    },
    ...parts,
  });
}

export function managementApp(parts: Partial<ManagementParts> = {}): RequestListener {
  return createManagementApp({ ...common(), health: healthy(), managementApi: nothing, ...parts });
}

export function authenticatorApp(parts: Partial<AuthenticatorParts> = {}): RequestListener {
  return createAuthenticatorApp({
    ...common(),
    origin: 'http://localhost:3002',
    assets: new Map([
      ['index.html', { type: 'text/html; charset=utf-8', body: Buffer.from('<!doctype html>'), etag: '"1"' }],
    ]),
    deviceCalls: nowhereAtAll,
    deviceApi: nothing,
    ...parts,
  });
}
