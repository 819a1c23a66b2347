import type { RequestListener } from 'node:http';
import type Provider from 'oidc-provider';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { ProtocolDeps } from './deps.ts';
import { asOAuthError, errorBody } from './errors.ts';
import { logRefusal } from './log-refusal.ts';
import { isForBrowsers, prepareForBrowsers } from './sign-in-engine.ts';
import { claimsOfStructured } from './structured-tokens.ts';
import { path, route } from './vocabulary.ts';

/** The engine tells of its refusals by these events, when its own answer is written but not sent. */
const refusals = [
  'introspection.error',
  'revocation.error',
  'userinfo.error',
  'discovery.error',
  'jwks.error',
  'pushed_authorization_request.error',
  'server_error',
] as const;

/** Answered by a page, or at the relying party. */
const browserRefusals = [
  'authorization.error',
  'end_session.error',
  'end_session_confirm.error',
  'end_session_success.error',
] as const;

/** What the engine says of itself as if browsers were served; only true things are left (CIBA Core 4, DISC 3). */
const untrue = [
  'authorization_endpoint',
  'authorization_response_iss_parameter_supported',
  'code_challenge_methods_supported',
  'response_modes_supported',
] as const;

const notEncrypted = ['request_object', 'userinfo'].flatMap((what) =>
  ['alg', 'enc'].map((kind) => `${what}_encryption_${kind}_values_supported`),
);

type Deps = Pick<ProtocolDeps, 'issuer' | 'log' | 'settings' | 'mtls' | 'registration' | 'signIn'>;

/** The endpoints that the engine serves by itself, with its answers set right (ruling 2, E-02 to E-05). */
export function engineListener(provider: Provider, deps: Deps): RequestListener {
  const { log, issuer, signIn } = deps;
  const note = (ctx: KoaContextWithOIDC, thrown: unknown) => {
    const error = asOAuthError(thrown);
    logRefusal(log, { route: ctx.oidc.route, clientId: ctx.oidc.client?.clientId }, error, thrown);
    return error;
  };
  const setRight = (ctx: KoaContextWithOIDC, thrown: unknown) => {
    const error = note(ctx, thrown);
    ctx.status = error.status;
    if (error.retryAfterSeconds !== undefined) ctx.set('retry-after', String(error.retryAfterSeconds));
    if (isForBrowsers(ctx)) return;
    ctx.body = errorBody(error);
    ctx.set('cache-control', 'no-store');
  };
  const events: { on(event: string, listener: (...args: never[]) => void): unknown } = provider;
  for (const event of refusals) events.on(event, setRight);
  for (const event of browserRefusals) events.on(event, note);
  // what breaks after the answer has begun
  events.on('error', (error: unknown) => log.debug('oauth.broken', { error }));

  if (signIn) prepareForBrowsers(provider, issuer);
  provider.use(async (ctx, next) => {
    await next();
    const { route: endpoint } = ctx.oidc;
    if (endpoint === route.discovery && ctx.status === 200) {
      describe(ctx.body as Record<string, unknown>, deps);
    }
    if ((endpoint === route.discovery || endpoint === route.jwks) && ctx.status === 200) {
      ctx.set('cache-control', `public, max-age=${publicForSeconds}`);
    }
    const { active } = Object(ctx.body) as { active?: unknown };
    if (endpoint === route.introspection && active === true) Object.assign(ctx.body as object, claimsOfStructured(ctx));
    if (endpoint === route.introspection || endpoint === route.revocation) keepFromBrowsers(ctx);
  });
  return provider.callback();
}

/** The same for everybody, so caches may keep it; a key that was revoked must be gone everywhere within moments (RL-17). */
const publicForSeconds = 60;

/** Clients with a secret are no browsers (F203); the engine invites all until it knows the client. */
function keepFromBrowsers(ctx: Pick<KoaContextWithOIDC, 'remove' | 'set'>): void {
  ctx.remove('access-control-allow-origin');
  ctx.remove('access-control-expose-headers');
  ctx.set('cache-control', 'no-store');
}

function describe(metadata: Record<string, unknown>, { issuer, settings, mtls, registration, signIn }: Deps): void {
  const { ciba, authorizationDetails } = settings;
  if (registration) metadata['registration_endpoint'] = issuer + path.registration;
  if (!signIn) for (const member of untrue) delete metadata[member];
  if (authorizationDetails.length === 0) delete metadata['authorization_details_types_supported'];
  // what is encrypted are ID tokens, nothing else
  for (const member of notEncrypted) delete metadata[member];
  metadata['backchannel_user_code_parameter_supported'] = ciba.userCode.enabled;
  for (const each of ['introspection_endpoint', 'revocation_endpoint']) {
    // RFC 8414 2: left out, they are unknown at the one and `client_secret_basic` alone at the other
    for (const what of ['auth_methods_supported', 'auth_signing_alg_values_supported']) {
      metadata[`${each}_${what}`] = metadata[`token_endpoint_${what}`];
    }
  }
  if (mtls) metadata['mtls_endpoint_aliases'] = aliasesOf(metadata, mtls.origin);
  // our ID tokens name no session
  metadata['claims_supported'] = (metadata['claims_supported'] as string[]).filter((claim) => claim !== 'sid');
}

/** RFC 8705 5: the same endpoints where certificates are asked for; not where browsers go. */
function aliasesOf(metadata: Record<string, unknown>, origin: string): Record<string, string> {
  const endpoints = Object.entries(metadata).filter(
    ([member, address]) => member.endsWith('_endpoint') && typeof address === 'string' && !browsers.has(member),
  );
  return Object.fromEntries(
    endpoints.map(([member, address]) => {
      const { pathname } = new URL(address as string);
      return [member, origin + pathname];
    }),
  );
}

const browsers = new Set(['authorization_endpoint', 'end_session_endpoint']);
