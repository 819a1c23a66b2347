/** JWS in the one form that we use: compact, ES256, `typ` compared exactly (RFC 7515, RFC 8725). */
import { type KeyObject, sign, verify } from 'node:crypto';
import { toBase64url } from '../bytes.ts';
import type { JsonObject } from '../strict-json.ts';
import { decodePart, maxMessageBytes, readHeader, splitCompact } from './compact.ts';
import { derOf, rawOf } from './ecdsa.ts';
import { JoseError } from './errors.ts';
import { type EcPublicJwk, publicKeyOf } from './jwk.ts';

export interface JwsHeader extends JsonObject {
  typ: string;
  kid?: string;
}

export interface ParsedJws {
  readonly header: JwsHeader & { alg: 'ES256' };
  /** the bytes that were signed, before any parsing */
  readonly payload: Buffer;
  readonly signingInput: string;
  readonly signature: Buffer;
}

export interface ParseJwsOptions {
  /** header parameters allowed besides alg, typ, kid and cty; `jwk` only where the caller names it */
  allow?: readonly string[];
  maxBytes?: number;
}

/**
 * @param payload bytes, or a text that is signed as UTF-8
 * @param key     P-256 private key
 */
export function signJws(key: KeyObject, header: JwsHeader, payload: Uint8Array | string): string {
  const head = toBase64url(Buffer.from(JSON.stringify({ alg: 'ES256', ...header })));
  const input = `${head}.${toBase64url(Buffer.from(payload as Uint8Array))}`;
  const signature = rawOf(sign('sha256', Buffer.from(input), key));
  return `${input}.${toBase64url(signature)}`;
}

/**
 * Read without verifying, for callers that must look up the key by `kid` first. Nothing of it may be believed yet.
 *
 * @throws JoseError malformed | header
 */
export function parseJws(token: string, { allow = [], maxBytes = maxMessageBytes }: ParseJwsOptions = {}): ParsedJws {
  const [head, body, tail] = splitCompact(token, 3, maxBytes) as [string, string, string];
  const header = readHeader(head, ['alg', 'typ', 'kid', 'cty', ...allow]);
  if (header.alg !== 'ES256') throw new JoseError('header', 'alg is not ES256');
  if (typeof header.typ !== 'string') throw new JoseError('header', 'no typ');
  // exactly r ‖ s: a DER signature or a shortened one never reaches the verifier
  const signature = decodePart(tail, 64);
  return {
    header: header as ParsedJws['header'],
    payload: decodePart(body),
    signingInput: `${head}.${body}`,
    signature,
  };
}

/** By the key that the signer is known by. @throws JoseError key, where that is no point of P-256 */
export function isSignedBy(jws: ParsedJws, jwk: EcPublicJwk): boolean {
  return verifies(jws, publicKeyOf(jwk));
}

function verifies(jws: ParsedJws, key: KeyObject): boolean {
  return verify('sha256', Buffer.from(jws.signingInput), key, derOf(jws.signature));
}

/** To ask a key that was just imported costs half as much as the import: those of {@link publicKeyOf} are not asked. */
const isP256 = (key: KeyObject) =>
  key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';

/**
 * Verify with one key or with the key that `kid` names.
 *
 * @param key any other than a P-256 public key verifies nothing
 * @param typ compared exactly, no `application/` prefix, no case folding
 * @throws JoseError malformed | header | signature (an unknown `kid` included)
 */
export function verifyJws(
  token: string,
  {
    typ,
    key,
    ...options
  }: ParseJwsOptions & { typ: string; key: KeyObject | ((kid: string) => KeyObject | undefined) },
): ParsedJws {
  const jws = parseJws(token, options);
  const publicKey = typeof key === 'function' ? key(jws.header.kid ?? '') : key;
  if (!publicKey || !isP256(publicKey) || !verifies(jws, publicKey))
    throw new JoseError('signature', 'does not verify');
  if (jws.header.typ !== typ) throw new JoseError('header', 'another typ');
  return jws;
}
