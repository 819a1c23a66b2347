/**
 * JOSE written out once more, by hand and without any care: whatever header, key or payload is asked for gets a right
 * signature or a right tag. Vectors made with it are refused for what they say and not for being broken.
 */
import {
  createCipheriv,
  createHash,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';

export const b64 = (value: string | Uint8Array | object): string => {
  const bytes = typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value);
  return Buffer.from(bytes as string).toString('base64url');
};

export const sha256 = (value: string | Uint8Array): string => createHash('sha256').update(value).digest('base64url');

/** @param header an object, or the JSON text itself where a member shall stand twice */
export function jws(
  header: object | string,
  payload: object | string,
  key: KeyObject,
  dsaEncoding: 'ieee-p1363' | 'der' = 'ieee-p1363',
): string {
  const input = `${b64(header)}.${b64(payload)}`;
  return `${input}.${b64(sign('sha256', Buffer.from(input), { key, dsaEncoding }))}`;
}

export function jweDir(
  header: object | string,
  plaintext: string | Uint8Array,
  key: Uint8Array,
  encryptedKey = '',
): string {
  const aad = b64(header);
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(aad));
  const ciphertext = Buffer.concat([cipher.update(Buffer.from(plaintext as string)), cipher.final()]);
  return [aad, encryptedKey, b64(iv), b64(ciphertext), b64(cipher.getAuthTag())].join('.');
}

/** An ephemeral key, and what it and the recipient's agree on. */
export interface Agreement {
  epk: Record<string, unknown>;
  z: Uint8Array;
}

/** @param to public key, of any curve: the ephemeral key is made on the same one */
export function agreementWith(to: KeyObject): Agreement {
  const { namedCurve } = to.asymmetricKeyDetails as { namedCurve: string };
  const ephemeral = generateKeyPairSync('ec', { namedCurve });
  const { kty, crv, x, y } = ephemeral.publicKey.export({ format: 'jwk' });
  return { epk: { kty, crv, x, y }, z: diffieHellman({ privateKey: ephemeral.privateKey, publicKey: to }) };
}

/** @param agreement one that was made before, where thousands are to be sealed */
export function jweTo(
  header: Record<string, unknown>,
  plaintext: string | Uint8Array,
  to: KeyObject,
  { epk, z }: Agreement = agreementWith(to),
): string {
  const full = { alg: 'ECDH-ES', enc: 'A256GCM', epk, ...header };
  return jweDir(full, plaintext, concatKdf(z, String(full.enc), header.apu, header.apv));
}

function concatKdf(z: Uint8Array, enc: string, apu: unknown = '', apv: unknown = ''): Buffer {
  const uint32 = (value: number) => Buffer.from(value.toString(16).padStart(8, '0'), 'hex');
  const field = (bytes: Uint8Array) => Buffer.concat([uint32(bytes.length), bytes]);
  const party = (value: unknown) => field(Buffer.from(String(value), 'base64url'));
  return createHash('sha256')
    .update(Buffer.concat([uint32(1), z, field(Buffer.from(enc)), party(apu), party(apv), uint32(256)]))
    .digest();
}

/** The outer plaintext of a message up, padded. */
export function padded(envelope: object, multiple = 512): string {
  const bare = Buffer.byteLength(JSON.stringify({ ...envelope, pad: '' }));
  return JSON.stringify({ ...envelope, pad: ' '.repeat((multiple - (bare % multiple)) % multiple) });
}
