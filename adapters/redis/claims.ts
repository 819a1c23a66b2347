/**
 * Entries that name an owner in another partition: an identifier its user, a public key its device. Written first, by
 * one script; believed only while the owner's record confirms it; taken over by compare-and-set when nobody has
 * confirmed it for 30 s.
 */
import { randomBytes } from 'node:crypto';
import { SECOND } from '../../src/support/clock.ts';
import { idPart, type Keys } from './keys.ts';
import type { Scripts } from './scripts.ts';

const UNCONFIRMED_MS = 30 * SECOND;

/** What the owner's record says of an entry. `free`: it says that the entry may be taken at once. */
export type Standing = 'confirmed' | 'unconfirmed' | 'free';

/** A claim that stands. `fresh`: this call made it, so a refusal takes it back. */
export interface Claim {
  key: string;
  entry: string;
  fresh: boolean;
}

export interface Claims {
  /**
   * Undefined: somebody else has it.
   *
   * @param review of a public key: what is written behind the entry, and when it is looked at
   */
  claim(
    key: string,
    ownerId: string,
    now: number,
    standing: (ownerPart: string) => Promise<Standing>,
    review?: { about: string; at: number },
  ): Promise<Claim | undefined>;
  /** Takes back what this call claimed, unless the owner has claimed it anew since. */
  release(claims: Claim[]): Promise<void>;
  /** Drops an entry if it is still the one that was read. */
  drop(key: string, entry: string): Promise<void>;
  /** Another text for the entry that was read, and its next review. False: it is another one by now. */
  review(key: string, entry: string, next: { entry: string; at: number } | undefined): Promise<boolean>;
}

export function createClaims(scripts: Scripts, { rootOf }: Pick<Keys, 'rootOf'>): Claims {
  const swap = async (key: string, read: string, entry: string, reviewAt: number | '' = '') =>
    (await scripts.run('swapClaim', [rootOf(key), key], [read, entry, reviewAt])) === 1;
  const drop = async (key: string, entry: string) => {
    await swap(key, entry, '');
  };
  return {
    drop,
    review: (key, entry, next) => swap(key, entry, next?.entry ?? '', next?.at),

    async claim(key, ownerId, now, standing, review) {
      const owner = idPart(ownerId);
      // The nonce tells two claims of one owner apart: a late release must not take the newer one away.
      const nonce = randomBytes(9).toString('base64url');
      const entry = `${owner} ${now} ${nonce}${review ? ` ${review.about}` : ''}`;
      const reviewAt = review?.at ?? '';
      for (;;) {
        const reply = await scripts.run('claim', [rootOf(key), key], [owner, entry, reviewAt]);
        if (reply[0] !== 'taken') return { key, entry, fresh: reply[0] === 'fresh' };
        const found = reply[1];
        if (!mayTakeOver(found, now, await standing(ownerOf(found)))) return undefined;
        if (await swap(key, found, entry, reviewAt)) return { key, entry, fresh: true };
      }
    },

    async release(claims) {
      await Promise.all(claims.filter(({ fresh }) => fresh).map(({ key, entry }) => drop(key, entry)));
    },
  };
}

/** The owner's key part. */
export function ownerOf(entry: string): string {
  return entry.slice(0, entry.indexOf(' '));
}

function mayTakeOver(entry: string, now: number, standing: Standing): boolean {
  if (standing !== 'unconfirmed') return standing === 'free';
  return now - Number(entry.split(' ')[1]) >= UNCONFIRMED_MS;
}
