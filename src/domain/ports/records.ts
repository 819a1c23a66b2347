import type { AuditEvent } from '../event.ts';

/** Audit events, readable by what they are about. Written by the other ports. */
export interface EventStore {
  /** Oldest first. */
  ofOperation(operationId: string): Promise<AuditEvent[]>;
  /** Of the user's partition, only this user's; newest first. */
  ofUser(userId: string, limit: number): Promise<AuditEvent[]>;
  /** For events that belong to no other record's change (key rotation, refused calls). */
  write(partition: string, events: AuditEvent[]): Promise<void>;
}

/** Single use of ids that others choose: `jti` of client assertions, signed requests, DPoP proofs. */
export interface ReplayStore {
  /** True for exactly one of any number of calls with this scope and id, until `until`. Partition: hash of both. */
  once(use: { scope: string; id: string; now: number; until: number }): Promise<boolean>;
}

/** Counters of security value in fixed windows. They only grow, by being reserved before the check. */
export interface CounterStore {
  /**
   * Adds one unless `limit` is reached, or `share.limit` by those of `share.of`: who has used up a share takes nothing from
   * the others. `count`: of all shares, this one included. A window that ends after `now + windowMs`, for the clock was set
   * back, ends then (TH-14). Partition: hash of `key`.
   */
  reserve(reserve: {
    key: string;
    limit: number;
    share?: { of: string; limit: number };
    windowMs: number;
    now: number;
  }): Promise<{ allowed: boolean; count: number; resetAt: number }>;
}

/** `Idempotency-Key` on creating POSTs of our own APIs. Partition: hash of scope and key. */
export interface IdempotencyStore {
  /**
   * `fresh`: go on, then finish or abandon; the claim is held until `leaseUntil`. `done`: the stored response.
   * `busy`: the first call is still running; a claim that ends later than this one would is shortened to that. `mismatch`: the key was used for another request, until `until`.
   */
  begin(begin: {
    scope: string;
    key: string;
    requestHash: string;
    now: number;
    leaseUntil: number;
    until: number;
  }): Promise<{ result: 'fresh' } | { result: 'done'; response: string } | { result: 'busy' } | { result: 'mismatch' }>;
  /** Stores the response (sealed by the caller) until `until`. */
  finish(finish: {
    scope: string;
    key: string;
    requestHash: string;
    response: string;
    now: number;
    until: number;
  }): Promise<void>;
  /** Frees the key of a call that was refused; a stored response stays. */
  abandon(abandon: { scope: string; key: string }): Promise<void>;
}

/**
 * What a server key is for. `seal` and `box`: the device protocol. `oidc`: ID tokens. `cookie`, `dpop`: the engine.
 *
 *     next ──its time comes──> current ──a successor takes over──> retired ──private half destroyed──> destroyed
 *   (published, not used)                                                       (public half stays for verifiers)
 */
export type KeyUse = 'seal' | 'box' | 'oidc' | 'cookie' | 'dpop';
export type KeyState = 'next' | 'current' | 'retired' | 'destroyed';

export interface ServerKey {
  kid: string;
  version: number;
  use: KeyUse;
  alg: string;
  state: KeyState;
  /** Public JWK, JSON; absent for symmetric keys. */
  publicJwk?: string;
  /** Private JWK or secret, sealed with `key:<kid>` as AAD; absent once destroyed, and where it never was here. */
  sealed?: string;
  /** Its private half is outside, where a plug-in signs with it. */
  external?: true;
  createdAt: number;
  /** Of a key that waits: when it is to be used. */
  activatesAt?: number;
  activatedAt?: number;
  retiredAt?: number;
}

/** Server keys; few, read at start and when told. One partition for all: `00`. */
export interface KeyStore {
  list(): Promise<ServerKey[]>;
  /**
   * Adds `key` if no key with the same use and algorithm is `current`, or if `replaces` is the kid of that one, which
   * becomes `retired` in the same step. A key that is `next` is added if no other one with the same use and algorithm
   * waits. One of several processes wins; the others get `exists` and read again.
   */
  add(add: {
    key: ServerKey;
    replaces?: string;
    now: number;
    events: AuditEvent[];
  }): Promise<{ result: 'added' } | { result: 'exists' }>;
  /**
   * `next` -> `current`, and the key that it `replaces` becomes `retired` in the same step; false if it does not wait
   * anymore, or if another key is current than `replaces` says.
   */
  promote(promote: { kid: string; replaces?: string | undefined; now: number; events: AuditEvent[] }): Promise<boolean>;
  /** Erases the private half of a retired key. */
  destroy(destroy: { kid: string; now: number; events: AuditEvent[] }): Promise<boolean>;
}

/** How one master key opens the store, as a slot of LUKS: all generations of the data root, sealed by that master key. */
export interface KeySlot {
  /** Of the master key; says nothing about it. */
  id: string;
  createdAt: number;
  sealed: string;
}

export interface StoredKeyRing {
  version: number;
  slots: KeySlot[];
}

/** The data root that everything sealed hangs on; one record, changed when an operator says so. Partition: `00`. */
export interface KeyRingStore {
  read(): Promise<StoredKeyRing | undefined>;
  /**
   * Writes `ring` in the place of the version before its own; version 1 where there is none. False where the stored one
   * is another: somebody was faster, and nothing was written.
   */
  save(save: { ring: StoredKeyRing; events: AuditEvent[] }): Promise<boolean>;
}
