/**
 * The code that a person types instead of following a ticket's link: 40 random bits in Crockford's Base32 and a
 * checksum character, shown as `XXXX-XXXX-X`.
 */
import { randomBytes } from 'node:crypto';
import type { RandomBytes } from '../support/ids.ts';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const characters = 8;

export function newActivationCode(random: RandomBytes = randomBytes): string {
  const bits = random(5).readUIntBE(0, 5);
  const symbols = Array.from({ length: characters }, (_, i) => Math.floor(bits / 32 ** (characters - 1 - i)) % 32);
  const text = [...symbols, checksum(symbols)].map((symbol) => alphabet[symbol]).join('');
  return `${text.slice(0, 4)}-${text.slice(4, 8)}-${text.slice(8)}`;
}

/**
 * The code without its dashes, from whatever a person typed: any case, blanks, and the letters that Crockford reads as
 * digits.
 *
 * @returns undefined where it cannot be a code; a mistake while typing is found here and costs no try
 */
export function parseActivationCode(typed: string): string | undefined {
  if (typed.length > 64) return undefined;
  const text = typed.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1');
  const symbols = [...text].map((character) => alphabet.indexOf(character));
  if (symbols.length !== characters + 1 || symbols.includes(-1)) return undefined;
  return checksum(symbols.slice(0, characters)) === symbols[characters] ? text : undefined;
}

/**
 * Sum of symbol × x^position in GF(32) (x^5 + x^2 + 1). Finds every single wrong character and every two that changed
 * places, as Crockford's modulo 37 does, and needs none of its extra characters, which a phone's keyboard hides.
 */
function checksum(symbols: number[]): number {
  // the 0 moves all on by one place: the checksum's own place has x^0
  return [...symbols, 0].reduce((sum, symbol) => (sum << 1) ^ (sum & 16 ? 0b100101 : 0) ^ symbol, 0);
}
