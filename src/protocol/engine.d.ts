// What oidc-provider 9.13.3 keeps to itself and engine-patches.ts takes out of it. Nothing else may import these.

declare module 'oidc-provider/lib/helpers/als.js' {
  import type { AsyncLocalStorage } from 'node:async_hooks';

  const storage: AsyncLocalStorage<unknown>;
  export default storage;
}

declare module 'oidc-provider/lib/shared/client_auth.js' {
  import type { Middleware } from 'koa';

  /** Duplicates refused, `WWW-Authenticate` set, the client authenticated: in this order. */
  const clientAuthentication: Middleware[];
  export default clientAuthentication;
}

declare module 'oidc-provider/lib/shared/access_token.js' {
  import type { Middleware } from 'koa';

  /** Token and key binding. */
  export function getValidateAccessToken(): Middleware;
  export const loadAccessTokenClient: Middleware;
  export const loadAccessTokenAccount: Middleware;
  export const loadAccessTokenGrant: Middleware;
}

declare module 'oidc-provider/lib/shared/selective_body.js' {
  import type { Middleware } from 'koa';
  export const urlencoded: Middleware;
}

declare module 'oidc-provider/lib/actions/token.js' {
  import type { Middleware } from 'koa';

  const stack: Middleware[];
  export default stack;
}

declare module 'oidc-provider/lib/actions/authorization/index.js' {
  import type { Middleware } from 'koa';
  export default function authorizationAction(endpoint: 'backchannel_authentication'): Middleware[];
}

declare module 'oidc-provider/lib/actions/authorization/ciba.js' {
  import type { Middleware } from 'koa';
  /** Scope and notification token are there: the first look at what is neither client nor signature. */
  export const cibaRequired: Middleware;
  /** A whole number that JavaScript can hold exactly. */
  export const checkRequestedExpiry: Middleware;
  /** Exactly one hint, the person, their user code. */
  export const cibaLoadAccount: Middleware;
}

declare module 'oidc-provider/lib/actions/authorization/request_parameters.js' {
  export function getAuthorizationParams(ctx: unknown): Set<string>;
}

declare module 'oidc-provider/lib/helpers/grant_common.js' {
  import type Provider from 'oidc-provider';
  /** Access token, refresh token where allowed, ID token; the response is set as `ctx.body`. */
  export function issueTokens(
    provider: Provider,
    helpers: Record<string, (...args: never[]) => unknown>,
    ctx: unknown,
    source: unknown,
    grant: unknown,
    options: { gty: string; entityLabel: string; cert?: unknown; dPoP?: unknown },
  ): Promise<void>;
  export function issueIdToken(
    provider: Provider,
    ctx: unknown,
    source: unknown,
    accessToken: unknown,
    grant: unknown,
  ): Promise<string | undefined>;
}

declare module 'oidc-provider/lib/helpers/weak_cache.js' {
  import type Provider from 'oidc-provider';

  /** What a provider keeps to itself. */
  export default function internals(provider: Provider): { features: { ciba: { deliveryModes: Set<string> } } };
}
