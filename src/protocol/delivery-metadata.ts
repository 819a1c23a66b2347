import { type Client, errors } from 'oidc-provider';
import type { ClientMetadata } from './deps.ts';
import { deliveryModeOf } from './notification-record.ts';

/**
 * How a client may be told, beyond what the engine checks (mode supported, endpoint there and `https`: C-01, C-02).
 *
 * @throws the engine's InvalidClientMetadata
 */
export function checkDelivery(client: Client, metadata: ClientMetadata): void {
  const mode = deliveryModeOf(client);
  const endpoint = client.backchannelClientNotificationEndpoint;
  if (mode === 'poll' || endpoint === undefined) return;
  const { hash, username, password } = new URL(endpoint);
  // C-13. An empty fragment is one, too.
  if (hash !== '' || endpoint.includes('#'))
    refuse('backchannel_client_notification_endpoint must not have a fragment');
  if (username !== '' || password !== '') refuse('backchannel_client_notification_endpoint must not have credentials');
  if (mode === 'push' && isSenderConstrained(metadata)) {
    refuse('tokens that are bound to a key of the client cannot be pushed: it proves that key when it fetches them');
  }
}

/** by push, nobody proves a key. As it is written: the engine drops what this server cannot do. */
function isSenderConstrained(metadata: ClientMetadata): boolean {
  return (
    metadata['dpop_bound_access_tokens'] === true || metadata['tls_client_certificate_bound_access_tokens'] === true
  );
}

function refuse(why: string): never {
  throw new errors.InvalidClientMetadata(why);
}
