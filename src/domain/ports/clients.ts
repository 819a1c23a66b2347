import type { AuditEvent } from '../event.ts';
import type { Page } from './users.ts';

/**
 * A client that was registered while the server ran, by the management API or dynamically (RFC 7591). Those of the
 * configuration are not stored.
 *
 *     active <──> switched off (`assent_active: false`)
 *         └──────────┴──> removed (metadata and secrets erased; the id is never given again)
 */
export interface StoredClient {
  /** The `client_id`. */
  id: string;
  version: number;
  /** RFC 7591 metadata and `assent_` members, without any secret; absent once removed. */
  metadata?: Record<string, unknown>;
  /** Newest first; all that are not over are accepted. */
  secrets: ClientSecret[];
  /** SHA-256 of the registration access token (RFC 7592), hexadecimal. */
  registrationTokenHash?: string;
  createdAt: number;
  updatedAt: number;
  removedAt?: number;
}

/** Ours are 256 random bits, so a plain hash gives nothing away and is quick enough for every poll. */
export interface ClientSecret {
  /** SHA-256, hexadecimal. */
  hash: string;
  createdAt: number;
  /** Not accepted from then on; absent: until it is replaced. */
  until?: number;
}

/** Registered clients. One partition for all: `00`; there are few changes and one number that tells of all of them. */
export interface ClientStore {
  get(id: string): Promise<StoredClient | undefined>;
  /** In the order of ids, removed ones included. */
  list(page: Page): Promise<{ items: StoredClient[]; nextCursor?: string }>;
  /** `exists`: the id is taken, were it by one that was removed. */
  create(create: { client: StoredClient; events: AuditEvent[] }): Promise<{ result: 'created' } | { result: 'exists' }>;
  /** Replaces the record if it still has the version before `client.version`. */
  update(update: {
    client: StoredClient;
    events: AuditEvent[];
  }): Promise<{ result: 'updated' } | { result: 'stale' } | { result: 'missing' }>;
  /** Grows in the same step with every change of any client, so that one read tells a cache that it is still right. */
  revision(): Promise<number>;
}
