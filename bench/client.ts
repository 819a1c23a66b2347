/** The OAuth clients that servers know, and what they send. */
import { type Agent, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

const CIBA = 'urn:openid:params:grant-type:ciba';

export const benchClient = {
  client_id: 'bench',
  client_secret: 'bench-secret-0123456789abcdef0123456789abcdef',
  grant_types: [CIBA, 'refresh_token'],
  backchannel_token_delivery_mode: 'poll',
};

/** How a client shows who it is: with the same words every time, or with new ones. callers.ts has those with keys. */
export interface Caller {
  /** What is made for each request cannot be sent twice. */
  isFresh: boolean;
  headers?(url: string): Record<string, string>;
  params?(audience: string): Record<string, string>;
  /** Its certificate, and whom it trusts. */
  tls?: { cert: string; key: string; ca: string };
}

export interface Target {
  /** Without path. */
  url: string;
  /** Absent: `benchClient`, with its secret. */
  caller?: Caller;
}

export const paths = { start: '/bc-authorize', token: '/oauth/token' };

export const withSecret = (client: { client_id: string; client_secret: string }): Caller => {
  const credentials = Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64');
  const headers = { authorization: `Basic ${credentials}` };
  return { isFresh: false, headers: () => headers };
};

const benchCaller = withSecret(benchClient);

/** @param user by the user name that seed.ts gave */
export const startForm = (user: string, lifeSeconds = 600): string =>
  new URLSearchParams({
    scope: 'openid offline_access',
    login_hint: user,
    binding_message: 'Pay 12,50 to the bakery?',
    requested_expiry: String(lifeSeconds),
  }).toString();

export const tokenForm = (authReqId: string): string =>
  new URLSearchParams({ grant_type: CIBA, auth_req_id: authReqId }).toString();

export interface Sent {
  headers: Record<string, string>;
  body: string;
}

/** A form as this caller sends it. */
export function asSent({ url, caller = benchCaller }: Target, path: string, form: string): Sent {
  const own = caller.params && new URLSearchParams(caller.params(url));
  const headers = { 'content-type': 'application/x-www-form-urlencoded', ...caller.headers?.(url + path) };
  return { headers, body: own ? `${form}&${own}` : form };
}

export interface Reply {
  status: number;
  body: Record<string, unknown>;
}

/** One request, answered. */
export function post(
  target: Target,
  path: string,
  form: string,
  { agent, more }: { agent?: Agent; more?: Record<string, string> } = {},
): Promise<Reply> {
  const { url, caller } = target;
  const { headers, body } = asSent(target, path, form);
  const options = { method: 'POST', headers: { ...headers, ...more }, ...(agent && { agent }), ...caller?.tls };
  return new Promise((resolve, reject) => {
    const sent = (caller?.tls ? secureRequest : request)(url + path, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) }));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** @throws Error when the server does not take it */
export async function start(target: Target, user: string, lifeSeconds?: number): Promise<string> {
  const { status, body } = await post(target, paths.start, startForm(user, lifeSeconds));
  if (status !== 200) throw new Error(`start answered ${status}: ${JSON.stringify(body)}`);
  return String(body['auth_req_id']);
}

/** One for each of so many, of the users in turn. Nothing is measured here: a machine that is too busy is waited for. */
export function startMany(
  target: Target,
  users: readonly string[],
  count: number,
  lifeSeconds?: number,
): Promise<string[]> {
  const asked = Array.from({ length: count }, (_, i) => users[i % users.length]!);
  return inParallel(asked, 16, async (user) => {
    for (let tries = 0; ; tries++) {
      try {
        return await start(target, user, lifeSeconds);
      } catch (error) {
        if (tries === 5) throw error;
        await sleep(200);
      }
    }
  });
}

/** So many at a time; the results in the order of the items. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
