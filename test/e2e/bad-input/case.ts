import { createHmac, type KeyObject, randomBytes } from 'node:crypto';
import { b64, jweDir, jweTo, jws, padded, sha256 } from '../../vectors/forge.ts';
import type { Life } from './life.ts';

/**
 * One thing that a stranger sends. Plain JSON, so that one which failed can be kept as a file: `{{name}}` stands for what
 * differs from run to run (`Life.values`), `{{now+60}}` for an instant in epoch seconds, `{{jti}}` for a fresh id,
 * `{{jws}}` and `{{up}}` for the token that `jws` and `up` describe.
 */
export interface Case {
  family: string;
  name: string;
  listener: 'public' | 'management' | 'authenticator';
  /** A row of routes.ts: which answers are documented. */
  route: string;
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string;
  /** The body holds bytes, not UTF-8. */
  latin1?: true;
  /** Instead of method, path, headers and body: what goes over the wire, byte for byte (latin1). */
  wire?: string;
  /** Nothing is expected but that the server lives on: the connection ends before the request does. */
  abandoned?: true;
  jws?: Jws;
  /** Well made, `{{message}}` in the envelope; the token is a proof of it, of its `{{payload_sha256}}`. */
  message?: Jws;
  up?: Up;
  /** The only statuses that may come, where the documented ones are too many. */
  only?: number[];
  /** The error that would tell that it was believed. */
  never?: string;
  /** Where a browser would be sent if it was believed. */
  neverTo?: string;
}

export type Signer = 'client' | 'device' | 'pending' | 'stranger';

/** A JWS of which every part is free to be wrong. Templates of JSON text. */
export interface Jws {
  header: string;
  payload: string;
  sign: 'es256' | 'der' | 'none' | 'zeros' | 'hmac' | 'cut' | 'other';
  by: Signer;
}

/** A message of the device protocol, well made around whatever stands inside. */
export interface Up {
  /** Members over those of the protected header; null removes one. */
  header?: Record<string, unknown>;
  /** Members over `{rk, jws, proofs?}`; `{{jws}}` is the token. */
  envelope?: Record<string, unknown>;
  /** Instead of the envelope: the whole plaintext. */
  plaintext?: string;
  damage?: 'tag' | 'iv' | 'aad' | 'unpadded' | 'session';
}

/** A case with everything filled in. */
export interface Request extends Omit<Case, 'body' | 'wire'> {
  body: Buffer;
  wire: Buffer | undefined;
}

export function materialize(each: Case, world: Life): Request {
  const payload = each.message && filled(each.message.payload, world.values);
  const values = { ...world.values, ...(payload !== undefined && { payload_sha256: sha256(payload) }) };
  const token = each.jws && makeJws(each.jws, { ...world, values });
  const more: Record<string, string> = { ...(token !== undefined && { jws: token }) };
  if (each.message && payload !== undefined) {
    const header = filled(each.message.header, { ...values, proof_sha256: sha256(token ?? '') });
    more['message'] = jws(header, payload, world.keys[each.message.by]);
  }
  if (each.up) more['up'] = makeUp(each.up, { ...values, jws: '', ...more }, world);
  const fill = (text: string) => filled(text, { ...values, ...more });
  return {
    ...each,
    path: fill(each.path),
    headers: Object.fromEntries(Object.entries(each.headers ?? {}).map(([name, value]) => [name, fill(value)])),
    body: Buffer.from(fill(each.body ?? ''), each.latin1 ? 'latin1' : 'utf8'),
    wire: each.wire === undefined ? undefined : Buffer.from(fill(each.wire), 'latin1'),
  };
}

/** `"{{#now}}"` in JSON is a number. */
export function filled(text: string, values: Record<string, string>): string {
  return text
    .replaceAll(/"\{\{#now([+-]\d+)?\}\}"/g, (_, shift = '0') => String(nowSeconds() + Number(shift)))
    .replaceAll(/\{\{now([+-]\d+)?\}\}/g, (_, shift = '0') => String(nowSeconds() + Number(shift)))
    .replaceAll('{{jti}}', () => randomBytes(16).toString('base64url'))
    .replaceAll(/\{\{(\w+)\}\}/g, (whole, name: string) => values[name] ?? whole);
}

const nowSeconds = () => Math.floor(Date.now() / 1000);

function makeJws({ header, payload, sign, by }: Jws, { values, keys }: Pick<Life, 'values' | 'keys'>): string {
  const [head, body] = [filled(header, values), filled(payload, values)];
  const input = `${b64(head)}.${b64(body)}`;
  switch (sign) {
    case 'es256':
      return jws(head, body, keys[by]);
    case 'der':
      return jws(head, body, keys[by], 'der');
    case 'none':
      return `${input}.`;
    case 'zeros':
      return `${input}.${b64(Buffer.alloc(64))}`;
    case 'cut':
      return jws(head, body, keys[by]).slice(0, -3);
    case 'other':
      return jws(head, body, by === 'stranger' ? keys.client : keys.stranger);
    case 'hmac': // RFC 8725 §2.1: the public key as the secret of an HMAC
      return `${input}.${createHmac('sha256', publicPem(keys[by])).update(input).digest('base64url')}`;
  }
}

function publicPem(key: KeyObject): string {
  return JSON.stringify(key.export({ format: 'jwk' }), ['crv', 'kty', 'x', 'y']);
}

type Values = Life['values'];

function makeUp({ header = {}, envelope, plaintext, damage }: Up, values: Values, { box }: Life): string {
  const rk = randomBytes(32).toString('base64url');
  const head = withoutNulls({ typ: 'assent-up', cty: 'json', kid: box.kid, ...header });
  const whole = JSON.parse(filled(JSON.stringify({ rk, jws: '{{jws}}', ...envelope }), values));
  const inside = damage === 'unpadded' ? JSON.stringify(whole) : padded(whole);
  const text = plaintext === undefined ? inside : spaced(filled(plaintext, { ...values, rk }));
  const made =
    damage === 'session'
      ? jweDir({ alg: 'dir', enc: 'A256GCM', ...head }, text, randomBytes(32))
      : jweTo(head, text, box.key, box.agreement);
  return damaged(made, damage);
}

/** JSON may end with blanks: padding that changes nothing of what stands inside. */
function spaced(text: string): string {
  return text + ' '.repeat((512 - (Buffer.byteLength(text) % 512)) % 512);
}

function withoutNulls(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}

function damaged(token: string, damage: Up['damage']): string {
  const at = { aad: 0, iv: 2, tag: 4 }[damage as 'aad' | 'iv' | 'tag'];
  if (at === undefined) return token;
  const parts = token.split('.');
  parts[at] = flipped(parts[at]!);
  return parts.join('.');
}

/** One bit off. */
export function flipped(text: string, at = text.length >> 1): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const index = alphabet.indexOf(text[at]!);
  return text.slice(0, at) + alphabet[index ^ 1] + text.slice(at + 1);
}
