import { errors } from 'oidc-provider';
import { readIdentifier } from '../domain/identifiers.ts';
import type { IdentifierKind, User } from '../domain/user.ts';
import type { Users } from '../domain/users.ts';
import { isId } from '../support/ids.ts';
import { orUndefined } from './accounts.ts';

/** Whom a `login_hint` names. */
export type Named = { kind: 'id' | IdentifierKind; value: string };

/** An e-mail address has at most 254 characters; the rest is room for a prefix. */
const maxHintLength = 320;

const prefixes: Record<string, Named['kind']> = { sub: 'id', tel: 'phone', email: 'email' };

/**
 * User name, e-mail, phone number; or `sub:`, `email:`, `tel:` and the value. None of the first three can hold a colon
 * where these have theirs (ruling 24), so the forms cannot be confused.
 *
 * @returns undefined for what cannot name anybody
 * @throws the engine's InvalidRequest for what is too long to be a hint, before anything parses it
 */
export function parseLoginHint(hint: string): Named | undefined {
  if (hint.length > maxHintLength) throw new errors.InvalidRequest('login_hint is too long');
  const [, prefix, value] = /^([a-z]+):(.+)$/i.exec(hint) ?? [];
  if (prefix === undefined || value === undefined) return readIdentifier(hint);
  const kind = prefixes[prefix.toLowerCase()];
  return kind && { kind, value };
}

/** The person who is meant, whatever their state. */
export async function findByLoginHint(users: Pick<Users, 'get' | 'find'>, hint: string): Promise<User | undefined> {
  const named = parseLoginHint(hint);
  if (!named) return undefined;
  if (named.kind !== 'id') return users.find(named.kind, named.value);
  return isId(named.value) ? orUndefined(users.get(named.value), 'user_not_found') : undefined;
}
