import { randomBytes } from 'node:crypto';
import * as client from 'openid-client';

/**
 * The consumption side of the demo pages: an ordinary OpenID client that knows Assent by its discovery document only.
 *
 *     waiting ──tokens──> verified
 *        ├────cancel──> cancelled
 *        ├────access_denied──> refused
 *        ├────expired_token──> expired
 *        └────anything else──> broken
 */
export type DeskState = 'waiting' | 'verified' | 'cancelled' | 'refused' | 'expired' | 'broken';

export interface DeskRequest {
  id: string;
  state: DeskState;
  user: string;
  text: string;
  /** Epoch milliseconds. */
  startedAt: number;
  expiresAt: number;
  matchCode?: string;
  /** Claims of the validated ID token, and of userinfo. */
  claims?: Record<string, unknown>;
  userinfo?: Record<string, unknown>;
  tokens?: { id_token?: string; access_token: string };
  /** OAuth error code and description, as received. */
  error?: { code: string; description?: string };
}

export interface DemoClient {
  clientId: string;
  secret: string;
}

export interface Desk {
  /** @throws DeskError with the server's own error when the request is refused */
  start(user: string, text: string): Promise<DeskRequest>;
  get(id: string): DeskRequest | undefined;
  /** Takes it back, where nobody has answered yet. */
  cancel(id: string): Promise<void>;
  /** Called with every change, until the answer is called. */
  watch(id: string, listener: (request: DeskRequest) => void): () => void;
  stop(): void;
}

export class DeskError extends Error {
  readonly code: string;
  /** `often`: when it may be tried again. */
  readonly retryAfterSeconds: number | undefined;
  constructor(code: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

// A demo page is not a store: the newest requests are enough, and memory stays bounded.
const KEPT = 200;

export function createDesk({ issuer, demoClient }: { issuer: string; demoClient: DemoClient }): Desk {
  const requests = new Map<string, DeskRequest>();
  const authReqIds = new Map<string, string>();
  const watchers = new Map<string, Set<(request: DeskRequest) => void>>();
  const ended = new AbortController();
  let discovered: Promise<client.Configuration> | undefined;

  const configuration = () => {
    discovered ??= client
      .discovery(
        new URL(issuer),
        demoClient.clientId,
        { id_token_signed_response_alg: 'ES256' },
        client.ClientSecretBasic(demoClient.secret),
        {
          execute: issuer.startsWith('http:') ? [client.allowInsecureRequests] : [],
        },
      )
      .catch((error) => {
        discovered = undefined;
        throw error;
      });
    return discovered;
  };

  const change = (id: string, members: Partial<DeskRequest>) => {
    const request = requests.get(id);
    if (request?.state !== 'waiting') return;
    const changed = { ...request, ...members };
    requests.set(id, changed);
    for (const listener of watchers.get(id) ?? []) listener(changed);
  };

  const wait = async (id: string, acknowledgement: client.BackchannelAuthenticationResponse) => {
    const config = await configuration();
    try {
      const tokens = await client.pollBackchannelAuthenticationGrant(config, acknowledgement, undefined, {
        signal: ended.signal,
      });
      const claims = tokens.claims() as Record<string, unknown>;
      const userinfo = await client.fetchUserInfo(config, tokens.access_token, String(claims.sub));
      change(id, {
        state: 'verified',
        claims,
        userinfo,
        tokens: { id_token: tokens.id_token, access_token: tokens.access_token },
      });
    } catch (error) {
      change(id, failure(error));
    }
  };

  return {
    async start(user, text) {
      const config = await configuration();
      const parameters = {
        scope: 'openid profile email',
        login_hint: user,
        ...(text ? { binding_message: text } : {}),
      };
      const acknowledgement = await client.initiateBackchannelAuthentication(config, parameters).catch((error) => {
        throw refusal(error);
      });
      const now = Date.now();
      const request: DeskRequest = {
        id: randomBytes(16).toString('base64url'),
        state: 'waiting',
        user,
        text,
        startedAt: now,
        expiresAt: now + acknowledgement.expires_in * 1000,
        matchCode: acknowledgement.match_code as string | undefined,
      };
      requests.set(request.id, request);
      authReqIds.set(request.id, acknowledgement.auth_req_id);
      forgetOldest(requests);
      forgetOldest(authReqIds);
      void wait(request.id, acknowledgement);
      return request;
    },
    get: (id) => requests.get(id),
    async cancel(id) {
      const authReqId = authReqIds.get(id);
      if (authReqId === undefined || requests.get(id)?.state !== 'waiting') return;
      if (await withdraw(issuer, demoClient, authReqId)) change(id, { state: 'cancelled' });
    },
    watch(id, listener) {
      const set = watchers.get(id) ?? new Set();
      watchers.set(id, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0) watchers.delete(id);
      };
    },
    stop: () => ended.abort(),
  };
}

function forgetOldest(kept: Map<string, unknown>): void {
  for (const id of kept.keys()) {
    if (kept.size <= KEPT) return;
    kept.delete(id);
  }
}

/** @returns false where the person was quicker: the answer is on its way */
async function withdraw(issuer: string, { clientId, secret }: DemoClient, authReqId: string): Promise<boolean> {
  const credentials = Buffer.from(`${clientId}:${secret}`).toString('base64');
  const response = await fetch(`${issuer}/bc-authorize`, {
    method: 'DELETE',
    headers: { authorization: `Basic ${credentials}` },
    body: new URLSearchParams({ auth_req_id: authReqId }),
  });
  return response.ok;
}

/** Whoever may be asked too often has a device all the same: a limit is no `access_denied` of the person's. */
function refusal(error: unknown): DeskError {
  const { code, description = 'The request was refused.' } = failure(error).error;
  if (!(error instanceof client.ResponseBodyError) || error.status !== 429) return new DeskError(code, description);
  return new DeskError('often', description, Number(error.response.headers.get('retry-after')) || undefined);
}

function failure(error: unknown): { state: DeskState; error: { code: string; description?: string } } {
  if (error instanceof client.ResponseBodyError) {
    const state =
      ({ access_denied: 'refused', expired_token: 'expired' } as const)[error.error as 'access_denied'] ?? 'broken';
    return { state, error: { code: error.error, description: error.error_description } };
  }
  // openid-client gives up by itself once expires_in has passed.
  if (error instanceof Error && error.name === 'TimeoutError')
    return { state: 'expired', error: { code: 'expired_token' } };
  return { state: 'broken', error: { code: 'unreachable', description: 'The authorization server did not answer.' } };
}
