/**
 * Number matching (device-protocol, section 6): the person proves to look at the screen that started the operation.
 * The server makes the number, shows it on the consumption side, and keeps only an HMAC bound to the operation.
 */
import { randomBytes } from 'node:crypto';
import type { RandomBytes } from '../support/ids.ts';
import { type Secrets, sameText } from '../support/secrets.ts';
import type { MatchMode, Operation } from './operation.ts';
import { randomBelow } from './random.ts';

const digitsOf: Record<MatchMode, number> = { none: 0, choose: 2, type2: 2, type6: 6 };
const offered = 3;

/** Tries of an operation with a number; `none` is limited by the method instead (section 4). */
export const matchTries: Record<Exclude<MatchMode, 'none'>, number> = { choose: 1, type2: 1, type6: 3 };

/** @returns nothing for `none`; else what is stored, and the number in clear for the start answer alone */
export function makeMatch(
  mode: MatchMode,
  operationId: string,
  {
    secrets,
    random = randomBytes,
    code: given,
  }: { secrets: Pick<Secrets, 'hmac'>; random?: RandomBytes; code?: string },
): { match: NonNullable<Operation['match']>; code: string } | undefined {
  if (mode === 'none') return undefined;
  // Ruling 14: the decoys are drawn here, once. Fresh ones for each view would give the right number away.
  const options = mode === 'choose' ? distinctNumbers(offered, random) : undefined;
  const code = given ?? (options ? options[randomBelow(offered, random)]! : newNumber(mode, random));
  return { code, match: { mode, hmac: hmacOf(secrets, operationId, code), ...(options && { options }) } };
}

/** @param code as the device sent it; any other spelling of the number is wrong */
export function isMatch(
  secrets: Pick<Secrets, 'hmac'>,
  operation: Pick<Operation, 'id' | 'match'>,
  code: string,
): boolean {
  if (!operation.match) return false;
  return sameText(hmacOf(secrets, operation.id, code), operation.match.hmac);
}

/** The number behind the HMAC, by trying all: up to a million HMACs. Only the development's simulator may ask. */
export function findMatchCode(secrets: Pick<Secrets, 'hmac'>, { id, match }: Operation): string | undefined {
  if (!match) return undefined;
  const isRight = (code: string) => hmacOf(secrets, id, code) === match.hmac;
  if (match.options) return match.options.find(isRight);
  const digits = digitsOf[match.mode];
  for (let number = 0; number < 10 ** digits; number++) {
    const code = String(number).padStart(digits, '0');
    if (isRight(code)) return code;
  }
  return undefined;
}

function distinctNumbers(count: number, random: RandomBytes): string[] {
  const numbers = new Set<string>();
  while (numbers.size < count) numbers.add(newNumber('choose', random));
  return [...numbers];
}

function newNumber(mode: MatchMode, random: RandomBytes): string {
  const digits = digitsOf[mode];
  return String(randomBelow(10 ** digits, random)).padStart(digits, '0');
}

function hmacOf(secrets: Pick<Secrets, 'hmac'>, operationId: string, code: string): string {
  return secrets.hmac('match', `${operationId}\0${code}`);
}
