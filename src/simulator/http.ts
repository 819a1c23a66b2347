/** The little HTTP that the simulator needs: JSON in, JSON or a problem document (RFC 9457) out. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type JsonObject, parseJsonObject } from '../support/strict-json.ts';

export interface Answer {
  status: number;
  body?: object;
}

export interface InvalidParam {
  name: string;
  reason: string;
}

/** A refusal as the caller sees it. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly members: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    code: string,
    text: string,
    { headers = {}, ...members }: Record<string, unknown> & { headers?: Record<string, string> } = {},
  ) {
    super(text);
    this.status = status;
    this.code = code;
    this.members = members;
    this.headers = headers;
  }
}

export function invalid(...params: InvalidParam[]): Refusal {
  const text = params.map(({ name, reason }) => (name ? `${name}: ${reason}` : reason)).join('; ');
  return new Refusal(400, 'invalid_request', text, { invalid_params: params });
}

// A device and its behaviour are a few hundred bytes.
const maxBodyBytes = 16 * 1024;

/** @throws Refusal payload_too_large | invalid_request */
export async function readJson(req: IncomingMessage): Promise<JsonObject> {
  const chunks: Buffer[] = [];
  let length = 0;
  // an iterator that is left early would take the connection with it, and the answer
  for await (const chunk of req.iterator({ destroyOnReturn: false })) {
    length += (chunk as Buffer).length;
    if (length > maxBodyBytes) throw new Refusal(413, 'payload_too_large', 'The request body is too large.');
    chunks.push(chunk as Buffer);
  }
  try {
    return parseJsonObject(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    throw invalid({ name: '', reason: 'the body must be a JSON object' });
  }
}

export function send(res: ServerResponse, { status, body }: Answer): void {
  res.statusCode = status;
  res.setHeader('cache-control', 'no-store');
  if (body === undefined) return void res.end();
  res.setHeader('content-type', 'application/json');
  res.end(JSON.stringify(body));
}

export function sendRefusal(res: ServerResponse, { status, code, message, members, headers }: Refusal): void {
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.statusCode = status;
  res.setHeader('cache-control', 'no-store');
  res.setHeader('content-type', 'application/problem+json');
  const problem = { type: `urn:assent:problem:${code}`, title: message, status, detail: message, code };
  res.end(JSON.stringify({ ...members, ...problem, trace_id: res.getHeader('x-trace-id') }));
}
