import { createHmac, hkdfSync, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { asKey, decrypt, encrypt } from './aead.ts';

/**
 * All that is derived from the master key. Uses are separated by HKDF labels, every sealed value carries the id of
 * the master key, and the record's own key is authenticated with it: a ciphertext moved to another record does not open.
 */
export interface Secrets {
  /** AES-256-GCM, random 96-bit nonce. `aad` is the record's key, for example `user:3f…`. Answer: `<key id>.<base64url>`. */
  seal(label: string, plaintext: string | Uint8Array, aad: string): string;
  /** @throws Error when the value was not sealed with this label, aad and master key */
  open(label: string, sealed: string, aad: string): Buffer;
  /** HMAC-SHA-256 under the label's own key, base64url. For look-ups of values that must not be readable. */
  hmac(label: string, text: string | Uint8Array): string;
  /** The label's own 32-byte key, for uses with their own construction (sessions, challenges). */
  key(label: string): Buffer;
}

export function createSecrets(masterKey: Buffer): Secrets {
  if (masterKey.length !== 32) throw new RangeError('the master key must be 32 bytes');
  const keys = new Map<string, KeyObject>();
  const keyOf = (label: string): KeyObject => {
    const known = keys.get(label);
    if (known) return known;
    const derived = asKey(Buffer.from(hkdfSync('sha256', masterKey, 'assent', label, 32)));
    keys.set(label, derived);
    return derived;
  };
  const masterId = createHmac('sha256', keyOf('master-key-id')).update('id').digest('base64url').slice(0, 6);

  return {
    key: (label) => keyOf(label).export(),
    hmac: (label, text) =>
      createHmac('sha256', keyOf(`hmac:${label}`))
        .update(text)
        .digest('base64url'),
    seal: (label, plaintext, aad) =>
      `${masterId}.${encrypt(keyOf(`seal:${label}`), plaintext, aad).toString('base64url')}`,
    open(label, sealed, aad) {
      const [id, text = ''] = sealed.split('.');
      if (id !== masterId) throw new Error(`sealed with another master key (${id})`);
      return decrypt(keyOf(`seal:${label}`), Buffer.from(text, 'base64url'), aad);
    },
  };
}

/** Constant-time comparison of two texts; lengths may differ. */
export function sameText(a: string, b: string): boolean {
  const key = asKey(randomBytes(32));
  const digest = (text: string) => createHmac('sha256', key).update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
