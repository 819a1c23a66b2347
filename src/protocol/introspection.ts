import type { AccessToken, Client, ClientCredentials, RefreshToken } from 'oidc-provider';
import { clientMember } from './vocabulary.ts';

/** What can be introspected. */
export type Introspected = AccessToken | ClientCredentials | RefreshToken;

/**
 * Whose business a token is (RFC 7662 section 4: who may ask can learn who uses which service): the client that it was
 * issued to, the resource server that it is for, and whoever the operator says may see all. To everybody else it is as
 * inactive as one that does not exist.
 *
 * A resource server is a client like any other, whose `client_id` is the audience of its tokens.
 */
export function mayIntrospect(client: Client, token: Introspected): boolean {
  if (token.clientId === client.clientId || client[clientMember.introspect] === 'any') return true;
  const audience = (token as AccessToken).aud ?? [];
  return [audience].flat().includes(client.clientId);
}
