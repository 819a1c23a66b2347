/** The `claims` parameter (OpenID Connect Core 5.5): what a client gets by it, and whom it names. */
import type { ClaimsParameter, Client } from 'oidc-provider';
import { claimsOfScope } from './accounts.ts';
import type { ProtocolDeps } from './deps.ts';
import { pairwiseSubject, sectorOf } from './subjects.ts';

/** It asks for no more than the scopes that the client may have. */
export function allowedClaims(claims: ClaimsParameter | undefined, client: Client): ClaimsParameter | undefined {
  if (!claims?.id_token && !claims?.userinfo) return undefined;
  const refusedClaims = claimsBeyond(client);
  const without = (members: object = {}) =>
    Object.fromEntries(Object.entries(members).filter(([name]) => !refusedClaims.includes(name)));
  return { id_token: without(claims.id_token), userinfo: without(claims.userinfo) };
}

/** Of the claims that there are, those that no scope of this client releases. */
export function claimsBeyond({ scope }: Client): string[] {
  const scopes = scope?.split(' ');
  return Object.entries(claimsOfScope).flatMap(([each, names]) => (!scopes || scopes.includes(each) ? [] : names));
}

/** Each once. */
export function namesIn({ id_token: idToken, userinfo }: ClaimsParameter = {}): string[] {
  return [...new Set([...Object.keys(idToken ?? {}), ...Object.keys(userinfo ?? {})])];
}

/** What of the person it brings that these scopes do not bring already. */
export function claimsBesides(scopes: readonly string[], claims: ClaimsParameter | undefined): string[] {
  const wanted = namesIn(claims);
  return Object.entries(claimsOfScope)
    .filter(([scope]) => scope !== 'openid' && !scopes.includes(scope))
    .flatMap(([, names]) => names.filter((name) => wanted.includes(name)));
}

/** 5.5.1: where `sub` is asked for with a value, nobody else may be told of. */
export function isMeant(
  userId: string,
  { claims, client, secrets }: { claims: ClaimsParameter | undefined; client: Client } & Pick<ProtocolDeps, 'secrets'>,
): boolean {
  const wanted = [claims?.id_token?.['sub'], claims?.userinfo?.['sub']].flatMap(valuesOf);
  if (wanted.length === 0) return true;
  const isPairwise = client.subjectType === 'pairwise';
  const sub = isPairwise ? pairwiseSubject(secrets, sectorOf(client), userId) : userId;
  return wanted.every((allowed) => allowed.includes(sub));
}

/** Of one request for a claim: the values that would do. None: any. */
function valuesOf(request: unknown): unknown[][] {
  const { value, values } = (request ?? {}) as { value?: unknown; values?: unknown };
  return [...(value === undefined ? [] : [[value]]), ...(values === undefined ? [] : [[values].flat()])];
}
