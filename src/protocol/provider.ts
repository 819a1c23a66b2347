import type { IncomingMessage } from 'node:http';
import Provider, {
  type ClientAuthMethod,
  type Configuration,
  errors,
  type KoaContextWithOIDC,
  type RefreshToken,
} from 'oidc-provider';
import { acrValues } from '../domain/acr.ts';
import { SECOND } from '../support/clock.ts';
import { newHandle, partitionOf } from '../support/ids.ts';
import { StoreUnavailable } from '../support/unavailable.ts';
import { type Accounts, claimsOfScope, createAccounts } from './accounts.ts';
import { createEngineStorage, type EngineStorage } from './adapter.ts';
import { type Ask, createAsk } from './asked.ts';
import { audiencesOf, checkAssertion, clockToleranceSeconds } from './assertions.ts';
import { createAuthorizationRequests } from './authorization-request.ts';
import { subjectMatches } from './certificates.ts';
import { createCibaHooks, lifetimeOf } from './ciba.ts';
import { createClientDirectory } from './client-directory.ts';
import { fetchForEngine, noFetch, watchKeys } from './client-keys.ts';
import { loadClients, ownMetadata } from './clients.ts';
import type { ProtocolDeps, ProtocolSettings } from './deps.ts';
import { encryptionAlgorithms } from './encryption.ts';
import {
  currentContext,
  extendIdTokens,
  holdBackWithoutKey,
  keepStructuredTokens,
  nameRequests,
  pinUrls,
  replaceAssertionAudience,
  replaceClientFind,
  replaceReplayDetection,
  replaceSecretComparison,
  setDeliveryModes,
  takeForms,
} from './engine-patches.ts';
import { checkForm } from './form.ts';
import { identify, type Subject } from './identify.ts';
import { mayIntrospect } from './introspection.ts';
import { createIssuerKeys } from './issuer-keys.ts';
import { signingKeys } from './keys.ts';
import { checkProofKey } from './proof-key.ts';
import { createQuickAssertions, type QuickAssertions } from './quick-assertions.ts';
import { createResources } from './resources.ts';
import { createRichRequests, type RichRequests } from './rich-requests.ts';
import { createShownSecrets, type ShownSecrets } from './shown-secrets.ts';
import { isForBrowsers, renderBrowserError, signInConfiguration } from './sign-in-engine.ts';
import { createStructuredTokens } from './structured-tokens.ts';
import { pairwiseSubject, sectorOf } from './subjects.ts';
import { grantType, path, route, scope } from './vocabulary.ts';

/** One build of the engine: keys, clients and settings as they were when it was made. A reload makes another. */
export interface Engine {
  provider: Provider;
  storage: EngineStorage;
  settings: ProtocolSettings;
  shownSecrets: ShownSecrets;
  quickAssertions: QuickAssertions;
  /** Whom an authentication request means, and what it asks. */
  identify(ctx: KoaContextWithOIDC): Promise<Subject>;
  ask: Ask;
  /** Noted once authenticated, so that the log of a refusal names it. */
  callers: Callers;
}

/** The client of a request. */
export type Callers = WeakMap<IncomingMessage, string>;

/** A DPoP proof may be dated ahead as far as it may be old; the engine remembers it from now on, not from its date on. */
const dpopWindowMs = 300 * SECOND;

