import { fromBase64url, utf8Text } from '../support/bytes.ts';
import { type JsonObject, parseJsonObject } from '../support/strict-json.ts';

export interface ReadJwt {
  header: JsonObject & { alg: string; kid?: string; typ?: string };
  payload: JsonObject;
}

/**
 * A JWS as text, read so that no other reader could see something else in it: canonical base64url, UTF-8, no member twice,
 * bounded depth, no critical extension. Nothing is verified yet, and keys that the header brings along are never used.
 *
 * @throws SyntaxError | TypeError
 * @see RFC 7515 §4.1.11, RFC 8725 §3.1
 */
export function readJwt(text: string): ReadJwt {
  const parts = text.split('.');
  if (parts.length !== 3) throw new SyntaxError('not a JWS in compact form');
  const [header, payload] = parts.slice(0, 2).map((part) => parseJsonObject(utf8Text(fromBase64url(part))));
  const { alg, kid, typ, crit } = header!;
  const isText = (value: unknown) => value === undefined || typeof value === 'string';
  if (typeof alg !== 'string' || !isText(kid) || !isText(typ)) throw new SyntaxError('not a JWS header');
  if (crit !== undefined) throw new SyntaxError('critical headers are not supported');
  return { header: header as ReadJwt['header'], payload: payload! };
}

/** RFC 7515 4.1.9: media types are compared without regard to case, and may leave out `application/`. */
export function isTyp(typ: string | undefined, ...allowed: string[]): boolean {
  if (typ === undefined) return true;
  return allowed.includes(typ.toLowerCase().replace(/^application\//, ''));
}

/** Seconds as JWTs have them. */
export function isInstant(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 && value < 2 ** 40;
}

/** `aud` as a list. undefined: it is neither a text nor a list of texts. */
export function audienceOf({ aud }: JsonObject): string[] | undefined {
  const list = Array.isArray(aud) ? aud : [aud];
  return list.every((each) => typeof each === 'string') ? list : undefined;
}

/** Asymmetric signatures; nothing else is ever accepted from outside. */
export const asymmetricAlgs = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
  'EdDSA',
  'Ed25519',
] as const;
