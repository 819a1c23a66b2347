import type Provider from 'oidc-provider';
import { type Client, errors } from 'oidc-provider';
import { makeClient } from './client-metadata.ts';
import type { ClientMetadata, ProtocolSettings } from './deps.ts';
import {
  assertionPolicies,
  clientMember,
  clientMethods,
  holdSeconds,
  introspectModes,
  matchModes,
  unknownUserModes,
} from './vocabulary.ts';

/** Clients that cannot be used as they are written; found at start, all at once. */
export class ClientMetadataError extends Error {
  readonly problems: { setting: string; message: string }[];

  constructor(problems: { setting: string; message: string }[]) {
    super(problems.map(({ setting, message }) => `${setting}: ${message}`).join('\n'));
    this.name = 'ClientMetadataError';
    this.problems = problems;
  }
}

/**
 * The clients of the configuration as the engine's models, made and checked now: the engine itself would do so at first use,
 * and tell the caller (ruling 1). As many as there are in the configuration, for the life of this provider.
 *
 * `sector_identifier_uri` is believed as configured: fetching it guards against what strangers register, not operators.
 *
 * @throws ClientMetadataError
 */
export function loadClients(
  provider: Provider,
  clients: ClientMetadata[],
  settings: ProtocolSettings,
): Map<string, Client> {
  const models = new Map<string, Client>();
  const problems: { setting: string; message: string }[] = [];
  clients.forEach((metadata, index) => {
    const setting = `clients[${index}] (${metadata.client_id})`;
    try {
      if (models.has(metadata.client_id)) throw new errors.InvalidClientMetadata('client_id is taken already');
      models.set(metadata.client_id, makeClient(provider, metadata, settings));
    } catch (error) {
      if (!(error instanceof errors.InvalidClientMetadata)) throw error;
      problems.push({ setting, message: error.error_description ?? error.message });
    }
  });
  if (problems.length > 0) throw new ClientMetadataError(problems);
  return models;
}

/** A client that is switched off is like one that does not exist, also for what it started before (promise 5). */
export function isActive(client: Client): boolean {
  return client[clientMember.active] !== false;
}

export const ownMetadata = {
  properties: Object.values(clientMember) as string[],
  validator(_ctx: unknown, member: string, value: unknown): void {
    if (member === clientMember.notificationKeys) {
      checkKeyNames(member, value);
      return;
    }
    const allowed: readonly unknown[] = {
      [clientMember.match]: matchModes,
      [clientMember.method]: clientMethods,
      [clientMember.active]: [true, false],
      [clientMember.documents]: [true, false],
      [clientMember.unknownUser]: unknownUserModes,
      [clientMember.hold]: holdSeconds,
      [clientMember.introspect]: introspectModes,
      [clientMember.audience]: assertionPolicies,
    }[member]!;
    if (value !== undefined && !allowed.includes(value)) {
      throw new errors.InvalidClientMetadata(`${member} must be one of ${allowed.join(', ')}`);
    }
  },
};

/** One, and the former one beside it while receivers change over. */
function checkKeyNames(member: string, value: unknown): void {
  const isName = (name: unknown) => typeof name === 'string' && /^[\w.-]{1,32}$/.test(name);
  if (value === undefined) return;
  if (!Array.isArray(value) || value.length > 2 || !value.every(isName) || new Set(value).size !== value.length) {
    throw new errors.InvalidClientMetadata(
      `${member} must be at most two different names of letters, digits, dots, dashes and underscores`,
    );
  }
}
