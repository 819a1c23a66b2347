import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../support/clock.ts';
import { isId, newId, type RandomBytes, randomPartition } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import { createTurns } from '../support/turns.ts';
import { DomainError } from './errors.ts';
import type { EventType } from './event.ts';
import { identifierHmac, normaliseIdentifier } from './identifiers.ts';
import { newEvent } from './new-event.ts';
import type { Page, UserStore } from './ports/users.ts';
import { changeProfile, emptyProfile } from './profile.ts';
import type { Attributes, IdentifierKind, Proofing, StoredUser, User, UserState } from './user.ts';
import { userCodeHash } from './user-codes.ts';
import { openUser, type Profile, sealProfile } from './user-record.ts';

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
  /** CIBA Core 7.1.2; kept as a hash, and never told again. */
  userCode?: string;
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

export interface UsersDeps {
  store: { users: UserStore };
  clock: Clock;
  secrets: Secrets;
  random?: RandomBytes;
}

/**
 * A change that names no version is tried again when another one came between. Changes of one user take turns here, so it can
 * only have been another process, and each try that is lost is a change that was made: nobody waits without end for nothing.
 */
const maxTries = 100;

export function createUsers({ store, clock, secrets, random }: UsersDeps): Users {
  const inTurn = createTurns();

  function withUserCode({ userCodeHash: before, ...profile }: Profile, id: string, code?: string | null): Profile {
    if (code === null) return profile;
    const hash = code === undefined ? before : userCodeHash(secrets, id, code);
    return hash === undefined ? profile : { ...profile, userCodeHash: hash };
  }

  async function read(id: string): Promise<User> {
    const stored = isId(id) ? await store.users.get(id) : undefined;
    if (!stored) throw new DomainError('user_not_found');
    return openUser(secrets, stored);
  }

  /** undefined: somebody else changed the record meanwhile. */
  async function tryUpdate(user: User, patch: UserPatch, by: By): Promise<User | undefined> {
    const before = profileOf(user);
    const after = withUserCode(changeProfile(before, patch), user.id, patch.userCode);
    if (isDeepStrictEqual(after, before)) return user;
    const now = clock();
    const { id, version, state, createdAt } = user;
    const outcome = await store.users.update(
      { id, version, state, createdAt, updatedAt: now, ...sealProfile(secrets, id, after) },
      now,
      [newEvent('user.updated', now, by, { userId: id })],
    );
    if (outcome.result === 'missing') throw new DomainError('user_not_found');
    if (outcome.result === 'taken') throw taken(outcome.kind);
    return outcome.result === 'updated' ? openUser(secrets, outcome.user) : undefined;
  }

  async function update(id: string, patch: UserPatch, by: By, expectedVersion?: number): Promise<User> {
    for (let tries = 0; tries < maxTries; tries++) {
      const user = await read(id);
      const isExpected = (expectedVersion ?? user.version) === user.version;
      const updated = isExpected ? await tryUpdate(user, patch, by) : undefined;
      if (updated) return updated;
      if (expectedVersion !== undefined) throw new DomainError('stale_version');
    }
    throw new DomainError('unavailable', { detail: 'the user changes faster than it can be updated' });
  }

  async function changeState(id: string, change: StateChange, by: By): Promise<User> {
    const now = clock();
    const { from, to, type } = change;
    if (!isId(id)) throw new DomainError('user_not_found');
    const events = [newEvent(type, now, by, { userId: id })];
    const outcome = await store.users.changeState({ id, from, to, closePending: to === 'deactivated', now, events });
    if (outcome.result === 'missing') throw new DomainError('user_not_found');
    if (outcome.result === 'changed') return openUser(secrets, outcome.user);
    if (outcome.state !== to) throw new DomainError('state_conflict', { detail: `the user is ${outcome.state}` });
    return read(id);
  }

  return {
    async create(user, by) {
      const now = clock();
      const id = newId(randomPartition(random), random);
      const profile = withUserCode(changeProfile(emptyProfile, user), id, user.userCode);
      const stored: StoredUser = {
        id,
        version: 1,
        state: 'active',
        ...sealProfile(secrets, id, profile),
        createdAt: now,
        updatedAt: now,
      };
      const outcome = await store.users.create(stored, now, [newEvent('user.created', now, by, { userId: id })]);
      if (outcome.result === 'taken') throw taken(outcome.kind);
      return openUser(secrets, stored);
    },

    get: read,

    update: (id, patch, by, expectedVersion) => inTurn(id, () => update(id, patch, by, expectedVersion)),

    lock: (id, by) => changeState(id, { from: ['active'], to: 'locked', type: 'user.locked' }, by),
    unlock: (id, by) => changeState(id, { from: ['locked'], to: 'active', type: 'user.unlocked' }, by),
    deactivate: (id, by) =>
      changeState(id, { from: ['active', 'locked'], to: 'deactivated', type: 'user.deactivated' }, by),

    async list(page) {
      const { items, nextCursor } = await store.users.list(page);
      return { items: items.map((stored) => openUser(secrets, stored)), nextCursor };
    },

    async find(kind, text) {
      const value = normaliseIdentifier(kind, text);
      if (value === undefined) return undefined;
      const stored = await store.users.findByIdentifier(kind, identifierHmac(secrets, { kind, value }));
      return stored && openUser(secrets, stored);
    },
  };
}

interface StateChange {
  from: UserState[];
  to: UserState;
  type: EventType;
}

function profileOf({ id, version, state, createdAt, updatedAt, ...profile }: User): Profile {
  return profile;
}

function taken(kind: IdentifierKind): DomainError {
  return new DomainError('identifier_taken', {
    members: { invalid_params: [{ name: kind, reason: 'belongs to another user' }] },
  });
}
