import type { IncomingMessage } from 'node:http';
import { parse } from 'node:querystring';
import { ProtocolError } from './errors.ts';

export type Form = Record<string, string | string[] | undefined>;

/** As the engine does for its endpoints (56 KiB). */
const maxBytes = 56 * 1024;
const formType = /^application\/x-www-form-urlencoded\s*(;|$)/i;

/**
 * The body of a call that is only defined as a form (CIBA Core 7.1, RFC 6749 3.2). None at all is an empty form.
 *
 * @throws ProtocolError invalid_request; 413 where it is too large
 */
export async function readForm(req: IncomingMessage): Promise<Form> {
  const type = req.headers['content-type'];
  if (type !== undefined && !formType.test(type)) {
    throw new ProtocolError('invalid_request', 'only application/x-www-form-urlencoded bodies are supported');
  }
  const text = await readText(req);
  return text === '' || type === undefined ? {} : parse(text);
}

/** Events, not an async iterator: this is the way of every poll, and an iterator costs a tenth of it. */
function readText(req: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    req.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received <= maxBytes) chunks.push(chunk);
    });
    req.once('end', () => {
      if (received > maxBytes) reject(new ProtocolError('invalid_request', 'the body is too large', { status: 413 }));
      else resolve(chunks.length === 1 ? chunks[0]!.toString() : Buffer.concat(chunks).toString());
    });
    const broken = () => reject(new ProtocolError('invalid_request', 'the body is incomplete'));
    req.once('error', broken);
    // a request that was read whole closes as well, after its answer
    req.once('close', () => req.readableEnded || broken());
  });
}

/**
 * The parameters that a call knows. Others are ignored (RFC 6749 3.1); an empty one counts as left out; one that
 * comes twice is refused.
 */
export function pick<Name extends string>(form: Form, names: readonly Name[]): Partial<Record<Name, string>> {
  const picked: Partial<Record<Name, string>> = {};
  for (const name of names) {
    const value = form[name];
    if (Array.isArray(value)) throw new ProtocolError('invalid_request', `${name} must not be provided twice`);
    if (value) picked[name] = value;
  }
  return picked;
}
