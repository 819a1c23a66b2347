import type { IncomingMessage } from 'node:http';
import { utf8Text } from '../../support/bytes.ts';
import { type JsonObject, parseJsonObject } from '../../support/strict-json.ts';
import { HttpProblem } from '../problem.ts';
import type { AppContext } from './context.ts';

/** TH-20: large enough for everything that is legitimate, small enough to hold any number of them. */
export const BODY_LIMIT_BYTES = 56 * 1024;
const JSON_DEPTH = 32;

export interface BodyOptions {
  /** Media types that are understood, without parameters. */
  types: readonly string[];
  /** Absent: as configured. */
  limitBytes?: number;
}

/**
 * The whole body, byte for byte. Events, not an async iterator, which costs more than all else that is done with the body.
 *
 * @throws HttpProblem payload_too_large | bad_request (cut off)
 */
export function readBytes(req: IncomingMessage, limitBytes = BODY_LIMIT_BYTES): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    req.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limitBytes) chunks.push(chunk);
      else reject(new HttpProblem('payload_too_large', { headers: { connection: 'close' } }));
    });
    req.once('end', () => resolve(Buffer.concat(chunks)));
    const broken = (cause?: Error) =>
      reject(new HttpProblem('bad_request', { detail: 'The body is not complete.', cause }));
    req.once('error', broken);
    // a request that was read whole closes as well, after its answer
    req.once('close', () => req.readableEnded || broken());
  });
}

/** The body as text. @throws HttpProblem unsupported_media_type | payload_too_large | bad_request */
export async function readTextOf(req: IncomingMessage, { types, limitBytes }: BodyOptions): Promise<string> {
  refuseOtherTypes(req, types);
  const bytes = await readBytes(req, limitBytes);
  try {
    return utf8Text(bytes);
  } catch (cause) {
    throw new HttpProblem('bad_request', { detail: 'The body is not UTF-8.', cause });
  }
}

/** The same behind Koa, where the limit is at hand. */
export function readText(ctx: AppContext, { types, limitBytes }: BodyOptions): Promise<string> {
  return readTextOf(ctx.req, { types, limitBytes: limitBytes ?? ctx.state.bodyLimitBytes });
}

/**
 * A JSON object, not deeper than 32, no member twice, none called `__proto__`; `{}` where there is no body at all.
 *
 * @throws HttpProblem unsupported_media_type | payload_too_large | bad_request
 */
export async function readJson(
  ctx: AppContext,
  { types = ['application/json'], limitBytes }: Partial<BodyOptions> = {},
): Promise<JsonObject> {
  if (hasNoBody(ctx.req)) return {};
  const text = await readText(ctx, { types, limitBytes });
  try {
    return parseJsonObject(text, JSON_DEPTH);
  } catch (cause) {
    const detail = 'The body must be one JSON object, at most 32 levels deep, with no member named twice.';
    throw new HttpProblem('bad_request', { detail, cause });
  }
}

function hasNoBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

function refuseOtherTypes({ headers }: IncomingMessage, types: readonly string[]): void {
  const [type = '', ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  if (types.includes(type.trim()) && isUtf8) return;
  const detail = `Send ${types.join(' or ')} in UTF-8.`;
  throw new HttpProblem('unsupported_media_type', { detail, headers: { accept: types.join(', ') } });
}
