import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { createListener, type ListenerLimits } from '../../../src/http/listeners.ts';
import { createTls, type TlsKind, type TlsSettings } from '../../../src/http/tls.ts';
import { createAuthority } from '../../support/certificates.ts';
import { createClock } from '../../support/clock.ts';
import { watchedLog } from '../../support/log.ts';
import { createTimers } from '../../support/timers.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { limits } from './server.ts';

/** As the configuration defaults to. */
export const defaults = {
  reloadSeconds: 60,
  minVersion: 'TLSv1.2' as const,
  ciphers: [
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
  ],
};

/** Files with a certificate for `login.example`, as an operator would lay them out. */
export async function tlsFolder({ keys }: { keys?: 'ec' | 'rsa' } = {}) {
  const folder = await temporaryFolder('assent-tls');
  const authority = createAuthority();
  const path = (name: string) => join(folder.path, name);
  const write = (name: string, text: string) => writeFileSync(path(name), text);
  const renew = (notAfter?: Date) => {
    const { cert, key } = authority.issue({
      name: 'login.example',
      names: ['login.example', '127.0.0.1'],
      keys,
      notAfter,
    });
    write('cert.pem', cert);
    write('key.pem', key);
  };
  renew();
  const settings: TlsSettings = { ...defaults, certificate: path('cert.pem'), key: path('key.pem') };
  return { authority, path, write, renew, settings, [Symbol.asyncDispose]: folder.remove };
}

export type TlsFolder = Awaited<ReturnType<typeof tlsFolder>>;

interface StartOptions {
  folder: TlsFolder;
  handler?: RequestListener;
  kind?: TlsKind;
  settings?: Partial<TlsSettings>;
  limits?: Partial<ListenerLimits>;
}

/** A TLS listener on a port of its own, gone after the test. */
export async function startTls({ folder, handler, kind = 'server', settings, limits: changed }: StartOptions) {
  const clock = createClock();
  const timers = createTimers(clock);
  const { log, lines, check } = watchedLog();
  const tls = createTls({ settings: { ...folder.settings, ...settings }, clock: clock.now, timers, log });
  tls.start();
  const listener = createListener({
    name: 'tls',
    host: '127.0.0.1',
    port: 0,
    handler: handler ?? ((_req, res) => void res.end('ok')),
    limits: { ...limits, ...changed },
    tls: { tls, kind },
  });
  const port = await listener.listen();
  const trusted = { host: '127.0.0.1', port, servername: 'login.example', ca: folder.authority.cert };
  return {
    tls,
    listener,
    port,
    timers,
    events: () => lines().map(({ event }) => event),
    /** One handshake; the connection, or the code of the alert or error that came in its place. */
    handshake: (options: ConnectionOptions = {}) => handshake({ ...trusted, ...options }),
    ask: (options: RequestOptions = {}) => ask({ ...trusted, agent: false, ...options }),
    async [Symbol.asyncDispose]() {
      tls.stop();
      const ended = listener.stopAccepting();
      listener.closeIdle();
      listener.cut();
      await ended;
      check();
    },
  };
}

interface Handshake {
  protocol?: string | null;
  cipher?: string;
  serial?: string;
  error?: string;
}

async function handshake(options: ConnectionOptions): Promise<Handshake> {
  let socket: TLSSocket | undefined;
  try {
    socket = connect(options);
    await once(socket, 'secureConnect');
    const { serialNumber: serial } = socket.getPeerX509Certificate()!;
    return { protocol: socket.getProtocol(), cipher: socket.getCipher().name, serial };
  } catch (error) {
    return { error: (error as NodeJS.ErrnoException).code };
  } finally {
    socket?.destroy();
  }
}

async function ask(options: RequestOptions): Promise<{ status?: number; body: string }> {
  const req = request(options).end();
  const [res] = await once(req, 'response');
  let body = '';
  for await (const chunk of res) body += chunk;
  return { status: res.statusCode, body };
}
