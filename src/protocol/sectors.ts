import { type Client, errors } from 'oidc-provider';
import type { Fetch } from './client-keys.ts';
import { grantType } from './vocabulary.ts';

/**
 * OIDC Core 8.1, CIBA Core 4: whoever hosts the sector's list must name the client in it, or anybody could join a sector and
 * learn who its users are elsewhere. Pushed clients are named by their notification endpoint, which the engine leaves out.
 *
 * @throws errors.InvalidClientMetadata; one text for whatever went wrong on the way, so that the answer maps no network
 */
export async function checkSector(client: Client, fetch: Fetch): Promise<void> {
  const { sectorIdentifierUri } = client;
  if (sectorIdentifierUri === undefined) return;
  const listed = await listOf(sectorIdentifierUri, fetch).catch((cause: unknown) => {
    throw Object.assign(new errors.InvalidClientMetadata('sector_identifier_uri does not answer with a list'), {
      cause,
    });
  });
  const missing = named(client).find(([, address]) => !listed.includes(address));
  if (missing) throw new errors.InvalidClientMetadata(`sector_identifier_uri does not list the ${missing[0]}`);
}

async function listOf(address: string, fetch: Fetch): Promise<unknown[]> {
  const response = await fetch(address, { headers: { accept: 'application/json' }, redirect: 'error' });
  const list: unknown = response.status === 200 ? await response.json() : undefined;
  if (!Array.isArray(list)) throw new TypeError(`status ${response.status}, or no list`);
  return list;
}

/** By what the client is known in its sector. */
function named(client: Client): [member: string, address: unknown][] {
  const redirects = (client.redirectUris ?? []).map((uri): [string, string] => ['redirect_uris', uri]);
  if (!client.grantTypeAllowed(grantType.ciba)) return redirects;
  const isPushed = (client.backchannelTokenDeliveryMode as string) === 'push';
  const own: [string, unknown] = isPushed
    ? ['backchannel_client_notification_endpoint', client.backchannelClientNotificationEndpoint]
    : ['jwks_uri', client.jwksUri];
  return [...redirects, own];
}
