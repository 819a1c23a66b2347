/**
 * Telling a client that its request has ended (CIBA Core 10.2, 10.3, 12). The protocol makes the messages, a channel
 * carries them.
 *
 *     outbox entry ──address──> where to, until when ──message──> send ──taken──────────> delivered
 *                                                             │      ├──try again──────> failed
 *                                                             │      └──never any more─> abandoned
 *                                                             ├──> later (somebody else has it in hands)
 *                                                             ├──> done  (its end was recorded; only the entry was left)
 *                                                             └──> none  (nothing is owed any more)
 */
import type { OutboxEntry } from './ports/outbox.ts';

export interface Addressed {
  clientId: string;
  /** As it was registered when the request was made. */
  endpoint: string;
  /** The client's `client_notification_token`. */
  token: string;
  /** Epoch milliseconds: tried no longer. */
  giveUpAt: number;
}

export type NotificationMessage =
  | {
      message: 'send';
      body: Record<string, unknown>;
      /** It is signed under each of them (Standard Webhooks). None: not signed. */
      secrets: string[];
      /** The client has it. */
      delivered(): Promise<void>;
      /** It has not, and will be tried again. */
      failed(): Promise<void>;
      /** It will not be tried again. Tokens in it are revoked: nobody knows who has them. */
      abandoned(): Promise<void>;
    }
  | { message: 'later'; afterMs: number }
  | { message: 'done' }
  | { message: 'none'; reason: string };

export interface Notifications {
  address(entry: OutboxEntry): Addressed;
  /** What is to be said now. The same tokens, however often it is asked. */
  message(entry: OutboxEntry): Promise<NotificationMessage>;
}
