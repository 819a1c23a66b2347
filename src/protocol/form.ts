import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { parse } from 'node:querystring';
import { ProtocolError } from './errors.ts';

export type Form = Record<string, string | string[] | undefined>;

/** As the engine does for its endpoints (56 KiB). */
const maxBytes = 56 * 1024;
/** TH-20; as many as the edge lets stand in a query. */
const maxParameters = 100;
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
  return text === '' || type === undefined ? {} : parsed(text);
}

/** All of it: a parameter that comes twice is refused, wherever the second stands. What is no UTF-8 is not made readable. */
function parsed(text: string): Form {
  if (text.split('&', maxParameters + 1).length > maxParameters) throw tooMany();
  let isReadable = true;
  const form = parse(text, '&', '=', {
    maxKeys: 0,
    decodeURIComponent(encoded) {
      try {
        return decodeURIComponent(encoded);
      } catch {
        isReadable = false;
        return '';
      }
    },
  });
  if (!isReadable) throw new ProtocolError('invalid_request', 'the body is not UTF-8');
  return form;
}

/** Of a form that the engine has read by itself. @throws ProtocolError invalid_request */
export function checkForm(form: Form): void {
  if (Object.values(form).flat().length > maxParameters) throw tooMany();
}

const tooMany = () => new ProtocolError('invalid_request', `more than ${maxParameters} parameters`);

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
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      if (received > maxBytes) reject(new ProtocolError('invalid_request', 'the body is too large', { status: 413 }));
      else if (isUtf8(bytes)) resolve(bytes.toString());
      else reject(new ProtocolError('invalid_request', 'the body is not UTF-8'));
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
    if (Array.isArray(value)) throw new ProtocolError(twice(name), `${name} must not be provided twice`);
    if (value) picked[name] = value;
  }
  return picked;
}

/** RFC 8707 2: `resource` may come twice; tokens of ours are for one. */
const twice = (name: string) => (name === 'resource' ? 'invalid_target' : 'invalid_request');
