/** The device's own key pairs: made non-extractable, except where the storage can only hold text. */
import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose';
import type { EcPublicJwk } from './wire.ts';

/** As stored: a CryptoKey that never shows its private half, or a private JWK in storages of text. */
export type StoredKey = CryptoKey | StoredJwk;
type StoredJwk = JWK & { kty: string };

export interface StoredKeyPair {
  privateKey: StoredKey;
  publicJwk: EcPublicJwk;
}

export type KeyUse = 'sig' | 'enc';

const algorithms = {
  sig: { generate: { name: 'ECDSA', namedCurve: 'P-256' }, usages: ['sign', 'verify'], jose: 'ES256' },
  enc: { generate: { name: 'ECDH', namedCurve: 'P-256' }, usages: ['deriveBits'], jose: 'ECDH-ES' },
} as const;

/** @param exportable keep the private half as JWK, for storages that hold text only */
export async function newKeyPair(use: KeyUse, exportable: boolean): Promise<StoredKeyPair> {
  const { generate, usages } = algorithms[use];
  const pair = (await crypto.subtle.generateKey(generate, exportable, [...usages])) as {
    privateKey: CryptoKey;
    publicKey: CryptoKey;
  };
  const publicJwk = publicPart(await crypto.subtle.exportKey('jwk', pair.publicKey));
  if (!exportable) return { privateKey: pair.privateKey, publicJwk };
  const { d } = await crypto.subtle.exportKey('jwk', pair.privateKey);
  return { privateKey: { ...publicJwk, d: d as string }, publicJwk };
}

export function isJwk(stored: StoredKey): stored is StoredJwk {
  return 'kty' in stored;
}

/** A key ready for use; never extractable, however it was stored. */
export async function usableKey(stored: StoredKey, use: KeyUse): Promise<CryptoKey> {
  if (!isJwk(stored)) return stored;
  return (await importJWK(stored, algorithms[use].jose, { extractable: false })) as CryptoKey;
}

/** The four members that travel; a platform's export carries more. */
export function publicPart({ x, y }: JWK | { x?: string; y?: string }): EcPublicJwk {
  return { kty: 'EC', crv: 'P-256', x: x as string, y: y as string };
}

/** RFC 7638. */
export function thumbprint(jwk: EcPublicJwk): Promise<string> {
  return calculateJwkThumbprint(publicPart(jwk), 'sha256');
}
