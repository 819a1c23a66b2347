import type { ClaimsParameter, Client } from 'oidc-provider';
import type { Shown } from '../domain/operations.ts';
import { claimsBesides } from './claims.ts';

/** What a client gets by an approval, as it is named to the person; the same in a browser and at `/bc-authorize`. */
export interface Shared {
  client: { id: string; name: string };
  scopes: string[];
  /** Of the person, beyond what the scopes bring. */
  claims: string[];
  /** What the access token is for. */
  resources: string[];
}

/** In the person's words. `languages` by preference. undefined: it gets nothing but that it is them. */
export type Consent = (shared: Shared, languages: readonly string[]) => Shown['context'] | undefined;

export function sharedWith(
  { clientId, clientName }: Client,
  given: { scope: string; claims: ClaimsParameter | undefined; resources: string[] },
): Shared {
  const scopes = given.scope.split(' ').filter((each) => each !== '');
  return {
    client: { id: clientId, name: clientName ?? clientId },
    scopes,
    claims: claimsBesides(scopes, given.claims),
    resources: given.resources,
  };
}
