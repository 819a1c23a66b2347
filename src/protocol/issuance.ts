import type { Decision, Operation } from '../domain/operation.ts';
import type { User } from '../domain/user.ts';
import type { Clock } from '../support/clock.ts';
import { SECOND } from '../support/clock.ts';
import type { Secrets } from '../support/secrets.ts';
import { acrsIn } from './asked.ts';
import { type EngineContext, inContext, issue, issuePushed, type KeyProof } from './engine-patches.ts';
import { ProtocolError } from './errors.ts';
import type { Engine } from './provider.ts';
import { openRequest } from './request-record.ts';

export interface Approved {
  operation: Operation;
  user: User;
  proof: KeyProof | undefined;
  /** The `auth_req_id`, where the tokens leave by push: the ID token vouches for all that comes with it (CIBA Core 10.3.1). */
  pushed?: string;
}

/** The token response of an approved operation as it is kept until it has left the server. */
export interface StoredResponse {
  /** Epoch milliseconds. */
  issuedAt: number;
  body: { expires_in?: number; [member: string]: unknown };
}

/**
 * Grant, access token, ID token, and a refresh token where the client may have one: made by the engine, written in one
 * round trip. Nobody knows them yet. One grant per operation, so revoking it touches nothing else (ruling 6).
 */
export async function issueTokens(
  { provider, storage, settings }: Engine,
  ctx: EngineContext,
  approved: Approved,
  { secrets, clock }: { secrets: Pick<Secrets, 'open' | 'hmac'>; clock: Clock },
): Promise<StoredResponse> {
  const { operation, user, proof, pushed } = approved;
  const { decision } = operation;
  if (!decision) throw new Error('an approved operation has a decision');
  const { scope, claims, nonce, resource, rar, jkt } = openRequest(secrets, operation);
  // not invalid_grant, by which a client would give up what is alive (I-07)
  if (jkt !== undefined && jkt !== proof?.dpop?.thumbprint) {
    throw new ProtocolError('invalid_dpop_proof', 'the request was started with another DPoP key');
  }
  // who was found and checked with the operation need not be read again
  ctx.state['user'] = user;

  const { result, batch } = await storage.gather(ctx, () =>
    inContext(ctx, async () => {
      const grant = new provider.Grant({
        accountId: user.id,
        clientId: ctx.oidc.client.clientId,
        ...(pushed !== undefined && { jti: grantIdOf(secrets, operation.id) }),
      });
      grant.addOIDCScope(scope);
      if (resource !== undefined) grant.addResourceScope(resource, scope);
      if (claims) grant.addOIDCClaims([...Object.keys(claims.id_token ?? {}), ...Object.keys(claims.userinfo ?? {})]);
      const request = new provider.BackchannelAuthenticationRequest({
        accountId: user.id,
        clientId: ctx.oidc.client.clientId,
      });
      Object.assign(request, {
        scope,
        claims,
        nonce,
        grantId: await grant.save(),
        ...(resource !== undefined && { resource }),
        ...(rar && { rar }),
        acr: acrOf(decision, acrsIn(claims), settings.acr),
        amr: decision.amr,
        authTime: Math.floor(decision.decidedAt / SECOND),
      });
      return pushed === undefined
        ? issue(provider, ctx, { request, grant, proof })
        : issuePushed(provider, ctx, { request, grant }, pushed);
    }),
  );
  await storage.write(batch);
  return { issuedAt: clock(), body: result };
}

/** Of a push: found again without the tokens, should they have to be revoked. */
export function grantIdOf(secrets: Pick<Secrets, 'hmac'>, operationId: string): string {
  return secrets.hmac('grant', operationId);
}

/**
 * One of those that were asked for. Whoever proved two factors has proved possession as well.
 * @throws ProtocolError access_denied where none of them was proved, which a start does not let happen
 */
function acrOf({ acr }: Decision, wanted: string[], names: { possession: string; twoFactor: string }): string {
  if (wanted.length === 0 || wanted.includes(acr)) return acr;
  if (acr === names.twoFactor && wanted.includes(names.possession)) return names.possession;
  throw new ProtocolError('access_denied', 'The user was not authenticated as the request asks.');
}

/** The stored response, given later: the lifetime has shrunk meanwhile. */
export function repeated(stored: string, now: number): StoredResponse['body'] {
  const { issuedAt, body } = JSON.parse(stored) as StoredResponse;
  if (body.expires_in === undefined) return body;
  return { ...body, expires_in: Math.max(0, body.expires_in - Math.round((now - issuedAt) / SECOND)) };
}
