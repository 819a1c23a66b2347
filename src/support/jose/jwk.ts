/** P-256 keys as JWK: exact members, a real point, and the RFC 7638 thumbprint. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { fromBase64url, sha256Base64url } from '../bytes.ts';
import { isJsonObject } from '../strict-json.ts';
import { JoseError } from './errors.ts';

export interface EcPublicJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
}

export interface EcPrivateJwk extends EcPublicJwk {
  readonly d: string;
}

const members = 'crv,kty,x,y';

/**
 * Read a public key that somebody else sent.
 *
 * Exactly the four members: a `d`, an `alg` or a `jku` in a key from outside is a mistake or an attack, and dropping it
 * silently would hide which.
 *
 * @throws JoseError key
 */
export function parsePublicJwk(value: unknown): EcPublicJwk {
  return parsePublicKey(value).jwk;
}

/** The same, with the key that the check has imported anyway: importing costs as much as an agreement. */
export function parsePublicKey(value: unknown): { jwk: EcPublicJwk; key: KeyObject } {
  if (!isJsonObject(value) || Object.keys(value).sort().join() !== members) {
    throw new JoseError('key', 'not exactly kty, crv, x, y');
  }
  const { kty, crv, x, y } = value;
  if (kty !== 'EC' || crv !== 'P-256') throw new JoseError('key', 'not a P-256 key');
  const jwk: EcPublicJwk = { kty, crv, x: coordinate(x), y: coordinate(y) };
  return { jwk, key: publicKeyOf(jwk) };
}

function coordinate(value: unknown): string {
  try {
    if (typeof value === 'string' && fromBase64url(value).length === 32) return value;
  } catch {
    // falls through to the one refusal below
  }
  throw new JoseError('key', 'a coordinate is not 32 bytes of base64url');
}

/**
 * By way of PEM: node:crypto takes a text as it is, but looks into any object for a key of its own first, by two exceptions that
 * cost more than the import.
 *
 * @throws JoseError key, if the point is not on the curve (OpenSSL checks at import; P-256 has cofactor 1)
 */
export function publicKeyOf({ x, y }: EcPublicJwk): KeyObject {
  const point = Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  try {
    return createPublicKey(`${pemHead}${point.toString('base64')}${pemEnd}`);
  } catch (cause) {
    throw new JoseError('key', 'not a point of P-256', { cause });
  }
}

/** SubjectPublicKeyInfo of P-256 up to `x ‖ y` of an uncompressed point (RFC 5480 §2): 27 bytes, so that base64 goes on behind it. */
const pemHead = '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE';
const pemEnd = '\n-----END PUBLIC KEY-----';

/** @throws JoseError key */
export function privateKeyOf(jwk: EcPrivateJwk): KeyObject {
  try {
    return createPrivateKey({ key: { ...jwk }, format: 'jwk' });
  } catch (cause) {
    throw new JoseError('key', 'not a private key of P-256', { cause });
  }
}

/** The public half of a key of ours, as the four members that travel. */
export function publicJwkOf(key: KeyObject): EcPublicJwk {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const { x, y } = publicKey.export({ format: 'jwk' }) as { x: string; y: string };
  return { kty: 'EC', crv: 'P-256', x, y };
}

export function privateJwkOf(key: KeyObject): EcPrivateJwk {
  const { x, y, d } = key.export({ format: 'jwk' }) as { x: string; y: string; d: string };
  return { kty: 'EC', crv: 'P-256', x, y, d };
}

/** A fresh P-256 private key. */
export function newEcKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** RFC 7638: the required members in lexical order, no blanks. */
export function jwkThumbprint({ crv, kty, x, y }: EcPublicJwk): string {
  return sha256Base64url(JSON.stringify({ crv, kty, x, y }));
}
