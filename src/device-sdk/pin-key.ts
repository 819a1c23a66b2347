/**
 * A PIN that is neither stored nor sent, nor can be tried against what is stored.
 *
 * Setting it: a random key d; mask = PBKDF2(PIN, salt); the device keeps salt and m = d + mask (mod n) and forgets the
 * rest. Using it: d' = m - mask. Every PIN gives some key, so the device cannot tell right from wrong; the server, which has
 * the public key of d, can, and counts. One signature by d, its public key or a thumbprint beside m would let a thief try
 * all PINs, so none of them is ever stored here.
 *
 * Signatures are made by the platform with a random nonce: a deterministic signature over a payload that returns would be
 * such an oracle, and noble's default is deterministic.
 */
import { p256 } from '@noble/curves/nist.js';
import type { CryptoKey } from 'jose';
import { type Bytes, fromBase64url, randomBytes, toBase64url, utf8 } from './bytes.ts';
import { isJwk, type StoredKey } from './keys.ts';
import type { EcPublicJwk } from './wire.ts';

const n = p256.Point.CURVE().n;

/** OWASP's figure for PBKDF2-HMAC-SHA-256; it only slows whoever has both the device's copy and the server's key. */
const iterations = 600_000;

export interface StoredPin {
  /** random; names the key towards the server */
  kid: string;
  salt: string;
  /** m, encrypted by `wrap` */
  iv: string;
  masked: string;
  wrap: StoredKey;
}

export interface PinKey {
  kid: string;
  /** signs only; not extractable */
  privateKey: CryptoKey;
}

/** A new PIN key. The public half goes into its one proof and is then forgotten. */
export async function newPinKey(
  pin: string,
  exportable: boolean,
): Promise<{ stored: StoredPin; key: PinKey; publicJwk: EcPublicJwk }> {
  const d = randomScalar();
  const salt = randomBytes(16);
  const masked = (d + (await maskOf(pin, salt))) % n;
  const { wrap, iv, ciphertext } = await wrapped(toBytes(masked), exportable);
  const stored = {
    kid: toBase64url(randomBytes(16)),
    salt: toBase64url(salt),
    iv: toBase64url(iv),
    masked: toBase64url(ciphertext),
    wrap,
  };
  const { privateKey, publicJwk } = await importScalar(d);
  return { stored, key: { kid: stored.kid, privateKey }, publicJwk };
}

/** The key that this PIN gives: the right one for the right PIN, another one for every other. */
export async function pinKey(stored: StoredPin, pin: string): Promise<PinKey> {
  const masked = toScalar(await unwrapped(stored));
  const d = (masked - (await maskOf(pin, fromBase64url(stored.salt))) + n) % n;
  // 0 is no key; a random one is refused, and counted, like any wrong PIN
  const { privateKey } = await importScalar(d === 0n ? randomScalar() : d);
  return { kid: stored.kid, privateKey };
}

/** 48 bytes reduced mod n: the bias is below 2^-128. */
async function maskOf(pin: string, salt: Bytes): Promise<bigint> {
  const secret = await crypto.subtle.importKey('raw', utf8(pin.normalize('NFC')), 'PBKDF2', false, ['deriveBits']);
  const bits = await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations }, secret, 48 * 8);
  return toScalar(new Uint8Array(bits)) % n;
}

/** Uniform in [1, n-1]. */
function randomScalar(): bigint {
  return toScalar(p256.utils.randomSecretKey());
}

async function importScalar(d: bigint): Promise<{ privateKey: CryptoKey; publicJwk: EcPublicJwk }> {
  const secret = toBytes(d);
  const point = p256.getPublicKey(secret, false);
  const x = toBase64url(point.subarray(1, 33));
  const y = toBase64url(point.subarray(33));
  const publicJwk: EcPublicJwk = { kty: 'EC', crv: 'P-256', x, y };
  const jwk = { ...publicJwk, d: toBase64url(secret) };
  const privateKey = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  return { privateKey, publicJwk };
}

async function wrapped(bytes: Bytes, exportable: boolean): Promise<{ wrap: StoredKey; iv: Bytes; ciphertext: Bytes }> {
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, exportable, ['encrypt', 'decrypt']);
  const iv = randomBytes(12);
  const ciphertext = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, bytes));
  return { wrap: exportable ? ((await crypto.subtle.exportKey('jwk', key)) as StoredKey) : key, iv, ciphertext };
}

async function unwrapped({ wrap, iv, masked }: StoredPin): Promise<Uint8Array> {
  const key = isJwk(wrap) ? await crypto.subtle.importKey('jwk', { ...wrap }, 'AES-GCM', false, ['decrypt']) : wrap;
  return new Uint8Array(
    await crypto.subtle.decrypt({ name: 'AES-GCM', iv: fromBase64url(iv) }, key, fromBase64url(masked)),
  );
}

function toScalar(bytes: Uint8Array): bigint {
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

function toBytes(scalar: bigint): Bytes {
  const bytes = new Uint8Array(32);
  for (let i = 31, rest = scalar; i >= 0; i -= 1, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}
