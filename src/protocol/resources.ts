/** What an access token may be for (RFC 8707): the resource servers of the configuration. */
import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { claimsOfScope } from './accounts.ts';
import { scope as named } from './vocabulary.ts';

export interface ResourceSetting {
  /** What clients send as `resource`; an absolute URI without a fragment. */
  indicator: string;
  /** `aud` of its tokens, and what clients may send as `audience` instead; the indicator where it is left out. */
  audience?: string;
  scopes: readonly string[];
  /** `jwt`: the resource server verifies by itself, and a revocation reaches it when the token ends or it introspects. */
  format: 'opaque' | 'jwt';
  accessSeconds?: number;
}

interface Deps {
  issuer: string;
  /** Their scopes are among those that the engine knows. */
  resources: readonly ResourceSetting[];
}

type ResourceIndicators = NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>;

export function createResources({ issuer, resources }: Deps): ResourceIndicators {
  const find = (indicator: string) => resources.find((each) => each.indicator === indicator);
  return {
    enabled: true,

    getResourceServerInfo(_ctx, indicator) {
      // the engine asks for a resource wherever there are authorization details; by default that is this server itself
      if (indicator === issuer) return { scope: '' };
      const resource = find(indicator);
      if (!resource) throw new errors.InvalidTarget();
      const { scopes, format, accessSeconds, audience = indicator } = resource;
      return {
        scope: scopes.join(' '),
        audience,
        accessTokenFormat: format,
        ...(accessSeconds !== undefined && { accessTokenTTL: accessSeconds }),
      };
    },

    /**
     * Called where no `resource` was sent, and with `oneOf` where there are several, of which a token is for one. A refresh
     * that narrows its details comes twice: what it gets is for what the refresh token is for.
     */
    defaultResource(ctx, _client, oneOf) {
      if (oneOf) {
        if (oneOf.join() !== issuer) throw new errors.InvalidTarget('ask for one resource at a time');
        return orNone(ctx.oidc.entities.RefreshToken?.resource);
      }
      const { audience, authorization_details: details } = ctx.oidc.params as Record<string, string | undefined>;
      if (audience !== undefined) return indicatorOf(resources, audience, issuer);
      return orNone(details && [issuer]);
    },

    // what was asked for and granted is what the token is for
    useGrantedResource: () => true,
  };
}

/** The engine takes nothing where its types want something. */
const orNone = (resource: string | string[] | undefined) => resource as string;

/** `audience`, as agent SDKs name a resource (B11). */
function indicatorOf(resources: readonly ResourceSetting[], audience: string, issuer: string): string {
  if (audience.replace(/\/$/, '') === issuer) return issuer;
  const found = resources.find(({ indicator, audience: named = indicator }) => [indicator, named].includes(audience));
  if (!found) throw new errors.InvalidTarget();
  return found.indicator;
}

/** Of these scopes those that mean anything here. */
export function knownScopes(scope: string, resources: readonly ResourceSetting[]): string {
  const known = [...Object.keys(claimsOfScope), named.offlineAccess, ...resources.flatMap(({ scopes }) => scopes)];
  return scope
    .split(' ')
    .filter((each) => known.includes(each))
    .join(' ');
}

export interface Granted {
  /** Of OpenID Connect, and of the resource. */
  scope: string;
  resource?: string;
}

/**
 * What of the request is granted: scopes that we know, or the resource that was asked for. That the client may have them
 * the engine has checked.
 *
 * @throws the engine's InvalidTarget
 */
export function grantedOf(ctx: KoaContextWithOIDC, { issuer, resources }: Deps): Granted {
  const servers = Object.entries(ctx.oidc.resourceServers ?? {}).filter(([indicator]) => indicator !== issuer);
  if (servers.length > 1) throw new errors.InvalidTarget('ask for one resource at a time');
  const [resource, server] = servers[0] ?? [];
  const ofResources = new Set(resources.flatMap(({ scopes }) => scopes));
  const scopes = [...ctx.oidc.requestParamOIDCScopes].filter(
    (scope) => !ofResources.has(scope) || server?.scopes.has(scope),
  );
  return { scope: scopes.join(' '), ...(resource !== undefined && { resource }) };
}
