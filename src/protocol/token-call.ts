import { randomBytes, randomInt } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Client } from 'oidc-provider';
import type { TokenOutcome } from '../domain/redemptions.ts';
import { createAtATime } from '../support/at-a-time.ts';
import { SECOND } from '../support/clock.ts';
import { isHandle, operationIdOf } from '../support/ids.ts';
import { type Answer, errorAnswer, jsonAnswer, send } from './answer.ts';
import { authenticate } from './client-call.ts';
import { whyDenied } from './denial.ts';
import type { ProtocolDeps } from './deps.ts';
import { fetchKeysFor } from './encryption.ts';
import {
  type EngineContext,
  type KeyProof,
  newContext,
  proveKey,
  runTokenEndpoint,
  spendProof,
} from './engine-patches.ts';
import { asOAuthError, ProtocolError } from './errors.ts';
import { type Form, readForm } from './form.ts';
import { createHolds, type Hold, type HoldLimits } from './hold.ts';
import { issueTokens, repeated, type StoredResponse } from './issuance.ts';
import { deliveryModeOf } from './notification-record.ts';
import { preferredWaitSeconds } from './prefer.ts';
import type { Engine } from './provider.ts';
import { createRequestIds } from './request-ids.ts';
import { clientMember, grantType, route, tokenParameters } from './vocabulary.ts';

/**
 * `POST /oauth/token`. `engine` gives the one that serves at that moment: a request may be held for longer than its own.
 * @throws ProtocolError | DomainError | errors of the engine; nothing has been answered then
 */
export type TokenCall = (engine: () => Engine, req: IncomingMessage, res: ServerResponse) => Promise<void>;

type Deps = Pick<ProtocolDeps, 'redemptions' | 'secrets' | 'clock' | 'log' | 'watchOperation' | 'stopping' | 'timers'>;
type Issue = Extract<TokenOutcome, { outcome: 'issue' }>;
type Repeat = Extract<TokenOutcome, { outcome: 'repeat' }>;

/**
 * RL-15: making tokens is half a millisecond of the process's only thread. When thousands are approved at once, whoever asks for
 * anything else waits behind so many and not behind all of them.
 */
const madeAtATime = 32;

/** RL-15: ten thousand whose server stops come back, to the servers beside it, two thousand a second and not all at once. */
const backWithinSeconds = 5;

/** One approved poll, from the lease to the last byte. */
interface Handing {
  engine: Engine;
  ctx: EngineContext;
  res: ServerResponse;
  proof: KeyProof | undefined;
  handle: string;
  holder: string;
}

/**
 * The token call in front of the engine's router (architecture, section 4):
 *
 * 1. body, parameters             4. DPoP proof, where there is one
 * 2. client authentication        5. one round trip: owner, pacing and state
 * 3. grant allowed                6. the answer; only an approval goes further: issue → write → commit → answer
 *
 * Whatever fails before 5 neither counts as a poll nor uses anything up. A request that may wait does so between 5 and 6
 * (`hold.ts`), and then 5 is asked once more, which counts as no poll.
 */
