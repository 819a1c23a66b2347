/**
 * Entries that name an owner in another partition: an identifier its user, a public key its device. Written first, by
 * one script; believed only while the owner's record confirms it; taken over by compare-and-set when nobody has
 * confirmed it for 30 s.
 */
import { randomBytes } from 'node:crypto';
import { SECOND } from '../../src/support/clock.ts';
import { idPart } from './keys.ts';
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
  /** Undefined: somebody else has it. */
  claim(
    key: string,
    ownerId: string,
    now: number,
    standing: (ownerPart: string) => Promise<Standing>,
  ): Promise<Claim | undefined>;
  /** Takes back what this call claimed, unless the owner has claimed it anew since. */
  release(claims: Claim[]): Promise<void>;
  /** Drops an entry if it is still the one that was read. */
  drop(key: string, entry: string): Promise<void>;
}

export function createClaims(scripts: Scripts): Claims {
  const drop = async (key: string, entry: string) => {
    await scripts.run('swapClaim', [key], [entry, '']);
  };
  return {
    drop,

    async claim(key, ownerId, now, standing) {
      const owner = idPart(ownerId);
      // The nonce tells two claims of one owner apart: a late release must not take the newer one away.
      const entry = `${owner} ${now} ${randomBytes(9).toString('base64url')}`;
      for (;;) {
        const reply = await scripts.run('claim', [key], [owner, entry]);
        if (reply[0] !== 'taken') return { key, entry, fresh: reply[0] === 'fresh' };
        const found = reply[1];
        if (!mayTakeOver(found, now, await standing(ownerOf(found)))) return undefined;
        if ((await scripts.run('swapClaim', [key], [found, entry])) === 1) return { key, entry, fresh: true };
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
