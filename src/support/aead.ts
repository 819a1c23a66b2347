import { createCipheriv, createDecipheriv, createSecretKey, KeyObject, randomUUID } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** node:crypto takes bytes as a key as well, and then spends twice the time of the encryption on finding out what they are. */
export const asKey = (key: Uint8Array | KeyObject): KeyObject =>
  key instanceof KeyObject ? key : createSecretKey(key);

/**
 * 96 random bits. UUIDs draw on node's stock of them, `randomBytes` asks OpenSSL each time, which takes three times as long; first
 * and last twelve digits of a version 4 are random (RFC 9562 §5.4).
 */
export function randomNonce(): Buffer {
  const uuid = randomUUID();
  return Buffer.from(uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(-12), 'hex');
}

/** AES-256-GCM, random 96-bit nonce: nonce ‖ ciphertext ‖ tag. */
export function encrypt(key: Uint8Array | KeyObject, plaintext: string | Uint8Array, aad: string): Buffer {
  const nonce = randomNonce();
  const cipher = createCipheriv('aes-256-gcm', asKey(key), nonce).setAAD(Buffer.from(aad));
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error when one bit of key, bytes or aad is another than it was */
export function decrypt(key: Uint8Array | KeyObject, bytes: Buffer, aad: string): Buffer {
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', asKey(key), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(aad)).setAuthTag(bytes.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
}