export function createTokenCall(deps: Deps): TokenCall {
  const { redemptions, clock, log } = deps;
  const ids = createRequestIds(deps.secrets);
  const nextHolder = holders();
  const holds = createHolds({ ...deps, endHolds: redemptions.endHolds });
  const making = createAtATime(madeAtATime);
  // A response that has left and is being recorded as delivered: the same client's next poll waits for that record.
  const leaving = new Map<string, Promise<void>>();

  async function poll(current: () => Engine, req: IncomingMessage, res: ServerResponse, form: Form): Promise<void> {
    const engine = current();
    const { ctx, params } = await authenticate(engine, {
      req,
      res,
      route: route.token,
      form,
      parameters: tokenParameters,
    });
    const { client } = ctx.oidc;
    if (!client.grantTypeAllowed(grantType.ciba)) {
      throw new ProtocolError('unauthorized_client', 'requested grant type is not allowed for this client');
    }
    if (params.auth_req_id === undefined) {
      throw new ProtocolError('invalid_request', "missing required parameter 'auth_req_id'");
    }
    const handle = ids.handleOf(params.auth_req_id);
    const proof = await proveKey(engine.provider, ctx);

    await leaving.get(handle);
    const holder = nextHolder();
    const asked = { handle, clientId: client.clientId, holder };
    const { hold: limits } = engine.settings.ciba;
    const wait = waitOf(req, client, limits.maxSeconds);
    const hold = wait && beginHold(asked, wait, limits);
    try {
      const outcome = await (hold ? waiting(asked, hold, current, res) : redemptions.poll(asked));
      if (outcome === 'gone') return;
      if (outcome.outcome === 'issue' || outcome.outcome === 'repeat') {
        await handOver({ engine, ctx, res, proof, handle, holder }, outcome);
      } else {
        send(res, answerOf(outcome, client));
      }
    } finally {
      hold?.end();
    }
  }

  function beginHold({ handle, clientId, holder }: Asked, wait: Wait, limits: HoldLimits): PreferredHold | undefined {
    // what is no id of ours is nothing to wait for
    if (!isHandle(handle)) return undefined;
    const operationId = operationIdOf(handle);
    const hold = holds.begin({ clientId, operationId, holder, ms: wait.seconds * SECOND, limits });
    return hold && { ...hold, operationId, wait };
  }

  /** As a poll, but not told `pending` before the time is over. */
  async function waiting(asked: Asked, hold: PreferredHold, current: () => Engine, res: ServerResponse) {
    const { clientId, holder } = asked;
    const { operationId, wait } = hold;
    const first = await redemptions.poll({ ...asked, holdMs: hold.ms });
    if (first.outcome !== 'slow_down' && wait.preferred) res.setHeader('preference-applied', `wait=${wait.seconds}`);
    if (first.outcome !== 'pending') return first;
    const ended = await hold.until(res);
    if (ended === 'stop') {
      res.setHeader('retry-after', String(randomInt(1, 1 + backWithinSeconds)));
      return first;
    }
    if (ended === 'gone') {
      hold.end();
      // the next poll need not wait for a hold that nobody is held by
      await redemptions.release({ operationId, holder });
      return 'gone';
    }
    // promise 5: it was checked when the wait began
    if (!(await current().provider.Client.find(clientId))) {
      throw new ProtocolError('invalid_client', 'client authentication failed', { status: 401 });
    }
    return redemptions.poll({ ...asked, by: 'held' });
  }

  async function handOver(handing: Handing, outcome: Issue | Repeat): Promise<void> {
    const { res, holder, handle } = handing;
    const of = { operationId: outcome.operation.id, holder };
    let answer: Answer | undefined;
    try {
      answer = await (outcome.outcome === 'issue'
        ? fetchKeysFor(handing.ctx.oidc.client).then(() => making.run(() => issueAndCommit(handing, outcome)))
        : repeat(handing, outcome));
    } catch (error) {
      // nothing was used up: the next poll may try again at once
      await redemptions.release(of).catch(() => log.warn('ciba.not_released', { operationId: of.operationId }));
      throw error;
    }
    if (!answer) return send(res, answers.pending);
    const settled: Promise<void> = settle(res, of).then(() => {
      if (leaving.get(handle) === settled) leaving.delete(handle);
    });
    leaving.set(handle, settled);
    send(res, answer);
  }

  /** undefined: another poll has leased meanwhile, and what was issued here stays unknown to everybody. */
  async function issueAndCommit(handing: Handing, outcome: Issue): Promise<Answer | undefined> {
    const { engine, ctx, proof, holder } = handing;
    const { operation, user } = outcome;
    const response = await issueTokens(engine, ctx, { operation, user, proof }, deps);
    const committed = await redemptions.commit({
      operationId: operation.id,
      holder,
      response: JSON.stringify(response satisfies StoredResponse),
      binding: proof?.thumbprint ?? '',
      replayUntil: clock() + engine.settings.redemption.replaySeconds * SECOND,
    });
    if (!committed) return undefined;
    log.info('ciba.redeemed', { operationId: operation.id, userId: user.id, clientId: operation.clientId });
    return jsonAnswer(200, response.body);
  }

  /** Made before, never delivered: the same set again, to the same key only. */
  async function repeat({ engine, ctx, proof }: Handing, { operation, response, binding }: Repeat): Promise<Answer> {
    if (binding !== (proof?.thumbprint ?? ''))
      throw new ProtocolError('invalid_grant', 'the tokens are bound to another key');
    await spendProof(engine.provider, ctx, proof);
    log.info('ciba.repeated', { operationId: operation.id, clientId: operation.clientId });
    return jsonAnswer(200, repeated(response, clock()));
  }

  /** `finish`: the kernel has it all. `close` without it: the next poll gets the response at once. */
  function settle(res: ServerResponse, of: { operationId: string; holder: string }): Promise<void> {
    const left = new Promise<boolean>((resolve) => {
      if (res.destroyed) resolve(false);
      res.once('finish', () => resolve(true));
      res.once('close', () => resolve(false));
    });
    return left
      .then((isDelivered) => (isDelivered ? redemptions.delivered(of) : redemptions.release(of)))
      .catch((error: unknown) => {
        // the lease runs out by itself, and the response stays repeatable until it is no longer wanted
        log.warn('ciba.not_settled', { operationId: of.operationId, error: asOAuthError(error).detail });
      });
  }

  return async (engine, req, res) => {
    const form = await readForm(req);
    if (form['grant_type'] === grantType.ciba) return poll(engine, req, res, form);
    const ctx = newContext(engine().provider, { req, res, route: route.token, body: form });
    await exchange(engine().storage, ctx);
    send(res, jsonAnswer(200, ctx.body));
  };
}

