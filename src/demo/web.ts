import { randomBytes } from 'node:crypto';
import * as client from 'openid-client';
import type { DemoClient } from './desk.ts';

/**
 * An ordinary website: authorization code with PKCE, as any other relying party does it. What it knows of a browser lies in memory
 * under a cookie.
 *
 *     out ──begin──> away ──finish──> in ──leave──> out
 *                      └──error──> failed
 */
export interface Visit {
  state: 'out' | 'in' | 'failed';
  /** Claims of the validated ID token, and of userinfo. */
  claims?: Record<string, unknown>;
  userinfo?: Record<string, unknown>;
  /** OAuth error code, as received. */
  error?: string;
}

export interface Website {
  visit(id: string | undefined): Visit;
  /** Where the browser is sent to sign in, and the visit's id. */
  begin(parameters: Record<string, string>): Promise<{ id: string; to: string }>;
  /** `query` of the address that the browser came back to. */
  finish(id: string | undefined, query: string): Promise<void>;
  /** Where the browser is sent to sign out. */
  leave(id: string | undefined): Promise<string>;
}

/** The client's addresses, wherever the server itself is. */
export function websiteAddresses(issuer: string) {
  return { redirect_uris: [`${issuer}/demo/web/callback`], post_logout_redirect_uris: [`${issuer}/demo/web`] };
}

interface Kept extends Visit {
  checks?: { pkceCodeVerifier: string; expectedState: string; expectedNonce: string };
  idToken?: string;
}

// A demo page is not a store: the newest visits are enough, and memory stays bounded.
const KEPT = 200;

export function createWebsite({ issuer, demoClient }: { issuer: string; demoClient: DemoClient }): Website {
  const visits = new Map<string, Kept>();
  const { redirect_uris, post_logout_redirect_uris } = websiteAddresses(issuer);
  const [redirectUri = ''] = redirect_uris;
  const [home = ''] = post_logout_redirect_uris;
  let discovered: Promise<client.Configuration> | undefined;

  const configuration = () => {
    discovered ??= client
      .discovery(
        new URL(issuer),
        demoClient.clientId,
        { id_token_signed_response_alg: 'ES256' },
        client.ClientSecretBasic(demoClient.secret),
        { execute: issuer.startsWith('http:') ? [client.allowInsecureRequests] : [] },
      )
      .catch((error) => {
        discovered = undefined;
        throw error;
      });
    return discovered;
  };

  const keep = (id: string, visit: Kept) => {
    visits.delete(id);
    visits.set(id, visit);
    for (const oldest of visits.keys()) {
      if (visits.size <= KEPT) return;
      visits.delete(oldest);
    }
  };

  return {
    visit(id) {
      const { state, claims, userinfo, error } = visits.get(id ?? '') ?? { state: 'out' };
      return { state, ...(claims && { claims }), ...(userinfo && { userinfo }), ...(error && { error }) };
    },

    async begin(parameters) {
      const config = await configuration();
      const id = randomBytes(16).toString('base64url');
      const checks = {
        pkceCodeVerifier: client.randomPKCECodeVerifier(),
        expectedState: client.randomState(),
        expectedNonce: client.randomNonce(),
      };
      keep(id, { state: 'out', checks });
      const to = client.buildAuthorizationUrl(config, {
        scope: 'openid profile email',
        ...parameters,
        redirect_uri: redirectUri,
        code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
        code_challenge_method: 'S256',
        state: checks.expectedState,
        nonce: checks.expectedNonce,
      });
      return { id, to: to.href };
    },

    async finish(id = '', query) {
      const visit = visits.get(id);
      // a second time with the same address, by the back button: what was found out stays
      if (!visit?.checks) return;
      try {
        const config = await configuration();
        const tokens = await client.authorizationCodeGrant(config, new URL(`${redirectUri}?${query}`), visit.checks);
        const claims = tokens.claims() as Record<string, unknown>;
        const userinfo = await client.fetchUserInfo(config, tokens.access_token, String(claims.sub));
        keep(id, { state: 'in', claims, userinfo, idToken: tokens.id_token });
      } catch (error) {
        keep(id, { state: 'failed', error: codeOf(error) });
      }
    },

    async leave(id = '') {
      const config = await configuration();
      const { idToken } = visits.get(id) ?? {};
      visits.delete(id);
      const parameters = { post_logout_redirect_uri: home, ...(idToken && { id_token_hint: idToken }) };
      return client.buildEndSessionUrl(config, parameters).href;
    },
  };
}

function codeOf(error: unknown): string {
  if (error instanceof client.AuthorizationResponseError || error instanceof client.ResponseBodyError)
    return error.error;
  return 'invalid_response';
}
