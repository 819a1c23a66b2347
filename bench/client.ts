/** The OAuth client that both servers know, and what it sends. */
import { request } from 'node:http';

const CIBA = 'urn:openid:params:grant-type:ciba';

export const benchClient = {
  client_id: 'bench',
  client_secret: 'bench-secret-0123456789abcdef0123456789abcdef',
  grant_types: [CIBA, 'refresh_token'],
  backchannel_token_delivery_mode: 'poll',
};

export interface Target {
  /** Without path. */
  url: string;
}

export const paths = { start: '/bc-authorize', token: '/oauth/token' };

export const headers = {
  authorization: `Basic ${Buffer.from(`${benchClient.client_id}:${benchClient.client_secret}`).toString('base64')}`,
  'content-type': 'application/x-www-form-urlencoded',
};

/** @param user by the user name that seed.ts gave */
export const startForm = (user: string): string =>
  new URLSearchParams({
    scope: 'openid offline_access',
    login_hint: user,
    binding_message: 'Pay 12,50 to the bakery?',
    requested_expiry: '600',
  }).toString();

export const tokenForm = (authReqId: string): string =>
  new URLSearchParams({ grant_type: CIBA, auth_req_id: authReqId }).toString();

export interface Reply {
  status: number;
  body: Record<string, unknown>;
}

/** One request, answered. */
export function post({ url }: Target, path: string, form: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { method: 'POST', headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) }));
    });
    sent.once('error', reject);
    sent.end(form);
  });
}

/** @throws Error when the server does not take it */
export async function start(target: Target, user: string): Promise<string> {
  const { status, body } = await post(target, paths.start, startForm(user));
  if (status !== 200) throw new Error(`start answered ${status}: ${JSON.stringify(body)}`);
  return String(body['auth_req_id']);
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