/** A code or refresh token is used up last, when what it is exchanged for is there. */
async function exchange(storage: Engine['storage'], ctx: EngineContext): Promise<void> {
  const { batch } = await storage.gather(ctx, () => runTokenEndpoint(ctx));
  await storage.write(batch);
}

interface Asked {
  handle: string;
  clientId: string;
  holder: string;
}

interface Wait {
  seconds: number;
  /** The request says so itself, and is told that it was heard (RFC 7240, 3). */
  preferred: boolean;
}

/** Until its answer has left. */
interface PreferredHold extends Hold {
  operationId: string;
  wait: Wait;
}

/** How long this poll may be held: as the request says, else as its client is registered. */
function waitOf(req: IncomingMessage, client: Client, maxSeconds: number): Wait | undefined {
  const preferred = preferredWaitSeconds(req.headers['prefer']);
  const seconds = Math.min(preferred ?? (client[clientMember.hold] as number | undefined) ?? 0, maxSeconds);
  return seconds > 0 ? { seconds, preferred: preferred !== undefined } : undefined;
}

/** Unique over processes and calls, without asking for randomness at every poll. */
function holders(): () => string {
  const process = randomBytes(12).toString('base64url');
  let calls = 0;
  return () => `${process}.${(calls++).toString(36)}`;
}

const invalidGrant = errorAnswer({ status: 400, error: 'invalid_grant', description: 'grant request is invalid' });

const pending = errorAnswer({
  status: 400,
  error: 'authorization_pending',
  description: 'The user has not decided yet.',
});

/** What needs no thought is written once. */
const answers = {
  pending,
  expired: errorAnswer({ status: 400, error: 'expired_token', description: 'The authentication request has expired.' }),
  busy: pending,
  unknown: invalidGrant,
  delivered: invalidGrant,
};

/** Ruling 7, ruling 8. */
function answerOf(outcome: Exclude<TokenOutcome, Issue | Repeat>, client: Client): Answer {
  // CIBA Core 11. Of a request from when it still polled the client may have the answer (C-14).
  if (outcome.outcome === 'push' || (outcome.outcome === 'unknown' && deliveryModeOf(client) === 'push')) {
    throw new ProtocolError('unauthorized_client', 'the tokens of this client are pushed');
  }
  switch (outcome.outcome) {
    case 'slow_down':
      return errorAnswer({
        status: 400,
        error: 'slow_down',
        description: `Poll no faster than every ${outcome.intervalSeconds} seconds.`,
        retryAfterSeconds: outcome.intervalSeconds,
      });
    case 'denied':
      return errorAnswer({ status: 400, error: 'access_denied', description: whyDenied(outcome.reason) });
    default:
      return answers[outcome.outcome];
  }
}
