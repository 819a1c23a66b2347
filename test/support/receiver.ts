import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { canaries } from './canaries/index.ts';
import { type Authority, createAuthority } from './certificates.ts';

export interface Received {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  /** The common name of the certificate that the caller showed, where callers are asked for one. */
  shown?: string;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of any shape
  body: any;
}

type Answer = number | ((received: Received, res: ServerResponse) => unknown);

/** A client's notification endpoint, as it stands in the world: HTTPS, with a certificate of an authority. */
export interface Receiver extends AsyncDisposable {
  /** PEM; whoever trusts it, trusts the receiver. */
  ca: string;
  port: number;
  url: string;
  received: Received[];
  /** What comes next is answered with these in turn, the last one from then on. */
  answers(...answers: Answer[]): void;
  /** Resolves when so many have come, from the first one on. */
  until(count: number): Promise<Received[]>;
  /** Begin again with an empty list. */
  forget(): void;
  close(): Promise<void>;
}

export interface ReceiverOptions {
  port?: number;
  authority?: Authority;
  answer?: Answer;
  /** Nobody is heard who shows no certificate of its authority. */
  asks?: boolean;
}

/** @param options.authority so that several receivers are trusted by one anchor */
export async function startReceiver({
  port = 0,
  authority,
  answer = 204,
  asks,
}: ReceiverOptions = {}): Promise<Receiver> {
  const issuer = authority ?? createAuthority();
  const { cert, key } = issuer.issue({ name: 'localhost', names: ['localhost', '127.0.0.1'] });
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  let answers: Answer[] = [answer];

  const asking = asks && { ca: issuer.cert, requestCert: true, rejectUnauthorized: true };
  const server = createHttpsServer({ cert, key, ...asking }, async (req, res) => {
    const text = await textOf(req).catch(() => undefined);
    // it was cut off, by us where we close
    if (text === undefined) return;
    const one: Received = { method: req.method!, path: req.url!, headers: req.headers, text, body: parsed(text) };
    if (asks) one.shown = String((req.socket as TLSSocket).getPeerCertificate().subject.CN);
    received.push(one);
    canaries.learn(text);
    canaries.header('authorization', req.headers.authorization ?? '');
    const next = answers.length > 1 ? answers.shift()! : answers[0]!;
    for (const look of [...waiting]) look();
    if (typeof next === 'number') res.writeHead(next).end();
    else await next(one, res);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  const at = (server.address() as AddressInfo).port;
  const close = async () => {
    await new Promise<void>((closed) => {
      server.close(() => closed());
      server.closeAllConnections();
    });
  };
  return {
    ca: issuer.cert,
    port: at,
    url: `https://localhost:${at}/cb`,
    received,
    answers: (...next) => {
      answers = next;
    },
    until: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (received.length < count) return;
          waiting.delete(look);
          resolve(received);
        };
        waiting.add(look);
        look();
      }),
    forget() {
      received.length = 0;
      answers = [204];
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function textOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
