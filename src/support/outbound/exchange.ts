import type { ClientRequest, IncomingMessage } from 'node:http';
import type { OutboundAnswer } from '../outbound.ts';
import type { Timers } from '../timers.ts';
import { OutboundError, type OutboundReason } from './errors.ts';

export interface ExchangeOptions {
  body?: string | Uint8Array;
  connectMs: number;
  totalMs: number;
  maxBytes: number;
  ignoreBody?: boolean;
  signal?: AbortSignal;
  timers: Timers;
}

/**
 * Sends the request and reads the answer, both bounded. Whatever ends it early also destroys the connection, so that
 * nothing goes on arriving.
 *
 * @throws OutboundError
 */
export function exchange(req: ClientRequest, options: ExchangeOptions): Promise<OutboundAnswer> {
  const { body, connectMs, totalMs, maxBytes, ignoreBody = false, signal, timers } = options;
  const { promise, resolve, reject } = Promise.withResolvers<OutboundAnswer>();
  let answering = false;
  const fail = (reason: OutboundReason, cause?: unknown) => {
    reject(cause instanceof OutboundError ? cause : new OutboundError(reason, { cause }));
    req.destroy();
  };
  const stage = stageOf(req);
  const cancelConnect = timers.after(connectMs, () => stage() !== 'answer' && fail('timeout'));
  const cancelTotal = timers.after(totalMs, () => fail('timeout'));
  const abort = () => fail('aborted', signal?.reason);
  signal?.addEventListener('abort', abort);

  req.on('error', (error) => fail(stage(), error));
  // also after an end that came without an error, such as a switch of protocols that nobody asked for
  req.on('close', () => answering || fail(stage()));
  req.on('response', (res) => {
    answering = true;
    res.on('error', (error) => fail('answer', error));
    if (ignoreBody) return void resolve(withoutBody(req, res));
    read(res, maxBytes).then(resolve, (error) => fail('answer', error));
  });
  // the look-up has begun with `req`, and may have been the reason to give up
  if (signal?.aborted) abort();
  else req.end(body);

  return promise.finally(() => {
    cancelConnect();
    cancelTotal();
    signal?.removeEventListener('abort', abort);
  });
}

/** How far it has got, as the reason that an error there has. */
function stageOf(req: ClientRequest): () => 'connect' | 'tls' | 'answer' {
  let stage: 'connect' | 'tls' | 'answer' = 'connect';
  req.once('socket', (socket) => {
    const secure = 'encrypted' in socket;
    socket.once('connect', () => {
      stage = secure ? 'tls' : 'answer';
    });
    socket.once('secureConnect', () => {
      stage = 'answer';
    });
  });
  return () => stage;
}

function withoutBody(req: ClientRequest, res: IncomingMessage): OutboundAnswer {
  req.destroy();
  return { status: res.statusCode!, headers: headersOf(res), body: Buffer.alloc(0) };
}

async function read(res: IncomingMessage, maxBytes: number): Promise<OutboundAnswer> {
  if (Number(res.headers['content-length'] ?? 0) > maxBytes) throw new OutboundError('too_large');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of res) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new OutboundError('too_large');
    chunks.push(chunk);
  }
  return { status: res.statusCode!, headers: headersOf(res), body: Buffer.concat(chunks) };
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const { 'set-cookie': _cookies, ...others } = headers;
  const texts = Object.entries(others).map(([name, value]) => [name, String(value)]);
  return Object.fromEntries(texts);
}
