import { timingSafeEqual } from 'node:crypto';
import type Provider from 'oidc-provider';
import { type Client, errors } from 'oidc-provider';
import { sha256 } from '../domain/clients.ts';
import type { ClientSecret, ClientStore } from '../domain/ports/clients.ts';
import { type Clock, elapsed, SECOND } from '../support/clock.ts';
import { watchKeys } from './client-keys.ts';
import { makeRegistered } from './client-metadata.ts';
import { isActive } from './clients.ts';
import type { ClientMetadata, Log, ProtocolSettings } from './deps.ts';

/** Who clients are, for the engine: those of the configuration, and those that were registered. */
export interface ClientDirectory {
  /** undefined for those that do not exist, were removed, or are switched off. */
  find(id: string): Promise<Client | undefined>;
  /** undefined: this client's secret is not known by its hash. */
  compareSecret(client: Client, presented: string): boolean | undefined;
  /** A secret of this client ends at a set time: that it was right once says nothing about now. */
  hasExpiry(client: Client): boolean;
}

export interface ClientDirectoryDeps {
  provider: Provider;
  /** Of the configuration; the store is not asked about them. */
  fixed: ReadonlyMap<string, Client>;
  store: Pick<ClientStore, 'get' | 'revision'>;
  settings: ProtocolSettings;
  clock: Clock;
  log: Log;
}

/** Models in memory; the least recently used goes. Each holds a key set and perhaps a fetched one. */
const maxCached = 5_000;
/** A change in another process counts here after this time at the latest. */
const checkEveryMs = SECOND;

interface Cached {
  version: number;
  /** The revision of the store at which this was the newest version. */
  revision: number;
  model?: Client;
}

/**
 * Registered clients are read once and kept, as long as the store's revision says that none has changed; it is asked at
 * most once a second, together for all clients. After a change each is read again when it is next used, and only those
 * that are really new are made anew: the others keep the keys that were fetched for them.
 */
export function createClientDirectory(deps: ClientDirectoryDeps): ClientDirectory {
  const { provider, fixed, store, settings, clock, log } = deps;
  const cache = new Map<string, Cached>();
  const secrets = new WeakMap<Client, ClientSecret[]>();
  let revision = -1;
  let checkedAt = Number.NEGATIVE_INFINITY;
  let checking: Promise<void> | undefined;

  /** One call for all who wait. What counts is when it began: a change after that may not be in its answer. */
  async function check(): Promise<void> {
    const begun = clock();
    checking ??= store.revision().then(
      (found) => {
        [revision, checkedAt, checking] = [found, begun, undefined];
      },
      (error: unknown) => {
        checking = undefined;
        throw error;
      },
    );
    await checking;
  }

  async function read(id: string, former: Cached | undefined): Promise<Client | undefined> {
    const at = revision;
    const stored = await store.get(id);
    // unknown ids are not remembered: anybody can invent any number of them
    if (!stored?.metadata) {
      cache.delete(id);
      return undefined;
    }
    const isSame = former?.version === stored.version;
    const model = isSame ? former.model : make(id, stored.metadata, stored.secrets);
    keep(id, { version: stored.version, revision: at, ...(model && { model }) });
    return model;
  }

  /** Settings may have become stricter since it was registered: then it is of no use, and the operator is told. */
  function make(id: string, metadata: Record<string, unknown>, itsSecrets: ClientSecret[]): Client | undefined {
    try {
      const model = makeRegistered(provider, { ...metadata, client_id: id } as ClientMetadata, settings);
      watchKeys(model, clock);
      secrets.set(model, itsSecrets);
      return model;
    } catch (error) {
      if (!(error instanceof errors.InvalidClientMetadata)) throw error;
      log.error('client.unusable', { clientId: id, detail: error.error_description });
      return undefined;
    }
  }

  function keep(id: string, entry: Cached): void {
    cache.delete(id);
    cache.set(id, entry);
    if (cache.size > maxCached) cache.delete(cache.keys().next().value!);
  }

  return {
    async find(id) {
      const configured = fixed.get(id);
      if (configured) return isActive(configured) ? configured : undefined;
      if (typeof id !== 'string' || id === '' || id.length > 128) return undefined;
      if (elapsed(clock(), checkedAt) >= checkEveryMs) await check();
      const known = cache.get(id);
      if (known?.revision === revision) keep(id, known);
      const client = known?.revision === revision ? known.model : await read(id, known);
      return client && isActive(client) ? client : undefined;
    },

    compareSecret(client, presented) {
      const itsSecrets = secrets.get(client);
      if (!itsSecrets) return undefined;
      const digest = Buffer.from(sha256(presented), 'hex');
      const now = clock();
      // all are compared, each in constant time
      const matching = itsSecrets.filter(({ hash }) => timingSafeEqual(Buffer.from(hash, 'hex'), digest));
      return matching.some(({ until }) => until === undefined || now < until);
    },

    hasExpiry: (client) =>
      Boolean(client.clientSecretExpiresAt) || (secrets.get(client) ?? []).some(({ until }) => until !== undefined),
  };
}
