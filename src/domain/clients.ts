import { createHash, randomBytes } from 'node:crypto';
import { type Clock, SECOND } from '../support/clock.ts';
import type { RandomBytes } from '../support/ids.ts';
import { sameText } from '../support/secrets.ts';
import { createTurns } from '../support/turns.ts';
import { DomainError } from './errors.ts';
import type { EventType } from './event.ts';
import { newEvent } from './new-event.ts';
import type { ClientSecret, ClientStore, StoredClient } from './ports/clients.ts';
import type { Page } from './ports/users.ts';
import type { By } from './users.ts';

/** RFC 7591 metadata and `assent_` members. */
export type Metadata = Record<string, unknown>;

export interface Client {
  id: string;
  version: number;
  /** Without secrets. */
  metadata: Metadata;
  /** `configuration`: fixed for the life of the process. */
  source: 'configuration' | 'registered';
  /** When its secrets were made, and how long former ones are still accepted; newest first. */
  secrets: ClientSecret[];
  registrationTokenHash?: string;
  createdAt?: number;
  updatedAt?: number;
}

/** A client and what is shown this once. */
export interface Shown {
  client: Client;
  secret?: string;
}

/** Registered clients: whoever asks has been authenticated, and what they ask for is checked here. */
export interface Clients {
  /** @throws DomainError client_metadata_invalid | client_exists */
  create(metadata: Metadata, by: By, options?: { registrationToken?: string }): Promise<Shown>;
  /** @throws DomainError client_not_found */
  get(id: string): Promise<Client>;
  /** Those of the configuration first. */
  list(page: Page): Promise<{ items: Client[]; nextCursor?: string }>;
  /**
   * All metadata anew (`replace`), or a merge patch (`patch`: null removes). A secret is made where the client needs one
   * and has none. @throws DomainError client_not_found | client_configured | client_metadata_invalid | stale_version
   */
  replace(id: string, metadata: Metadata, by: By, expectedVersion?: number): Promise<Shown>;
  patch(id: string, patch: Metadata, by: By, expectedVersion?: number): Promise<Shown>;
  /** A new secret; the former ones are accepted for `overlapSeconds` more. */
  rotateSecret(id: string, options: { overlapSeconds: number }, by: By): Promise<Shown>;
  setActive(id: string, isActive: boolean, by: By): Promise<Client>;
  /** Whether it is one that is accepted now. */
  isSecretOf(client: Client, presented: string): boolean;
  /** Final: the id is never given again. */
  remove(id: string, by: By): Promise<void>;
}

export interface ClientsDeps {
  store: { clients: ClientStore };
  clock: Clock;
  /** Clients of the configuration. */
  configured: readonly Metadata[];
  /** Metadata as they are in force, defaults filled in. @throws DomainError client_metadata_invalid */
  check(metadata: Metadata): Promise<Metadata>;
  random?: RandomBytes;
}

/**
 * A change that names no version is tried again when another one came between. Changes of one client take turns here, so it can
 * only have been another process, and each try that is lost is a change that was made: nobody waits without end for nothing.
 */
const maxTries = 100;

