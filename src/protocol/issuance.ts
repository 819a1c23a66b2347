import type { Operation } from '../domain/operation.ts';
import type { User } from '../domain/user.ts';
import type { Clock } from '../support/clock.ts';
import { SECOND } from '../support/clock.ts';
import type { Secrets } from '../support/secrets.ts';
import { type EngineContext, inContext, issue, issuePushed, type KeyProof } from './engine-patches.ts';
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
  { provider, storage }: Engine,
  ctx: EngineContext,
  approved: Approved,
  { secrets, clock }: { secrets: Pick<Secrets, 'open' | 'hmac'>; clock: Clock },
): Promise<StoredResponse> {
  const { operation, user, proof, pushed } = approved;
  const { decision } = operation;
  if (!decision) throw new Error('an approved operation has a decision');
  const { scope, claims, nonce } = openRequest(secrets, operation);
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
      const request = new provider.BackchannelAuthenticationRequest({
        accountId: user.id,
        clientId: ctx.oidc.client.clientId,
      });
      Object.assign(request, {
        scope,
        claims,
        nonce,
        grantId: await grant.save(),
        acr: decision.acr,
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

/** The stored response, given later: the lifetime has shrunk meanwhile. */
export function repeated(stored: string, now: number): StoredResponse['body'] {
  const { issuedAt, body } = JSON.parse(stored) as StoredResponse;
  if (body.expires_in === undefined) return body;
  return { ...body, expires_in: Math.max(0, body.expires_in - Math.round((now - issuedAt) / SECOND)) };
}