/** @throws ClientMetadataError */
export function buildEngine(deps: ProtocolDeps, callers: Callers): Engine {
  const storage = createEngineStorage(deps, currentContext);
  const accounts = createAccounts(deps);
  const rich = createRichRequests({ types: deps.settings.authorizationDetails, language: deps.settings.language });
  const provider = new Provider(deps.issuer, configurationOf(deps, storage, accounts, rich));
  // The engine's faults are logged where they are answered.
  provider.silent = true;

  pinUrls(provider, { own: { [route.resource]: deps.issuer + path.resource }, alias: deps.mtls?.origin });
  const structured = createStructuredTokens(deps);
  keepStructuredTokens(provider, structured.keptAs);
  takeForms(provider, (form, at) => {
    checkForm(form);
    return structured.named(form, at);
  });
  setDeliveryModes(provider, deps.settings.ciba.deliveryModes);
  extendIdTokens(provider);
  holdBackWithoutKey(provider, (cause, clientId) => {
    return new StoreUnavailable(`${clientId} has no key that ID tokens can be encrypted to`, { cause });
  });
  nameRequests(provider, (userId) => newHandle(partitionOf(userId)));
  const once = (issuer: string, jti: string, exp: number) => {
    const until = exp * SECOND + dpopWindowMs;
    return deps.replay.once({ scope: `jti:${issuer}`, id: jti, now: deps.clock(), until });
  };
  replaceReplayDetection(provider, once);
  const audiences = audiencesOf(deps.issuer, deps.mtls?.origin);
  const audiencesOfPushed = audiencesOf(deps.issuer, deps.mtls?.origin, path.pushedAuthorization);
  replaceAssertionAudience(provider, (at) => (at === route.pushedAuthorization ? audiencesOfPushed : audiences));
  const fixed = loadClients(provider, deps.clients, deps.settings);
  for (const client of fixed.values()) watchKeys(client, deps.clock);
  const { clientStore: store, settings, clock, log } = deps;
  const directory = createClientDirectory({ provider, fixed, store, settings, clock, log });
  replaceClientFind(provider, directory.find);
  replaceSecretComparison(provider, directory.compareSecret);
  const issuerKeys = createIssuerKeys({ fetch: deps.fetch, clock });
  return {
    provider,
    storage,
    settings,
    shownSecrets: createShownSecrets(directory),
    quickAssertions: createQuickAssertions({ ...deps, find: directory.find, audiences, once }),
    identify: (ctx) => identify({ ...deps, issuerKeys }, ctx),
    ask: createAsk({ ...deps, rich }),
    callers,
  };
}

function configurationOf(
  deps: ProtocolDeps,
  { adapter }: EngineStorage,
  accounts: Accounts,
  rich: RichRequests,
): Configuration {
  const { settings, serverKeys, secrets, signIn } = deps;
  const browsers = signIn && signInConfiguration({ ...deps, signIn });
  const requests = createAuthorizationRequests(deps);
  return {
    adapter,
    jwks: signingKeys(serverKeys),
    enabledJWA: algorithms(settings),
    fetch: fetchForEngine(deps.fetch ?? noFetch) as NonNullable<Configuration['fetch']>,
    fetchResponseBodyLimits: { jwks_uri: maxFetchedBytes, sector_identifier_uri: maxFetchedBytes },
    findAccount: (ctx, id) => accounts.findAccount(ctx, id),
    claims: { ...claimsOfScope },
    scopes: [scope.openid, scope.offlineAccess, ...settings.resources.flatMap(({ scopes }) => scopes)],
    acrValues: acrValues(settings.acr),
    subjectTypes: ['public', 'pairwise'],
    pairwiseIdentifier: (_ctx, userId, client) => pairwiseSubject(secrets, sectorOf(client), userId),
    // the engine calls these when all of a request has been checked, whether the parameters are there or not
    extraParams: {
      // elsewhere an approval would be none of the document
      document: (ctx, value) => {
        if (value !== undefined && ctx.oidc.route !== route.authentication)
          throw new errors.InvalidRequest('document is a parameter of authentication requests');
        // as `/authorize` would say when the browser is there already (RFC 9126 2.1)
        if (ctx.oidc.params?.['authorization_details'] !== undefined && ctx.oidc.route === route.pushedAuthorization)
          throw new errors.InvalidAuthorizationDetails('authorization_details are for the backchannel endpoint');
      },
      audience: (ctx) => requests.useUp(ctx),
    },
    responseTypes: [],
    clientDefaults: {
      grant_types: [grantType.ciba],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: settings.keys.idTokenAlg as 'ES256',
    },
    // CIBA Core 7.1: a client must authenticate, so `none` is not among them
    clientAuthMethods: authMethods(deps),
    assertJwtClientAuthClaimsAndHeader(_ctx, claims, header, client) {
      checkAssertion({ claims, header, client }, deps);
    },
    extraClientMetadata: ownMetadata,
    clientBasedCORS: () => false,
    clockTolerance: clockToleranceSeconds,
    renderError: (ctx, out) => {
      // JSON also for a caller who prefers HTML, but for what only browsers ask (ruling 2)
      if (signIn && isForBrowsers(ctx)) renderBrowserError({ signIn }, ctx, out);
      else ctx.body = out;
    },
    ...browsers,
    cookies: { ...browsers?.cookies, keys: [serverKeys.secret('cookie').toString('base64url')] },
    ...lifetimes(settings.tokens, browsers?.ttl),
    routes: {
      backchannel_authentication: path.authentication,
      token: path.token,
      introspection: path.introspection,
      revocation: path.revocation,
      userinfo: path.userinfo,
      jwks: path.jwks,
      ...browsers?.routes,
    },
    features: {
      ciba: createCibaHooks(deps),
      dPoP: {
        enabled: true,
        nonceSecret: serverKeys.secret('dpop'),
        // asked once for each proof, before anything of it is verified, at every endpoint that takes one
        requireNonce(ctx) {
          checkProofKey(ctx.get('dpop'));
          return settings.dpop.requireNonce;
        },
      },
      mTLS: mutualTls(deps),
      introspection: {
        enabled: true,
        allowedPolicy: async (ctx, client, token) => {
          if (!mayIntrospect(client, token)) return false;
          const owner = await ctx.oidc.provider.Client.find(token.clientId!);
          const userId = (token as RefreshToken).accountId;
          return owner !== undefined && (userId === undefined || (await accounts.find(ctx, userId)) !== undefined);
        },
      },
      revocation: {
        enabled: true,
        allowedPolicy(_ctx, client, token) {
          if (token.clientId === client.clientId) return true;
          throw new errors.InvalidRequest('client is not authorized to revoke the presented token');
        },
      },
      userinfo: { enabled: true },
      jwtUserinfo: { enabled: true },
      // of ID tokens: see `encryption.ts`
      encryption: { enabled: true },
      claimsParameter: { enabled: true },
      requestObjects: {
        enabled: true,
        assertJwtClaimsAndHeader: (ctx, _claims, _header, client) => requests.check(ctx, client),
      },
      resourceIndicators: createResources({ issuer: deps.issuer, resources: settings.resources }),
      richAuthorizationRequests: rich.feature,
      // our own keys, too (keys.ts); the engine is pinned
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      devInteractions: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      ...browsers?.features,
    },
  };
}

