import type { ServerResponse } from 'node:http';
import { errorBody, type OAuthError } from './errors.ts';

export type Headers = Record<string, string>;

/** Made once, written often. */
export interface Answer {
  status: number;
  headers: Headers;
  /** Text, not bytes: node puts text and headers into one write. */
  body: string;
}

/** RFC 6749 5.1: nothing of these endpoints may be kept by a cache. */
const noStore: Headers = { 'cache-control': 'no-store', pragma: 'no-cache' };

export function jsonAnswer(status: number, body: unknown, headers: Headers = {}): Answer {
  const text = JSON.stringify(body);
  return {
    status,
    body: text,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(text)),
      ...noStore,
      ...headers,
    },
  };
}

export function errorAnswer(error: OAuthError, headers: Headers = {}): Answer {
  const { status, retryAfterSeconds } = error;
  return jsonAnswer(status, errorBody(error), {
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
    // the rest of what is being sent was not read, so the connection cannot be used again
    ...(status === 413 && { connection: 'close' }),
    ...headers,
  });
}

/** Headers set before stay, `WWW-Authenticate` for instance. A caller who is gone gets nothing. */
export function send(res: ServerResponse, { status, headers, body }: Answer): void {
  if (res.headersSent || res.destroyed) return;
  res.writeHead(status, headers);
  res.end(body);
}
