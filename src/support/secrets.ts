import { createHmac, hkdfSync, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { asKey, decrypt, encrypt } from './aead.ts';
import type { Clock } from './clock.ts';
import { StoreUnavailable } from './unavailable.ts';

/**
 * All that is derived from the data root. Uses are separated by HKDF labels, every sealed value carries the id of the
 * root's generation, and the record's own key is authenticated with it: a ciphertext moved to another record does not open.
 */
export interface Secrets {
  /** AES-256-GCM, random 96-bit nonce. `aad` is the record's key, for example `user:3f…`. Answer: `<root id>.<base64url>`. */
  seal(label: string, plaintext: string | Uint8Array, aad: string): string;
  /**
   * @throws Error when the value was not sealed with this label, aad and root
   * @throws StoreUnavailable when it was sealed under a generation that is not known here, or not yet
   */
  open(label: string, sealed: string, aad: string): Buffer;
  /** HMAC-SHA-256 under the label's own key, base64url. For look-ups of values that must not be readable. */
  hmac(label: string, text: string | Uint8Array): string;
  /** The label's own 32-byte key, for uses with their own construction (sessions, challenges). */
  key(label: string): Buffer;
}

/** One generation of the data root. */
export interface Root {
  /** 32 bytes. */
  key: Buffer;
  /** Epoch milliseconds; from then on what is new is sealed with it. */
  sealsFrom: number;
}

export interface RootedSecrets extends Secrets {
  /** Oldest first. */
  replaceRoots(roots: readonly Root[]): void;
}

/** A root for life, of one generation. */
export function createSecrets(root: Buffer): Secrets {
  return createRootedSecrets([{ key: root, sealsFrom: 0 }], () => 0);
}

/**
 * Look-ups (`hmac`, `key`) hang on the first generation for ever: what was found yesterday must be found tomorrow. What is
 * sealed takes the newest generation whose time has come, and opens with the one that it names.
 */
export function createRootedSecrets(roots: readonly Root[], clock: Clock): RootedSecrets {
  const known = new Map<string, Generation>();
  let generations: Generation[] = [];

  function replaceRoots(next: readonly Root[]): void {
    generations = next.map((root) => {
      const id = rootIdOf(root.key);
      const generation = known.get(id) ?? { id, sealsFrom: root.sealsFrom, keyOf: labelledKeys(root.key) };
      known.set(id, generation);
      return generation;
    });
  }
  replaceRoots(roots);

  const first = () => generations[0]!;
  const newest = () => {
    const now = generations.length > 1 ? clock() : 0;
    return generations.findLast(({ sealsFrom }) => sealsFrom <= now) ?? first();
  };

  return {
    replaceRoots,
    key: (label) => first().keyOf(label).export(),
    hmac: (label, text) =>
      createHmac('sha256', first().keyOf(`hmac:${label}`))
        .update(text)
        .digest('base64url'),
    seal(label, plaintext, aad) {
      const { id, keyOf } = newest();
      return `${id}.${encrypt(keyOf(`seal:${label}`), plaintext, aad).toString('base64url')}`;
    },
    open(label, sealed, aad) {
      const [id = '', text = ''] = sealed.split('.');
      const generation = generations.find((each) => each.id === id);
      if (!generation) throw new StoreUnavailable(`sealed under a root that this process does not have (${id})`);
      return decrypt(generation.keyOf(`seal:${label}`), Buffer.from(text, 'base64url'), aad);
    },
  };
}

interface Generation {
  id: string;
  sealsFrom: number;
  keyOf(label: string): KeyObject;
}

/** Stands in front of every sealed value. Says nothing about the root. */
export function rootIdOf(root: Buffer): string {
  return idOf(labelledKeys(root)('master-key-id')).toString('base64url').slice(0, 6);
}

/** The generation that sealed a value. */
export const rootIdIn = (sealed: string): string => sealed.split('.', 1)[0]!;

/** A key of its own for each label, derived once. @throws RangeError for a secret of another length */
function labelledKeys(secret: Buffer): (label: string) => KeyObject {
  if (secret.length !== 32) throw new RangeError('the master key must be 32 bytes');
  const keys = new Map<string, KeyObject>();
  return (label) => {
    const known = keys.get(label);
    if (known) return known;
    const derived = asKey(Buffer.from(hkdfSync('sha256', secret, 'assent', label, 32)));
    keys.set(label, derived);
    return derived;
  };
}

const idOf = (key: KeyObject) => createHmac('sha256', key).update('id').digest();

/** What a master key is there for: it closes and opens its own slot, and nothing else. */
export interface MasterKey {
  /** Names the slot. */
  id: string;
  close(content: string): string;
  /** @throws Error when another master key closed it, or a bit was changed */
  open(slot: string): string;
}

/**
 * @param secret 32 bytes
 * @param form   of the id. Hexadecimal: it is typed into a terminal, where a leading dash makes an option of it. `former`: as stores had
 *               it before; a slot under it stays, for programs that know no other
 */
export function createMasterKey(secret: Buffer, form: 'hexadecimal' | 'former' = 'hexadecimal'): MasterKey {
  const keyOf = labelledKeys(secret);
  const named = idOf(keyOf('key-slot-id'));
  const id = form === 'former' ? named.toString('base64url').slice(0, 10) : named.toString('hex').slice(0, 12);
  const aad = `slot:${id}`;
  return {
    id,
    close: (content) => encrypt(keyOf('key-slot'), content, aad).toString('base64url'),
    open: (slot) => decrypt(keyOf('key-slot'), Buffer.from(slot, 'base64url'), aad).toString('utf8'),
  };
}

/** The id of the master key whose slot this is, in the form of today: ids of both forms begin with the same 48 bits. */
export function masterKeyIdIn(slotId: string): string {
  const isFormer = /^[\w-]{10}$/.test(slotId);
  return isFormer ? Buffer.from(slotId, 'base64url').toString('hex').slice(0, 12) : slotId;
}

/** Constant-time comparison of two texts; lengths may differ. */
export function sameText(a: string, b: string): boolean {
  const key = asKey(randomBytes(32));
  const digest = (text: string) => createHmac('sha256', key).update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
