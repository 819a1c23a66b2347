import Provider, { type Client, type Configuration, errors, type RefreshToken } from 'oidc-provider';
import { acrValues } from '../domain/acr.ts';
import { newHandle, partitionOf } from '../support/ids.ts';
import { type Accounts, claimsOfScope, createAccounts } from './accounts.ts';
import { createEngineStorage, type EngineStorage } from './adapter.ts';
import { createCibaHooks, lifetimeOf } from './ciba.ts';
import { isActive, loadClients, ownMetadata } from './clients.ts';
import type { ProtocolDeps, ProtocolSettings } from './deps.ts';
import {
  currentContext,
  extendIdTokens,
  nameRequests,
  pinUrls,
  replaceClientFind,
  replaceReplayDetection,
  setDeliveryModes,
} from './engine-patches.ts';
import { signingKeys } from './keys.ts';
import { grantType, path, scope } from './vocabulary.ts';

/** One build of the engine: keys, clients and settings as they were when it was made. A reload makes another. */
export interface Engine {
  provider: Provider;
  storage: EngineStorage;
  settings: ProtocolSettings;
}

/** OAuth tolerates this much clock skew (ruling 5). */
const clockToleranceSeconds = 10;
/** A client assertion that is good for longer would have to be remembered for longer. */
const maxAssertionSeconds = 3600;

/** @throws ClientMetadataError */
export function buildEngine(deps: ProtocolDeps): Engine {
  const storage = createEngineStorage(deps, currentContext);
  const accounts = createAccounts(deps);
  const provider = new Provider(deps.issuer, configurationOf(deps, storage, accounts));
  // The engine's faults are logged where they are answered.
  provider.silent = true;

  pinUrls(provider);
  setDeliveryModes(provider, deps.settings.ciba.deliveryModes);
  extendIdTokens(provider);
  nameRequests(provider, (userId) => newHandle(partitionOf(userId)));
  replaceReplayDetection(provider, (issuer, jti, exp) =>
    deps.replay.once({ scope: `jti:${issuer}`, id: jti, now: deps.clock(), until: exp * 1000 }),
  );
  const clients = loadClients(provider, deps.clients);
  replaceClientFind(provider, (id) => {
    const client = clients.get(id);
    return client && isActive(client) ? client : undefined;
  });
  return { provider, storage, settings: deps.settings };
}

function configurationOf(deps: ProtocolDeps, { adapter }: EngineStorage, accounts: Accounts): Configuration {
  const { settings, serverKeys, secrets } = deps;
  return {
    adapter,
    jwks: signingKeys(serverKeys),
    cookies: { keys: [serverKeys.secret('cookie').toString('base64url')] },
    findAccount: (ctx, id) => accounts.findAccount(ctx, id),
    claims: { ...claimsOfScope },
    scopes: [scope.openid, scope.offlineAccess],
    acrValues: acrValues(settings.acr),
    subjectTypes: ['public', 'pairwise'],
    pairwiseIdentifier: (_ctx, userId, client) => secrets.hmac('pairwise', `${sectorOf(client)}\0${userId}`),
    responseTypes: [],
    clientDefaults: {
      grant_types: [grantType.ciba],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: settings.keys.idTokenAlg as 'ES256',
    },
    // CIBA Core 7.1: a client must authenticate, so `none` is not among them
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'],
    assertJwtClientAuthClaimsAndHeader(_ctx, claims, header) {
      // RFC 7515 4.1.11: the engine understands no extension; `b64` among them would let two readers see two payloads
      if (header['crit'] !== undefined) throw new errors.InvalidClientAuth('the client assertion has critical headers');
      if (Number(claims['exp']) > deps.clock() / 1000 + maxAssertionSeconds) {
        throw new errors.InvalidClientAuth('the client assertion is valid for too long');
      }
    },
    extraClientMetadata: ownMetadata,
    clientBasedCORS: () => false,
    clockTolerance: clockToleranceSeconds,
    renderError: (ctx, out) => {
      // JSON also for a caller who prefers HTML (ruling 2)
      ctx.body = out;
    },
    ...lifetimes(settings.tokens),
    routes: {
      backchannel_authentication: path.authentication,
      token: path.token,
      introspection: path.introspection,
      revocation: path.revocation,
      userinfo: path.userinfo,
      jwks: path.jwks,
    },
    features: {
      ciba: createCibaHooks(deps),
      dPoP: { enabled: true, nonceSecret: serverKeys.secret('dpop') },
      introspection: {
        enabled: true,
        allowedPolicy: async (ctx, _client, token) => {
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
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo() {
          throw new errors.InvalidTarget();
        },
      },
      devInteractions: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
    },
  };
}

/**
 * Rotation does not prolong: a chain of refresh tokens ends when its first one would have. A grant lives longer than
 * whatever needs it, and not longer than that: most have no refresh token.
 */
function lifetimes(tokens: ProtocolDeps['settings']['tokens']): Pick<Configuration, 'ttl' | 'rotateRefreshToken'> {
  return {
    rotateRefreshToken: () => true,
    ttl: {
      AccessToken: () => tokens.accessSeconds,
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

/** OIDC Core 8.1, CIBA Core 4. The engine works it out and does not say so in its types. */
function sectorOf(client: Client): string {
  return client['sectorIdentifier'] as string;
}
