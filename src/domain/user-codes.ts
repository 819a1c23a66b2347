/**
 * User codes (CIBA Core 7.1.2): a secret that the person tells the client, so that not everybody who knows their name can
 * ring their phone. Kept as an HMAC under the master key, bound to the user, within the sealed profile.
 */
import type { Clock } from '../support/clock.ts';
import { SECOND } from '../support/clock.ts';
import { type Secrets, sameText } from '../support/secrets.ts';
import type { CounterStore } from './ports/records.ts';

export type UserCodeResult = 'right' | 'wrong' | 'missing' | 'not_needed';

export interface UserCodes {
  /**
   * A try is counted before it is compared, whoever is named; beyond the limit every code is wrong until the window ends.
   * Counted for the client that sends it, so that a stranger who has a client locks nobody out at the others (TH-06), and for
   * all clients together, so that many of them are not many times the tries.
   * `expected`: the user's `userCodeHash`; without one, no code is needed.
   */
  check(check: UserCodeCheck): Promise<UserCodeResult>;
}

export interface UserCodeCheck {
  userId: string;
  clientId: string;
  expected: string | undefined;
  code: string | undefined;
}

interface Deps {
  store: { counters: CounterStore };
  secrets: Pick<Secrets, 'hmac'>;
  clock: Clock;
  /** Tries of one user, right ones included (nothing can be guessed by mixing them): by one client, and by all. */
  options: { maxTries: number; maxTriesOfAll: number; windowSeconds: number };
}

const length = { min: 4, max: 64 };
const unprintable = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

export const userCodeReason = `must be ${length.min} to ${length.max} characters, none of them a control`;

export function isUserCode(code: unknown): code is string {
  if (typeof code !== 'string' || code.length > 2 * length.max || unprintable.test(code)) return false;
  const characters = [...code].length;
  return characters >= length.min && characters <= length.max;
}

export function userCodeHash(secrets: Pick<Secrets, 'hmac'>, userId: string, code: string): string {
  return secrets.hmac('user-code', `${userId}\0${code.normalize('NFC')}`);
}

/** As long as any other, and of nothing. */
const nobodysHash = 'A'.repeat(43);

export function createUserCodes({ store, secrets, clock, options }: Deps): UserCodes {
  return {
    async check({ userId, clientId, expected, code }) {
      if (code === undefined) return expected === undefined ? 'not_needed' : 'missing';
      const { allowed } = await store.counters.reserve({
        key: `user-code:${userId}`,
        limit: options.maxTriesOfAll,
        share: { of: clientId, limit: options.maxTries },
        windowMs: options.windowSeconds * SECOND,
        now: clock(),
      });
      // as much work for whoever has none, or is nobody (TH-04)
      const isRight = isUserCode(code) && sameText(userCodeHash(secrets, userId, code), expected ?? nobodysHash);
      if (expected === undefined) return 'not_needed';
      return allowed && isRight ? 'right' : 'wrong';
    },
  };
}
