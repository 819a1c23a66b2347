/** Unique identifiers of users: their normal form, how they are recognised in a text, and what the store sees of them. */
import { parsePhoneNumberFromString } from 'libphonenumber-js';
import type { Secrets } from '../support/secrets.ts';
import type { IdentifierKind } from './user.ts';

export interface Identifier {
  kind: IdentifierKind;
  value: string;
}

interface Rule {
  /** @returns the normal form, or undefined */
  normalise(text: string): string | undefined;
  /** What is acceptable, for people. */
  reason: string;
}

const maxLength = 256;
const username = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const email = /^[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)*$/;
const unprintable = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

const rules: Record<IdentifierKind, Rule> = {
  // Ruling 24: no `@`, no `:`, no `+` in front, so that a login hint says by its form which kind it is.
  username: {
    normalise: (text) => matching(text.toLowerCase(), username),
    reason: 'must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, beginning with a letter or digit',
  },
  // Two spellings of one mailbox must not be two users; no provider in use tells upper from lower case.
  email: {
    normalise: (text) => matching(text.normalize('NFC').toLowerCase(), email),
    reason: 'must be an e-mail address',
  },
  phone: { normalise: e164, reason: 'must be a phone number with its country code' },
  external_ref: {
    normalise: (text) => (text.trim() === text && text !== '' ? text.normalize('NFC') : undefined),
    reason: `must be 1 to ${maxLength} characters without control characters or blanks at the ends`,
  },
};

/** @returns the form in which it is kept and compared, or undefined where it is none of that kind */
export function normaliseIdentifier(kind: IdentifierKind, text: string): string | undefined {
  if (text.length > maxLength || unprintable.test(text)) return undefined;
  return rules[kind].normalise(text);
}

export function identifierReason(kind: IdentifierKind): string {
  return rules[kind].reason;
}

/**
 * What a person types to say who they are: user name, e-mail address or phone number (`+…`), told apart by their form.
 * An `external_ref` may look like anything and is never guessed.
 */
export function readIdentifier(text: string): Identifier | undefined {
  const kind = text.includes('@') ? 'email' : text.trimStart().startsWith('+') ? 'phone' : 'username';
  const value = normaliseIdentifier(kind, text.trim());
  return value === undefined ? undefined : { kind, value };
}

/** The store compares without reading. The kind is part of it: one text may be two users' identifiers of two kinds. */
export function identifierHmac(secrets: Pick<Secrets, 'hmac'>, { kind, value }: Identifier): string {
  return secrets.hmac(`identifier-${kind}`, value);
}

const matching = (text: string, form: RegExp) => (form.test(text) ? text : undefined);

// `isPossible` looks at the length only: ranges that a country opened after the metadata was made are numbers too.
function e164(text: string): string | undefined {
  const parsed = parsePhoneNumberFromString(text, { extract: false });
  return parsed?.isPossible() && !parsed.ext ? parsed.number : undefined;
}