export function createClients({ store, clock, configured, check, random = randomBytes }: ClientsDeps): Clients {
  const fixed = new Map(configured.map((metadata) => [String(metadata['client_id']), ofConfiguration(metadata)]));
  const inTurn = createTurns();
  const newSecret = () => random(32).toString('base64url');

  async function read(id: string): Promise<StoredClient> {
    if (fixed.has(id)) throw new DomainError('client_configured');
    const stored = await store.clients.get(id);
    if (!stored?.metadata) throw new DomainError('client_not_found');
    return stored;
  }

  /** `change` is asked again with the newer record when another change came between. */
  function update(id: string, change: Update, by: By, expectedVersion?: number): Promise<Shown> {
    return inTurn(id, () => tryUpdates(id, change, by, expectedVersion));
  }

  async function tryUpdates(id: string, change: Update, by: By, expectedVersion?: number): Promise<Shown> {
    for (let tries = 0; tries < maxTries; tries++) {
      const stored = await read(id);
      const now = clock();
      if ((expectedVersion ?? stored.version) !== stored.version) throw new DomainError('stale_version');
      const { client: changed, type, secret } = await change(stored, now);
      const client = { ...changed, version: stored.version + 1, updatedAt: now };
      const events = [newEvent(type, now, by, { clientId: id, partition })];
      const { result } = await store.clients.update({ client, events });
      if (result === 'missing') throw new DomainError('client_not_found');
      if (result === 'updated') return { client: clientOf(client), ...(secret !== undefined && { secret }) };
      if (expectedVersion !== undefined) throw new DomainError('stale_version');
    }
    throw new DomainError('unavailable', { detail: 'the client changes faster than it can be updated' });
  }

  async function withMetadata(stored: StoredClient, metadata: Metadata, now: number): Promise<Change> {
    if (metadata['client_id'] !== undefined && metadata['client_id'] !== stored.id) {
      throw invalid('client_id', 'cannot be changed');
    }
    refuseSecret(metadata);
    const checked = await check({ ...metadata, client_id: stored.id });
    const change: Change = { client: { ...stored, metadata: checked }, type: 'client.updated' };
    if (!needsSecret(checked)) return { ...change, client: { ...change.client, secrets: [] } };
    if (stored.secrets.length > 0) return change;
    const secret = newSecret();
    return { ...change, secret, client: { ...change.client, secrets: [secretOf(secret, now)] } };
  }

  const clients: Clients = {
    async create(metadata, by, { registrationToken } = {}) {
      refuseSecret(metadata);
      const now = clock();
      // hexadecimal: in base64url one of 64 begins with a dash, which terminals take for an option
      const id = metadata['client_id'] === undefined ? random(16).toString('hex') : metadata['client_id'];
      if (typeof id !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(id)) {
        throw invalid('client_id', 'must be 1 to 128 visible ASCII characters');
      }
      if (fixed.has(id)) throw new DomainError('client_exists');
      const checked = await check({ ...metadata, client_id: id });
      const secret = needsSecret(checked) ? newSecret() : undefined;
      const client: StoredClient = {
        id,
        version: 1,
        metadata: checked,
        secrets: secret === undefined ? [] : [secretOf(secret, now)],
        ...(registrationToken !== undefined && { registrationTokenHash: sha256(registrationToken) }),
        createdAt: now,
        updatedAt: now,
      };
      const events = [newEvent('client.created', now, by, { clientId: id, partition })];
      const { result } = await store.clients.create({ client, events });
      if (result === 'exists') throw new DomainError('client_exists');
      return { client: clientOf(client), ...(secret !== undefined && { secret }) };
    },

    async get(id) {
      return fixed.get(id) ?? clientOf(await read(id));
    },

    async list({ limit, cursor = 'c0' }) {
      const from = cursor.startsWith('c') ? Number(cursor.slice(1)) : fixed.size;
      const first = [...fixed.values()].slice(from, from + limit);
      if (from + first.length < fixed.size) return { items: first, nextCursor: `c${from + first.length}` };
      if (first.length === limit) return { items: first, nextCursor: 's' };
      const after = cursor.startsWith('s') ? cursor.slice(1) : '';
      const { items, nextCursor } = await store.clients.list({
        limit: limit - first.length,
        ...(after !== '' && { cursor: after }),
      });
      const rest = items.filter(({ metadata }) => metadata !== undefined).map(clientOf);
      return { items: [...first, ...rest], ...(nextCursor !== undefined && { nextCursor: `s${nextCursor}` }) };
    },

    replace: (id, metadata, by, expectedVersion) =>
      update(id, (stored, now) => withMetadata(stored, metadata, now), by, expectedVersion),

    patch: (id, patch, by, expectedVersion) =>
      update(id, (stored, now) => withMetadata(stored, merged(stored.metadata!, patch), now), by, expectedVersion),

    rotateSecret(id, { overlapSeconds }, by) {
      const rotate = (stored: StoredClient, now: number): Change => {
        if (!needsSecret(stored.metadata!)) throw new DomainError('state_conflict', { detail: 'it has no secret' });
        const until = now + overlapSeconds * SECOND;
        const former = stored.secrets
          .map((each) => ({ ...each, until: Math.min(each.until ?? until, until) }))
          .filter((each) => each.until > now);
        const secret = newSecret();
        const secrets = [secretOf(secret, now), ...former];
        return { client: { ...stored, secrets }, secret, type: 'client.secret_rotated' };
      };
      return update(id, rotate, by);
    },

    async setActive(id, isActive, by) {
      const stored = await read(id);
      if ((stored.metadata!['assent_active'] !== false) === isActive) return clientOf(stored);
      const type = isActive ? 'client.activated' : 'client.deactivated';
      const change = (now: StoredClient): Change => ({
        client: { ...now, metadata: { ...now.metadata, assent_active: isActive } },
        type,
      });
      return (await update(id, change, by)).client;
    },

    isSecretOf({ secrets }, presented) {
      const now = clock();
      return secrets.some(
        ({ hash, until }) => sameText(hash, sha256(presented)) && (until === undefined || now < until),
      );
    },

    async remove(id, by) {
      const erase = ({ id, version, createdAt }: StoredClient, now: number): Change => ({
        client: { id, version, secrets: [], createdAt, updatedAt: now, removedAt: now },
        type: 'client.removed',
      });
      await update(id, erase, by);
    },
  };
  return clients;
}

type Update = (stored: StoredClient, now: number) => Promise<Change> | Change;

interface Change {
  client: StoredClient;
  type: EventType;
  secret?: string;
}

/** Where all of them lie. */
const partition = '00';

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** RFC 7591 section 2: these methods rest on a secret that both sides know. */
function needsSecret(metadata: Metadata): boolean {
  return String(metadata['token_endpoint_auth_method'] ?? 'client_secret_basic').startsWith('client_secret_');
}

/** RFC 7591 section 2.1: secrets are made here, so that none is weak and none is known elsewhere. */
function refuseSecret(metadata: Metadata): void {
  if (metadata['client_secret'] !== undefined) throw invalid('client_secret', 'is made by the server');
}

function secretOf(secret: string, now: number): ClientSecret {
  return { hash: sha256(secret), createdAt: now };
}

function merged(metadata: Metadata, patch: Metadata): Metadata {
  const all = Object.entries({ ...metadata, ...patch });
  return Object.fromEntries(all.filter(([, value]) => value !== null));
}

function clientOf(stored: StoredClient): Client {
  const { id, version, metadata, secrets, registrationTokenHash, createdAt, updatedAt } = stored;
  return {
    id,
    version,
    metadata: metadata ?? {},
    source: 'registered',
    secrets,
    ...(registrationTokenHash !== undefined && { registrationTokenHash }),
    createdAt,
    updatedAt,
  };
}

function ofConfiguration({ client_secret: _secret, ...metadata }: Metadata): Client {
  return { id: String(metadata['client_id']), version: 0, metadata, source: 'configuration', secrets: [] };
}

function invalid(name: string, reason: string): DomainError {
  return new DomainError('client_metadata_invalid', {
    detail: `${name} ${reason}`,
    members: { invalid_params: [{ name, reason }] },
  });
}
