import { createCipheriv, createDecipheriv, createSecretKey, KeyObject, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** node:crypto takes bytes as a key as well, and then spends twice the time of the encryption on finding out what they are. */
export const asKey = (key: Uint8Array | KeyObject): KeyObject =>
  key instanceof KeyObject ? key : createSecretKey(key);

/** AES-256-GCM, random 96-bit nonce: nonce ‖ ciphertext ‖ tag. */
export function encrypt(key: Uint8Array | KeyObject, plaintext: string | Uint8Array, aad: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
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
