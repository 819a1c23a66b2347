import type { AuditEvent } from '../event.ts';
import type { IdentifierKind, StoredUser, UserState } from '../user.ts';

export interface Page {
  limit: number;
  /** As a former answer gave it; opaque. */
  cursor?: string;
}

/**
 * Users and their unique identifiers.
 *
 * A user and an identifier lie in different partitions. An identifier entry (kind, HMAC of the value) names a user id
 * and when it was claimed; a look-up believes it only if that user's record holds the same HMAC. An entry that no
 * record confirms may be taken over 30 s after it was claimed.
 */
export interface UserStore {
  /**
   * Two steps: 1. claim every identifier, each in its own partition; 2. write the record in the user's partition.
   * A crash between them leaves unconfirmed claims, which may be taken over. A refused call releases its own claims.
   */
  create(
    user: StoredUser,
    now: number,
    events: AuditEvent[],
  ): Promise<{ result: 'created' } | { result: 'taken'; kind: IdentifierKind }>;

  /** One partition, one read. */
  get(id: string): Promise<StoredUser | undefined>;

  /** Two reads: the entry, then the record that must confirm it. */
  findByIdentifier(kind: IdentifierKind, hmac: string): Promise<StoredUser | undefined>;

  /**
   * Replaces the record if its stored version is `user.version`; the new record has `user.version + 1`. Two steps when
   * identifiers are added (claim first), a third that releases dropped ones; a crash leaves entries that nobody confirms.
   * Never changes `state`: the stored one is kept.
   */
  update(
    user: StoredUser,
    now: number,
    events: AuditEvent[],
  ): Promise<
    | { result: 'updated'; user: StoredUser }
    | { result: 'stale' }
    | { result: 'missing' }
    | { result: 'taken'; kind: IdentifierKind }
  >;

  /**
   * Changes the state if it is one of `from`. With `closePending`, every pending operation of the user becomes
   * `cancelled` (reason `user_deactivated`) in the same step. The user's partition.
   */
  changeState(change: {
    id: string;
    from: UserState[];
    to: UserState;
    closePending: boolean;
    now: number;
    events: AuditEvent[];
  }): Promise<
    | { result: 'changed'; user: StoredUser; closed: string[] }
    | { result: 'missing' }
    | { result: 'refused'; state: UserState }
  >;

  /** All users, in an order that does not change. Reads partition by partition. */
  list(page: Page): Promise<{ items: StoredUser[]; nextCursor?: string }>;
}
