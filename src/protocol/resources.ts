/** What an access token may be for (RFC 8707): the resource servers of the configuration. */
import { type Client, type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';

export interface ResourceSetting {
  /** What clients send as `resource`; an absolute URI without a fragment. */
  indicator: string;
  /** `aud` of its tokens, and what clients may send as `audience` instead; the indicator where it is left out. */
  audience?: string;
  scopes: string[];
  /** `jwt`: the resource server verifies by itself, and a revocation reaches it only when the token ends. */
  format: 'opaque' | 'jwt';
  accessSeconds?: number;
}

interface Deps {
  issuer: string;
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

    /** Called where no `resource` was sent; with `oneOf` where several were, and one token is for one of them. */
    defaultResource(ctx, _client, oneOf) {
      if (oneOf) throw new errors.InvalidTarget('ask for one resource at a time');
      const { audience, authorization_details: details } = ctx.oidc.params as Record<string, string | undefined>;
      if (audience !== undefined) return indicatorOf(resources, audience, issuer);
      // biome-ignore lint/suspicious/noExplicitAny: the engine takes "none" where its types want a text
      return (details === undefined ? undefined : issuer) as any;
    },

    // what was asked for and granted is what the token is for
    useGrantedResource: () => true,
  };
}

/** `audience`, as agent SDKs name a resource (B11). */
function indicatorOf(resources: readonly ResourceSetting[], audience: string, issuer: string): string {
  if (audience.replace(/\/$/, '') === issuer) return issuer;
  const found = resources.find(({ indicator, audience: named = indicator }) => [indicator, named].includes(audience));
  if (!found) throw new errors.InvalidTarget();
  return found.indicator;
}

export interface Granted {
  /** Of OpenID Connect, and of the resource. */
  scope: string;
  resource?: string;
}

/**
 * What of the request is granted: scopes that we or the resource know, and no more than the client may have at all.
 *
 * @throws the engine's InvalidTarget, InvalidScope
 */
export function grantedOf(ctx: KoaContextWithOIDC, client: Client, issuer: string): Granted {
  const servers = Object.entries(ctx.oidc.resourceServers ?? {}).filter(([indicator]) => indicator !== issuer);
  if (servers.length > 1) throw new errors.InvalidTarget('ask for one resource at a time');
  const [resource, server] = servers[0] ?? [];
  const known = new Set([...ctx.oidc.requestParamOIDCScopes, ...(server?.scopes ?? [])]);
  const scopes = [...ctx.oidc.requestParamScopes].filter((scope) => known.has(scope));
  const allowed = client.scope?.split(' ');
  const excess = allowed && scopes.find((scope) => !allowed.includes(scope));
  if (excess !== undefined) throw new errors.InvalidScope('requested scope is not allowed', excess);
  return { scope: scopes.join(' '), ...(resource !== undefined && { resource }) };
}
