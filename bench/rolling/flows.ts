/**
 * People who sign in, so many begun a second, whether or not the ones before are done: a client starts, the person's device is shown the
 * request and answers it, the client polls until it has its tokens; some poll before that, some after. What each saw is held against
 * what it may see.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { asSent, paths, tokenForm } from '../client.ts';
import type { OperationIds } from '../operation-ids.ts';
import { until } from '../processes.ts';
import type { Phone } from './phone.ts';
import type { Answer, Sender } from './sender.ts';

/** What the checks of RL-20 count. */
export interface Seen {
  begun: number;
  /** Ended as the person had decided. */
  done: number;
  /** Acknowledged, and never came to the end that the person had decided. */
  lost: string[];
  /** A second token set of one request. */
  twice: string[];
  /** An answer that contradicts one before it. */
  contradicted: string[];
  /** Since it was due, of those that are done. */
  flowMs: number[];
  /** How late the load itself was: above some milliseconds it, and not the servers, had too much to do. */
  lateMs: number[];
}

export interface Flows {
  seen: Seen;
  /** Resolves when no more than half a second's sign-ins are under way. */
  caughtUp(): Promise<void>;
  /** Nobody begins any more; resolves when all have ended. */
  stop(): Promise<{ seconds: number }>;
}

export interface FlowsOptions {
  sender: Sender;
  url: string;
  phones: readonly Phone[];
  perSecond: number;
  operationIdOf: OperationIds;
}

/** Every tenth person says no. */
const denials = 10;
/** Of so many one polls before anybody has decided, and another one again when it has its tokens. */
const impatient = 4;
/** Nothing here takes so long, unless it was lost. */
const patienceMs = 30_000;

export function startFlows({ sender, url, phones, perSecond, operationIdOf }: FlowsOptions): Flows {
  const seen: Seen = { begun: 0, done: 0, lost: [], twice: [], contradicted: [], flowMs: [], lateMs: [] };
  const underWay = new Set<Promise<void>>();
  const startedAt = performance.now();

  const post = async (path: string, form: string, more: Record<string, string> = {}): Promise<Reply> => {
    const { headers, body } = asSent({ url }, path, form);
    return replyOf(await sender.post(path, { ...headers, ...more }, body));
  };
  const poll = async (id: string) => {
    const reply = await post(paths.token, tokenForm(id));
    if (reply.status !== 200 && reply.status !== 400) throw new Error(`a poll was answered ${reply.status}`);
    return reply;
  };

  async function flow(index: number, dueAt: number): Promise<void> {
    const phone = phones[index % phones.length]!;
    const decision = index % denials === denials - 1 ? 'deny' : 'approve';
    // what is not acknowledged here is an error of the caller, and nothing was lost
    const started = await post(paths.start, formOf(phone.user), { 'idempotency-key': randomUUID() }).catch(() => {});
    if (!started) return;
    if (started.status === 400) sender.errors.push(`start: ${wordOf(started)}`);
    if (started.status !== 200) return;
    const id = String(started.body['auth_req_id']);
    const before = index % impatient === 0 && (await repeated(() => poll(id)));
    if (before && wordOf(before) !== 'authorization_pending') seen.contradicted.push(`undecided: ${wordOf(before)}`);
    const shown = await repeated(() => phone.present(operationIdOf(id)));
    const decided = shown && (await repeated(() => phone.decide(shown, decision)));
    const end = decided && (await pollToTheEnd(() => poll(id)));
    const wanted = decision === 'approve' ? 'tokens' : 'access_denied';
    if (!end)
      return void seen.lost.push(`${decision}: ${decided ? 'still pending' : shown ? 'not taken' : 'not shown'}`);
    if (wordOf(end) !== wanted) return void seen.contradicted.push(`${decision}: ${wordOf(end)}`);
    seen.done += 1;
    seen.flowMs.push(performance.now() - dueAt);
    if (index % impatient === 1) await askAgain(id, end);
  }

  /** What was handed out is marked so after the answer has left; until then a second caller waits. */
  async function askAgain(id: string, end: Reply): Promise<void> {
    const again = await pollToTheEnd(() => poll(id));
    const word = again ? wordOf(again) : 'pending';
    if (word === 'tokens' && wordOf(end) === 'tokens') {
      if (again!.body['access_token'] !== end.body['access_token']) seen.twice.push(id);
    } else if (word !== (wordOf(end) === 'tokens' ? 'invalid_grant' : 'access_denied')) {
      seen.contradicted.push(`after ${wordOf(end)}: ${word}`);
    }
  }

  const tick = setInterval(() => {
    const now = performance.now();
    for (; seen.begun < Math.floor(((now - startedAt) * perSecond) / 1000); seen.begun++) {
      const dueAt = startedAt + (seen.begun * 1000) / perSecond;
      seen.lateMs.push(now - dueAt);
      const one: Promise<void> = flow(seen.begun, dueAt)
        .catch((error: unknown) => void seen.lost.push(String(error)))
        .finally(() => underWay.delete(one));
      underWay.add(one);
    }
  }, 5);

  return {
    seen,
    caughtUp: () => until('the sign-ins to be caught up with', () => underWay.size <= perSecond / 2, 120_000),
    async stop() {
      clearInterval(tick);
      const seconds = (performance.now() - startedAt) / 1000;
      await Promise.all(underWay);
      return { seconds };
    },
  };
}

interface Reply {
  status: number;
  body: Record<string, unknown>;
}

function replyOf({ status, type, text }: Answer): Reply {
  return { status, body: type.startsWith('application/json') ? JSON.parse(text) : {} };
}

const wordOf = ({ status, body }: Reply) => (status === 200 ? 'tokens' : String(body['error'] ?? status));

/** An error is counted where it was met (sender.ts); whether anything was lost by it is seen by asking again. */
async function repeated<T>(work: () => Promise<T>): Promise<T | undefined> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    try {
      return await work();
    } catch {
      if (performance.now() > deadline) return undefined;
      await sleep(1_000);
    }
  }
}

/** A holder that was stopped lets go of what it was about to hand out, so `authorization_pending` may come once more. */
async function pollToTheEnd(poll: () => Promise<Reply>): Promise<Reply | undefined> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const reply = await repeated(poll);
    if (reply && wordOf(reply) !== 'authorization_pending') return reply;
    if (!reply || performance.now() > deadline) return undefined;
    await sleep(1_000);
  }
}

const formOf = (user: string): string =>
  new URLSearchParams({
    scope: 'openid',
    login_hint: user,
    binding_message: 'Pay 12,50 to the bakery?',
    acr_values: 'urn:assent:acr:possession',
  }).toString();
