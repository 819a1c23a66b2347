import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  beginEnrollment,
  type ChallengeView,
  codeOf,
  type Device,
  memoryStorage,
  type PostContext,
} from '../../../src/device-sdk/index.ts';
import type { TestServer } from '../server.ts';
import { whyLost } from './clients.ts';
import type { Deployment } from './deployment.ts';
import { type History, now } from './history.ts';

/** A person with one enrolled phone, which writes down what it saw. */
export interface VirtualPhone {
  user: string;
  userId: string;
  device: Device;
  /** What it was told once it was enrolled. */
  told: PostContext[];
  /** The challenge of this request; undefined where it does not wait (any more). */
  view(request: string): Promise<ChallengeView | undefined>;
  /** One attempt. */
  decide(request: string, decision: 'approve' | 'deny', view?: ChallengeView): Promise<Outcome>;
  /** What waits, into the history. */
  list(): Promise<string[]>;
}

export interface Outcome {
  outcome: 'acknowledged' | 'refused' | 'unknown';
  code?: string;
}

export interface PhoneOptions {
  /** A second phone of the same person. */
  userId?: string;
  pin?: string;
  /** For its ticket. */
  postContext?: PostContext;
  /** Where a call goes; the servers in turn where it is not said. */
  at?: () => TestServer;
  fetch?: typeof fetch;
}

// Nothing came back, or only that the store is away: the decision may have been taken or not.
const unknownCodes = ['network', 'unavailable', 'server_unexpected'];

export async function createPhone(
  deployment: Deployment,
  history: History,
  user: string,
  { userId, pin, postContext, at = deployment.next, fetch = throughBalancer(at, history) }: PhoneOptions = {},
): Promise<VirtualPhone> {
  const id = userId ?? String((await manage(deployment, 'POST', '/users', { username: user }))['id']);
  const body = { post_context: postContext };
  const ticket = await manage(deployment, 'POST', `/users/${id}/enrollment-tickets`, body);
  const options = {
    fetch,
    // as patient as a phone, ten times as fast
    sleep: (ms: number) => sleep(ms / 10),
  };
  const enrollment = await beginEnrollment(memoryStorage(), String(ticket['ticket_uri']), options);
  const told: PostContext[] = [];
  const onPostContext = (context: PostContext) => void told.push(context);
  const device = await enrollment.finish({ device: { name: user }, onPostContext, ...(pin !== undefined && { pin }) });

  const views = new Map<string, ChallengeView>();
  const names = new Map<string, string>();

  async function lookAt(op: string): Promise<void> {
    const view = await device.present(op).catch((error: unknown) => unlessClosed(error));
    if (!view) return;
    names.set(op, String(view.bindingMessage));
    views.set(String(view.bindingMessage), view);
  }

  async function waiting(): Promise<string[]> {
    const { operations } = await device.inbox();
    await Promise.all(operations.filter(({ op }) => !names.has(op)).map(({ op }) => lookAt(op)));
    return operations.flatMap(({ op }) => names.get(op) ?? []);
  }

  async function view(request: string): Promise<ChallengeView | undefined> {
    if (!views.has(request)) await waiting();
    return views.get(request);
  }

  return {
    user,
    userId: id,
    device,
    told,
    view,
    async list() {
      const sentAt = now();
      const requests = await waiting();
      history.append({ kind: 'listed', user, sentAt, requests });
      return requests;
    },
    async decide(request, decision, given) {
      const challenge = given ?? (await view(request).catch(() => undefined));
      if (!challenge) return { outcome: 'unknown', code: 'not_shown' };
      const sentAt = now();
      const answer = decision === 'approve' ? { decision, ...(pin !== undefined && { pin }) } : { decision };
      const result = await device.decide(challenge, answer).then(
        (): Outcome => ({ outcome: 'acknowledged' }),
        (error: unknown): Outcome => {
          const code = codeOf(error) ?? String(error);
          return { outcome: unknownCodes.includes(code) ? 'unknown' : 'refused', code };
        },
      );
      const phone = device.deviceId;
      history.append({ kind: 'decided', request, phone, decision, sentAt, endedAt: now(), ...result });
      return result;
    },
  };
}

/** Everybody at once, a few at a time. */
export async function createPhones(
  deployment: Deployment,
  history: History,
  names: string[],
  options: PhoneOptions = {},
): Promise<VirtualPhone[]> {
  const phones: VirtualPhone[] = [];
  for (let i = 0; i < names.length; i += 4)
    phones.push(
      ...(await Promise.all(names.slice(i, i + 4).map((name) => createPhone(deployment, history, name, options)))),
    );
  return phones;
}

/** The management API, at the first server. Patient as an operator is: a store that is busy is asked again, under the same key. */
export async function manage(
  { servers }: Pick<Deployment, 'servers'>,
  method: string,
  path: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const { management, managementKey } = servers[0]!;
  const key = randomUUID();
  const send = () =>
    fetch(`${management}/management/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${managementKey}`,
        ...(method === 'POST' && { 'idempotency-key': key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  let response = await send();
  for (let again = 0; response.status === 503 && again < 5; again++) {
    await sleep(500);
    response = await send();
  }
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' ? {} : JSON.parse(text);
}

/** Sends each call to a server of the balancer's choice, whatever address stands in it, and writes it down. */
function throughBalancer(at: () => TestServer, history: History): typeof fetch {
  return async (input, init) => {
    const { pathname, search } = new URL(String(input));
    const what = `${init?.method ?? 'GET'} ${pathname}`;
    const sentAt = now();
    try {
      const response = await fetch(`${at().issuer}${pathname}${search}`, init);
      const retryAfter = response.headers.get('retry-after');
      history.append({
        kind: 'call',
        what,
        sentAt,
        endedAt: now(),
        status: response.status,
        ...(retryAfter !== null && { retryAfter }),
      });
      return response;
    } catch (error) {
      if (!init?.signal?.aborted) history.append({ kind: 'call', what, sentAt, endedAt: now(), lost: whyLost(error) });
      throw error;
    }
  };
}

/** Every call of one kind goes out twice, at once and byte for byte; the caller gets the first answer. */
export function sendingTwice(deployment: Deployment, act: string): { fetch: typeof fetch; statuses: number[][] } {
  const statuses: number[][] = [];
  return {
    statuses,
    async fetch(input, init) {
      const { pathname } = new URL(String(input));
      const send = () => fetch(`${deployment.next().issuer}${pathname}`, init);
      if (!pathname.endsWith(`/${act}`)) return send();
      const answers = await Promise.all([send(), send()]);
      statuses.push(answers.map(({ status }) => status));
      return answers[0]!;
    },
  };
}

function unlessClosed(error: unknown): undefined {
  if (!codeOf(error)?.startsWith('operation_')) throw error;
  return undefined;
}
