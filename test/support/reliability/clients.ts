import { createHash } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { exchange, type HttpAnswer } from '../http.ts';
import type { TestServer } from '../server.ts';
import type { Deployment } from './deployment.ts';
import { type History, now } from './history.ts';

/** A request that the service acknowledged. */
export interface Request {
  /** The client's own name for it, and the text that the phone shows. */
  name: string;
  authReqId: string;
  body: Record<string, unknown>;
}

export interface Answer {
  /** 0: none arrived. */
  status: number;
  headers: HttpAnswer['headers'];
  body: Record<string, unknown>;
}

/** A relying party that writes down what it saw. */
export interface VirtualClient {
  id: string;
  /** @returns undefined where it was refused or no answer arrived */
  start(user: string, params?: Record<string, string>, at?: TestServer): Promise<Request | undefined>;
  poll(request: Pick<Request, 'name' | 'authReqId'>, at?: TestServer): Promise<Answer>;
  /** Any endpoint of the provider, with this client's credentials. */
  call(path: string, params: Record<string, string>, options?: { at?: TestServer; method?: string }): Promise<Answer>;
}

/** A little more than IV-10 allows: what takes longer is not waited for, and is a violation. */
const patienceMs = 8_000;
const possession = 'urn:assent:acr:possession';
let requests = 0;

/**
 * @param options.send   for a client that sends in another way than once
 * @param options.secret of one that is not in the configuration
 */
export function createVirtualClient(
  deployment: Pick<Deployment, 'servers' | 'next'>,
  history: History,
  id: string,
  { send = exchange, secret = deployment.servers[0]!.secretOf(id) }: { send?: typeof exchange; secret?: string } = {},
): VirtualClient {
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;

  const call: VirtualClient['call'] = (path, params, { at = deployment.next(), method = 'POST' } = {}) =>
    recorded(history, `${method} ${path}`, () =>
      send(`${at.issuer}${path}`, {
        method,
        headers: { authorization },
        body: new URLSearchParams(params),
        timeoutMs: patienceMs,
      }),
    );

  return {
    id,
    call,
    async start(user, params = {}, at) {
      const name = `r${requests++}`;
      const sentAt = now();
      const asked = { scope: 'openid offline_access', acr_values: possession, login_hint: user, binding_message: name };
      const { status, body } = await call('/bc-authorize', { ...asked, ...params }, { ...(at && { at }) });
      if (status !== 200) return undefined;
      const expiresAt = sentAt + Number(body['expires_in']) * 1000;
      history.append({ kind: 'started', request: name, client: id, user, at: now(), expiresAt });
      return { name, authReqId: String(body['auth_req_id']), body };
    },
    async poll({ name, authReqId }, at) {
      const sentAt = now();
      const grant = { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: authReqId };
      const answer = await call('/oauth/token', grant, { ...(at && { at }) });
      const { status, body } = answer;
      const error = status === 0 || status === 503 ? 'lost' : String(body['error'] ?? status);
      history.append({
        kind: 'polled',
        request: name,
        client: id,
        sentAt,
        endedAt: now(),
        answer: status === 200 ? 'tokens' : error,
        ...(status === 200 && { tokens: fingerprint(body) }),
      });
      return answer;
    },
  };
}

/** One call into the history, whatever becomes of it. */
export async function recorded(
  history: History,
  call: string | { what: string; heldMs: number },
  send: () => Promise<HttpAnswer>,
): Promise<Answer> {
  const about = typeof call === 'string' ? { what: call } : call;
  const sentAt = now();
  try {
    const response = await send();
    const text = await response.text();
    const retryAfter = response.headers.get('retry-after');
    const { status, headers } = response;
    history.append({
      kind: 'call',
      ...about,
      sentAt,
      endedAt: now(),
      status,
      ...(retryAfter !== null && { retryAfter }),
    });
    return { status, headers, body: text.startsWith('{') ? JSON.parse(text) : {} };
  } catch (error) {
    history.append({ kind: 'call', ...about, sentAt, endedAt: now(), lost: whyLost(error) });
    return { status: 0, headers: new Headers(), body: {} };
  }
}

export function whyLost(error: unknown): string {
  const { name, code, cause } = error as Error & { code?: unknown; cause?: { code?: string } };
  if (name === 'TimeoutError') return 'timeout';
  return cause?.code ?? (typeof code === 'string' ? code : name);
}

/** Token sets are told apart by all that is secret in them; the lifetime that is left may differ. */
function fingerprint({ access_token, refresh_token, id_token }: Record<string, unknown>): string {
  return createHash('sha256')
    .update(JSON.stringify([access_token, refresh_token, id_token]))
    .digest('base64url');
}

/** A client that signs its assertions. */
export async function newClientKey(clientId: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
  return {
    metadata: {
      client_id: clientId,
      client_name: clientId,
      grant_types: ['urn:openid:params:grant-type:ciba'],
      backchannel_token_delivery_mode: 'poll',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [jwk] },
    },
    assertion: (audience: string | string[], jti: string) =>
      new SignJWT({ jti })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setIssuer(clientId)
        .setSubject(clientId)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime('1 min')
        .sign(privateKey),
  };
}
