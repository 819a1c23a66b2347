import type { OutboxKind } from './outbox.ts';

/** One attempt to tell a client something. Neither token nor body, and nobody's name: its operators may see all of it. */
export interface NotificationLine {
  /** Of the audit event that tells the same. */
  id: string;
  clientId: string;
  operationId: string;
  mode: OutboxKind;
  /** Which attempt it was, from 1. */
  attempt: number;
  /** `failed`: it is tried again. `abandoned`: it is not. */
  outcome: 'delivered' | 'failed' | 'abandoned';
  /** Epoch milliseconds. */
  at: number;
  /** HTTP status, where there was an answer. */
  status?: number;
  /** Why it failed. */
  reason?: string;
  /** How long the call took. */
  ms?: number;
}

/**
 * The delivery log of a client. Partition: hash of the client's id, not that of the operation, whose audit event tells the
 * same. So an attempt is noted in two steps, in any order, before the outbox hears of its outcome: what dies in between
 * leaves its entry under a lease that runs out, comes again, and is noted again as the next attempt.
 */
export interface NotificationLogStore {
  /** The same line twice is one. Drops what is over: all but the last `keep` lines, and lines that are older than `keepMs`. */
  append(append: { line: NotificationLine; keep: number; keepMs: number }): Promise<void>;
  /** Newest first; none that is not younger than `since`. */
  ofClient(query: {
    clientId: string;
    since: number;
    limit: number;
    cursor?: string;
  }): Promise<{ items: NotificationLine[]; nextCursor?: string }>;
}
