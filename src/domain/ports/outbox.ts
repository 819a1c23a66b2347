import type { Partition } from '../../support/ids.ts';

/**
 * `inbox`: the user's devices should look at their inbox again. `ping`, `push`: the client's notification of an end;
 * the payload is the operation's sealed `notification`.
 *
 * `notice`: something that the user is to be told of outside of the devices. Written by the store itself, beside each event
 * with `noticeUntil` and a user, where it was opened with `outsideNotices`: id `<event id>.notice`, the payload is the
 * event, due when it happened, living as long as the devices are told.
 */
export type OutboxKind = 'inbox' | 'ping' | 'push' | 'notice';

/** Something that must leave the house, written in the same step as the change that it tells of. */
export interface NewOutboxEntry {
  /** Begins with the partition; stable over retries. */
  id: string;
  kind: OutboxKind;
  /** Of a notice that is about no operation: ''. */
  operationId: string;
  userId: string;
  /** JSON; sealed by the caller where it is confidential. */
  payload: string;
  /** Epoch milliseconds: not before. */
  dueAt: number;
  /** Epoch milliseconds: given up then. */
  expiresAt: number;
}

export interface OutboxEntry extends NewOutboxEntry {
  /** How often it was claimed, this time included. */
  attempts: number;
}

/** An entry under lease. `fence` grows with every claim: a holder that was paused past its lease is refused. */
export interface Claimed {
  entry: OutboxEntry;
  fence: number;
}

/** At-least-once delivery with leases. An entry lies in the partition that its id begins with. */
export interface OutboxStore {
  /** Claims entries that are due, soonest first, unleased or with a lease that ran out; at most `limit`; expired ones are dropped. One step per partition. */
  claimDue(claim: {
    partitions: readonly Partition[];
    now: number;
    limit: number;
    holder: string;
    leaseMs: number;
  }): Promise<Claimed[]>;
  /** Done: the entry is deleted. False if the fence is not the entry's current one, or the lease was given back. */
  complete(id: string, fence: number): Promise<boolean>;
  /** Later again: lease ends, due at `dueAt`. False as in {@link complete}. */
  retry(id: string, fence: number, dueAt: number): Promise<boolean>;
  /** How many wait and since when the oldest is due, for metrics and drain. */
  backlog(partitions: readonly Partition[]): Promise<{ count: number; oldestDueAt?: number }>;
}
