import { hash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Client } from 'oidc-provider';
import type { ClientDirectory } from './client-directory.ts';

/**
 * Secrets that clients have shown in `Authorization` and that the engine has found right. Who polls shows the same one
 * thousands of times, and to take it apart and compare it anew is the dearest step of a pending poll.
 */
export interface ShownSecrets {
  /** The client that has shown just this before, as it is now. undefined: the engine must look. */
  clientOf(authorization: string): Promise<Client | undefined>;
  /** What the engine has found right. */
  remember(authorization: string, client: Client): void;
}

/** Clients times secrets. The oldest goes, and costs one look of the engine. */
const maxKnown = 5_000;

export function createShownSecrets({ find, hasExpiry }: Pick<ClientDirectory, 'find' | 'hasExpiry'>): ShownSecrets {
  // by a hash that nobody outside can compute: neither the secret nor the time that a look-up takes tells anything
  const known = new Map<string, Client>();
  const salt = randomBytes(32).toString('base64url');
  const keyOf = (authorization: string) => hash('sha256', salt + authorization, 'base64url');

  return {
    async clientOf(authorization) {
      const key = keyOf(authorization);
      const client = known.get(key);
      if (!client) return undefined;
      // Another model is another secret, perhaps: the client was changed. None: it was switched off.
      if ((await find(client.clientId)) === client) return client;
      known.delete(key);
      return undefined;
    },

    remember(authorization, client) {
      if (hasExpiry(client)) return;
      known.set(keyOf(authorization), client);
      if (known.size > maxKnown) known.delete(known.keys().next().value!);
    },
  };
}

/** The header, where nothing else in the request says who calls. */
export function shownSecretOf({ headers }: IncomingMessage, others: object): string | undefined {
  const { authorization } = headers;
  const isAlone =
    Object.keys(others).length === 0 &&
    headers['oauth-client-attestation'] === undefined &&
    headers['oauth-client-attestation-pop'] === undefined;
  return isAlone ? authorization : undefined;
}
