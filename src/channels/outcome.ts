import type { OutboxEntry } from '../domain/ports/outbox.ts';

/** What became of one attempt. Only `retry` and `later` come again, within the life of the entry. */
export type DeliveryOutcome =
  /** The far side took it; says nothing about the person. */
  | { outcome: 'accepted'; reference?: string }
  | { outcome: 'retry'; afterMs?: number; reason: string }
  /** Not tried: whoever should get it is busy or let alone for a while. */
  | { outcome: 'later'; afterMs: number }
  /** Never to be tried again: the channel is closed for good. */
  | { outcome: 'gone'; reason: string };

/** Delivers entries of one kind. Has a deadline of its own; what it throws is a fault, and is tried again. */
export type Handler = (entry: OutboxEntry) => Promise<DeliveryOutcome>;
