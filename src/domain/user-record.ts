/** A user as the store sees it: state and HMACs to be found by; the profile sealed under the user's id. */
import type { Secrets } from '../support/secrets.ts';
import { identifierHmac } from './identifiers.ts';
import type { Attributes, IdentifierKind, Proofing, StoredUser, User } from './user.ts';

/** What is sealed. */
export interface Profile {
  username?: string;
  externalRef?: string;
  email?: string;
  phone?: string;
  name?: string;
  language?: string;
  userCodeHash?: string;
  attributes: Attributes;
  proofing: Proofing[];
}

export const identifierMembers = {
  username: 'username',
  external_ref: 'externalRef',
  email: 'email',
  phone: 'phone',
} as const satisfies Record<IdentifierKind, keyof Profile>;

const label = 'user';
const aadOf = (id: string) => `user:${id}`;

export function sealProfile(
  secrets: Secrets,
  id: string,
  profile: Profile,
): Pick<StoredUser, 'identifiers' | 'sealed'> {
  const identifiers: StoredUser['identifiers'] = {};
  for (const [kind, member] of Object.entries(identifierMembers) as [IdentifierKind, keyof Profile][]) {
    const value = profile[member];
    if (typeof value === 'string') identifiers[kind] = identifierHmac(secrets, { kind, value });
  }
  return { identifiers, sealed: secrets.seal(label, JSON.stringify(profile), aadOf(id)) };
}

/** @throws Error when the record was changed, moved, or sealed under another master key */
export function openUser(secrets: Pick<Secrets, 'open'>, stored: StoredUser): User {
  const { id, version, state, createdAt, updatedAt } = stored;
  const profile = JSON.parse(secrets.open(label, stored.sealed, aadOf(id)).toString('utf8')) as Profile;
  return { id, version, state, ...profile, createdAt, updatedAt };
}
