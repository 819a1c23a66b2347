import type { Page } from './ports/users.ts';
import type { Attributes, IdentifierKind, Proofing, User } from './user.ts';

/** Who does something, for the audit trail. */
export interface By {
  /** `management:<key name>`, `client:<id>`, `device:<id>`, `system`. */
  actor: string;
  traceId?: string;
}

export interface NewUser {
  /** `^[a-z0-9][a-z0-9._-]{0,63}$` after lower-casing. */
  username?: string;
  externalRef?: string;
  email?: string;
  /** Anything that libphonenumber reads as international; kept as E.164. */
  phone?: string;
  name?: string;
  /** BCP 47. */
  language?: string;
  attributes?: Attributes;
  proofing?: Proofing[];
}

/** `null` removes the member, or the attribute. What is absent stays. */
export type UserPatch = { [K in keyof Omit<NewUser, 'attributes'>]?: NewUser[K] | null } & {
  attributes?: Record<string, string | number | boolean | null>;
};

/** The identity store's service. */
export interface Users {
  /** @throws DomainError invalid_request (members.invalid_params: [{name, reason}]) | identifier_taken */
  create(user: NewUser, by: By): Promise<User>;
  /** @throws DomainError user_not_found */
  get(id: string): Promise<User>;
  /** @throws DomainError user_not_found | invalid_request | identifier_taken | stale_version (only with `expectedVersion`) */
  update(id: string, patch: UserPatch, by: By, expectedVersion?: number): Promise<User>;
  /** @throws DomainError user_not_found | state_conflict (deactivated). Locking a locked user changes nothing. */
  lock(id: string, by: By): Promise<User>;
  unlock(id: string, by: By): Promise<User>;
  /** Final. Pending operations are cancelled in the same step. Repeating it changes nothing. */
  deactivate(id: string, by: By): Promise<User>;
  list(page: Page): Promise<{ items: User[]; nextCursor?: string }>;
  /** The user who holds the identifier, whatever the state; the value is normalised as in `create`. */
  find(kind: IdentifierKind, value: string): Promise<User | undefined>;
}