/**
 * Rotation does not prolong: a chain of refresh tokens ends when its first one would have. A grant lives longer than
 * whatever needs it, and not longer than that: most have no refresh token.
 */
function lifetimes(
  tokens: ProtocolDeps['settings']['tokens'],
  ofBrowsers: Configuration['ttl'],
): Pick<Configuration, 'ttl' | 'rotateRefreshToken'> {
  return {
    rotateRefreshToken: () => true,
    ttl: {
      ...ofBrowsers,
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? tokens.accessSeconds,
      IdToken: () => tokens.idSeconds,
      RefreshToken: (ctx) => ctx.oidc.entities.RotatedRefreshToken?.remainingTTL ?? tokens.refreshSeconds,
      Grant: (_ctx, grant) => {
        const mayRefresh = grant.getOIDCScope().split(' ').includes(scope.offlineAccess);
        return (mayRefresh ? tokens.refreshSeconds : 0) + tokens.accessSeconds + 3600;
      },
      BackchannelAuthenticationRequest: (ctx) => lifetimeOf(ctx),
    },
  };
}

/** TH-17. */
const maxFetchedBytes = 64 * 1024;

/** Only what the server can do: without a way for certificates to come in, nobody can register to show one. */
function authMethods({ settings, mtls }: ProtocolDeps): ClientAuthMethod[] {
  const { methods } = settings.clientAuthentication;
  return methods.filter((method) => mtls !== undefined || !method.includes('tls_client_auth')) as ClientAuthMethod[];
}

/** RFC 8705. */
function mutualTls({ mtls }: ProtocolDeps): NonNullable<Configuration['features']>['mTLS'] {
  if (!mtls) return { enabled: false };
  const shown = (ctx: { req: IncomingMessage }) => mtls.peerCertificateOf(ctx.req);
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    selfSignedTlsClientAuth: true,
    tlsClientAuth: true,
    getCertificate: (ctx) => shown(ctx)?.certificate,
    certificateAuthorized: (ctx) => shown(ctx)?.verified ?? false,
    certificateSubjectMatches(ctx, member, expected) {
      const { certificate } = shown(ctx) ?? {};
      return certificate !== undefined && subjectMatches(certificate, member, expected);
    },
  };
}

/** HS* nowhere but for assertions of clients that chose `client_secret_jwt`: other secrets are known as hashes only. */
function algorithms({ clientAuthentication, dpop, keys }: ProtocolSettings): Configuration['enabledJWA'] {
  const hmac = clientAuthentication.methods.includes('client_secret_jwt') ? ['HS256'] : [];
  const ofServer = [...new Set([keys.idTokenAlg, ...keys.idTokenAlgs])];
  return {
    clientAuthSigningAlgValues: [...clientAuthentication.signingAlgs, ...hmac],
    idTokenSigningAlgValues: ofServer,
    userinfoSigningAlgValues: ofServer,
    requestObjectSigningAlgValues: clientAuthentication.signingAlgs,
    dPoPSigningAlgValues: dpop.signingAlgs,
    ...encryptionAlgorithms,
  } as Configuration['enabledJWA'];
}
