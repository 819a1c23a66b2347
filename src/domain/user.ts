/**
 * A person in the identity store.
 *
 *     active <──lock / unlock──> locked
 *        └────────┬────────────────┘
 *             deactivate
 *                 v
 *            deactivated        (final; pending operations are cancelled in the same step)
 */
export type UserState = 'active' | 'locked' | 'deactivated';

/** Unique over all users; a login hint may name any of them. */
export type IdentifierKind = 'username' | 'external_ref' | 'email' | 'phone';
export const IDENTIFIER_KINDS: readonly IdentifierKind[] = ['username', 'external_ref', 'email', 'phone'];

/** Key-value pairs of the integrator. Flat: text up to 1024 code points, finite numbers, booleans; at most 64 keys. */
export type Attributes = Record<string, string | number | boolean>;

/** How the person's identity was established, outside of Assent. Any mechanism; none is mandatory. */
export interface Proofing {
  mechanism: string;
  reference?: string;
  level?: string;
  /** Epoch milliseconds. */
  at: number;
}

export interface User {
  id: string;
  /** Grows by one with every change; the ETag. */
  version: number;
  state: UserState;
  username?: string;
  externalRef?: string;
  email?: string;
  /** E.164. */
  phone?: string;
  name?: string;
  /** BCP 47. */
  language?: string;
  /** See user-codes.ts; shown to nobody. */
  userCodeHash?: string;
  attributes: Attributes;
  proofing: Proofing[];
  createdAt: number;
  updatedAt: number;
}

/** What lies in the store: nothing readable but the state. Identifiers are HMACs, everything else is sealed. */
export interface StoredUser {
  id: string;
  version: number;
  state: UserState;
  identifiers: Partial<Record<IdentifierKind, string>>;
  /** The profile, sealed with the user's id as AAD. */
  sealed: string;
  createdAt: number;
  updatedAt: number;
}
