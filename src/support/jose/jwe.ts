/**
 * JWE in the two forms that we use: compact, A256GCM, key by ECDH-ES on P-256 (no apu, no apv) or given (`dir`).
 * On node:crypto directly: two to four times cheaper than WebCrypto for ECDH-ES, and the server does it per message.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { asKey, randomNonce } from '../aead.ts';
import { toBase64url } from '../bytes.ts';
import { decodePart, maxMessageBytes, readHeader, splitCompact } from './compact.ts';
import { JoseError } from './errors.ts';
import { type EcPublicJwk, parsePublicKey, publicJwkOf, publicKeyOf } from './jwk.ts';

export interface JweHeader {
  typ: string;
  cty?: string;
  kid?: string;
}

export interface ParsedJwe {
  readonly header: JweHeader & { alg: 'ECDH-ES' | 'dir'; enc: 'A256GCM' };
  /** with ECDH-ES: the sender's ephemeral key, checked to be a point of P-256 */
  readonly epk: KeyObject | undefined;
  readonly aad: string;
  readonly iv: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/** What opens a message decides which `alg` it must have; a message never chooses (RFC 8725 §3.1). */
export type JweKey = { alg: 'ECDH-ES'; privateKey: KeyObject } | { alg: 'dir'; key: Uint8Array };

/** Encrypt to a P-256 public key. */
export function encryptTo(jwk: EcPublicJwk, header: JweHeader, plaintext: Uint8Array | string): string {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const epk = publicJwkOf(publicKey);
  const shared = sharedSecret(privateKey, publicKeyOf(jwk));
  return seal(concatKdf(shared), { alg: 'ECDH-ES', enc: 'A256GCM', epk, ...header }, plaintext);
}

/** @param key 32 bytes */
export function encryptDir(key: Uint8Array, header: JweHeader, plaintext: Uint8Array | string): string {
  return seal(key, { alg: 'dir', enc: 'A256GCM', ...header }, plaintext);
}

/**
 * Read without decrypting, for callers that must find the key by `kid` first.
 *
 * @throws JoseError malformed | header | key
 */
export function parseJwe(token: string, { maxBytes = maxMessageBytes }: { maxBytes?: number } = {}): ParsedJwe {
  const [head, encryptedKey, iv, ciphertext, tag] = splitCompact(token, 5, maxBytes) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const header = readHeader(head, ['alg', 'enc', 'typ', 'cty', 'kid', 'epk']);
  if (header.alg !== 'ECDH-ES' && header.alg !== 'dir') throw new JoseError('header', 'alg is not ECDH-ES or dir');
  if (header.enc !== 'A256GCM') throw new JoseError('header', 'enc is not A256GCM');
  if (typeof header.typ !== 'string') throw new JoseError('header', 'no typ');
  if ('epk' in header !== (header.alg === 'ECDH-ES')) throw new JoseError('header', 'epk does not go with alg');
  const epk = 'epk' in header ? parsePublicKey(header.epk).key : undefined;
  decodePart(encryptedKey, 0); // both algorithms agree on the key itself (RFC 7518 §4.5, §4.6)
  return {
    header: header as unknown as ParsedJwe['header'],
    epk,
    aad: head,
    iv: decodePart(iv, 12),
    ciphertext: decodePart(ciphertext),
    tag: decodePart(tag, 16),
  };
}

/** @throws JoseError header (another alg than the key's) | decrypt */
export function decryptJwe(jwe: ParsedJwe, key: JweKey): Buffer {
  if (jwe.header.alg !== key.alg) throw new JoseError('header', 'another alg than the key is for');
  const contentKey = key.alg === 'dir' ? key.key : concatKdf(sharedSecret(key.privateKey, jwe.epk as KeyObject));
  try {
    const decipher = createDecipheriv('aes-256-gcm', asKey(contentKey), jwe.iv, { authTagLength: 16 });
    decipher.setAAD(Buffer.from(jwe.aad)).setAuthTag(jwe.tag);
    return Buffer.concat([decipher.update(jwe.ciphertext), decipher.final()]);
  } catch (cause) {
    throw new JoseError('decrypt', 'does not open', { cause });
  }
}

function seal(key: Uint8Array, header: object, plaintext: Uint8Array | string): string {
  const aad = toBase64url(Buffer.from(JSON.stringify(header)));
  const iv = randomNonce();
  const cipher = createCipheriv('aes-256-gcm', asKey(key), iv, { authTagLength: 16 }).setAAD(Buffer.from(aad));
  const ciphertext = Buffer.concat([cipher.update(Buffer.from(plaintext as Uint8Array)), cipher.final()]);
  return `${aad}..${toBase64url(iv)}.${toBase64url(ciphertext)}.${toBase64url(cipher.getAuthTag())}`;
}

function sharedSecret(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch (cause) {
    throw new JoseError('decrypt', 'key agreement failed', { cause });
  }
}

// RFC 7518 §4.6.2: one round of SHA-256 gives the 256 bits; PartyUInfo and PartyVInfo are empty, so all but Z is constant.
const otherInfo = Buffer.concat([uint32(7), Buffer.from('A256GCM'), uint32(0), uint32(0), uint32(256)]);

function concatKdf(z: Uint8Array): Buffer {
  return createHash('sha256').update(uint32(1)).update(z).update(otherInfo).digest();
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
