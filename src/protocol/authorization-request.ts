/**
 * Signed requests of browsers and at `/oauth/par` (RFC 9101). The engine compares `iss`, `aud`, `exp` and `nbf` where they are
 * there, and verifies the signature; what it leaves open is here. Those of `/bc-authorize` are in `signed-request.ts`.
 *
 *     size → strict JSON → typ → exp, window, subject ─engine: signature, all parameters─> jti used up, if there is one
 */
import { type Client, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { ProtocolDeps } from './deps.ts';
import { isInstant, isTyp, type ReadJwt, readJwt } from './jwt-text.ts';
import { clockToleranceSeconds, isFirstUse, maxLength, maxWindowSeconds } from './signed-request.ts';
import { route } from './vocabulary.ts';

type Context = KoaContextWithOIDC;

export interface AuthorizationRequests {
  /** Before the signature, of nothing that was checked when it was pushed. @throws errors.InvalidRequestObject */
  check(ctx: Context, client: Client): void;
  /** When everything else in the request is right: nobody can use up what they cannot sign. @throws errors.InvalidRequestObject */
  useUp(ctx: Context): Promise<void>;
}

export function createAuthorizationRequests(deps: Pick<ProtocolDeps, 'replay' | 'clock'>): AuthorizationRequests {
  return {
    check(ctx, client) {
      // what was pushed was checked then, and the engine reads it once more when the browser comes
      if (ctx.oidc.route === route.authentication || ctx.oidc.entities.PushedAuthorizationRequest) return;
      const { header, payload } = read(String(ctx.oidc.params?.['request']));
      if (!isTyp(header.typ, 'oauth-authz-req+jwt', 'jwt')) throw refused('the typ of the request object is another');
      checkClaims(payload, client, deps.clock() / 1000);
      const { jti, exp } = payload as { jti?: string; exp: number };
      ctx.state['signed'] = jti === undefined ? undefined : { jti, exp };
    },

    async useUp(ctx) {
      const signed = ctx.state['signed'] as { jti: string; exp: number } | undefined;
      if (!signed) return;
      if (!(await isFirstUse(deps, ctx.oidc.client!.clientId, signed))) {
        throw refused('the request object was used before');
      }
    },
  };
}

function read(request: string): ReadJwt {
  if (request.length > maxLength) throw refused('the request object is too large');
  try {
    return readJwt(request);
  } catch (cause) {
    throw refused('the request object cannot be read', cause);
  }
}

/** `nbf` and `iat` may be missing; then the window begins now. */
function checkClaims({ exp, iat, nbf, jti, sub }: ReadJwt['payload'], { clientId }: Client, now: number): void {
  if (!isInstant(exp)) throw refused('the request object is missing exp');
  if ([iat, nbf].some((each) => each !== undefined && !isInstant(each))) throw refused('iat and nbf must be numbers');
  const begin = (nbf as number | undefined) ?? now + clockToleranceSeconds;
  if (exp - begin > maxWindowSeconds) throw refused('the request object is valid for too long');
  if (iat !== undefined && (iat as number) > now + clockToleranceSeconds) {
    throw refused('the request object was issued in the future');
  }
  if (jti !== undefined && (typeof jti !== 'string' || jti === '' || jti.length > 256)) {
    throw refused('jti must be a text');
  }
  // RFC 9101, 10.8: with the client as its subject it could pass for a client assertion
  if (sub === clientId) throw refused('the client must not be the subject of its request object');
}

function refused(description: string, cause?: unknown): Error {
  return Object.assign(new errors.InvalidRequestObject(description), { cause });
}
