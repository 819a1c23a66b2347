import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EndReason } from '../domain/operation.ts';
import type { TokenOutcome } from '../domain/redemptions.ts';
import { SECOND } from '../support/clock.ts';
import { type Answer, errorAnswer, jsonAnswer, send } from './answer.ts';
import { authenticate } from './client-call.ts';
import type { ProtocolDeps } from './deps.ts';
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
import { issueTokens, repeated, type StoredResponse } from './issuance.ts';
import type { Engine } from './provider.ts';
import { grantType, route, tokenParameters } from './vocabulary.ts';

/** `POST /oauth/token`. @throws ProtocolError | DomainError | errors of the engine; nothing has been answered then */
export type TokenCall = (engine: Engine, req: IncomingMessage, res: ServerResponse) => Promise<void>;

type Deps = Pick<ProtocolDeps, 'redemptions' | 'secrets' | 'clock' | 'log'>;
type Issue = Extract<TokenOutcome, { outcome: 'issue' }>;
type Repeat = Extract<TokenOutcome, { outcome: 'repeat' }>;

/** One approved poll, from the lease to the last byte. */
interface Handing {
  engine: Engine;
  ctx: EngineContext;
  res: ServerResponse;
  proof: KeyProof | undefined;
  authReqId: string;
  holder: string;
}

/**
 * The token call in front of the engine's router (architecture, section 4):
 *
 * 1. body, parameters             4. DPoP proof, where there is one
 * 2. client authentication        5. one round trip: owner, pacing and state
 * 3. grant allowed                6. the answer; only an approval goes further: issue → write → commit → answer
 *
 * Whatever fails before 5 neither counts as a poll nor uses anything up.
 */
export function createTokenCall(deps: Deps): TokenCall {
  const { redemptions, clock, log } = deps;
  const nextHolder = holders();
  // A response that has left and is being recorded as delivered: the same client's next poll waits for that record.
  const leaving = new Map<string, Promise<void>>();

  async function poll(engine: Engine, req: IncomingMessage, res: ServerResponse, form: Form): Promise<void> {
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
    const authReqId = params.auth_req_id;
    if (authReqId === undefined) throw new ProtocolError('invalid_request', "missing required parameter 'auth_req_id'");
    const proof = await proveKey(engine.provider, ctx);

    await leaving.get(authReqId);
    const holder = nextHolder();
    const outcome = await redemptions.poll({ authReqId, clientId: client.clientId, holder });
    if (outcome.outcome === 'issue' || outcome.outcome === 'repeat') {
      await handOver({ engine, ctx, res, proof, authReqId, holder }, outcome);
    } else {
      send(res, answerOf(outcome));
    }
  }

  async function handOver(handing: Handing, outcome: Issue | Repeat): Promise<void> {
    const { res, holder, authReqId } = handing;
    const of = { operationId: outcome.operation.id, holder };
    let answer: Answer | undefined;
    try {
      answer = await (outcome.outcome === 'issue' ? issueAndCommit(handing, outcome) : repeat(handing, outcome));
    } catch (error) {
      // nothing was used up: the next poll may try again at once
      await redemptions.release(of).catch(() => log.warn('ciba.not_released', { operationId: of.operationId }));
      throw error;
    }
    if (!answer) return send(res, answers.pending);
    const settled: Promise<void> = settle(res, of).then(() => {
      if (leaving.get(authReqId) === settled) leaving.delete(authReqId);
    });
    leaving.set(authReqId, settled);
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
    const ctx = newContext(engine.provider, { req, res, route: route.token, body: form });
    await runTokenEndpoint(ctx);
    send(res, jsonAnswer(200, ctx.body));
  };
}

/** Unique over processes and calls, without asking for randomness at every poll. */
function holders(): () => string {
  const process = randomBytes(12).toString('base64url');
  let calls = 0;
  return () => `${process}.${(calls++).toString(36)}`;
}

const invalidGrant = errorAnswer({ status: 400, error: 'invalid_grant', description: 'grant request is invalid' });

/** What needs no thought is written once. */
const answers = {
  pending: errorAnswer({ status: 400, error: 'authorization_pending', description: 'The user has not decided yet.' }),
  expired: errorAnswer({ status: 400, error: 'expired_token', description: 'The authentication request has expired.' }),
  unknown: invalidGrant,
  delivered: invalidGrant,
};

/** Ruling 7, ruling 8. */
function answerOf(outcome: Exclude<TokenOutcome, Issue | Repeat>): Answer {
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
    case 'push':
      // CIBA Core 11
      throw new ProtocolError('unauthorized_client', 'the tokens of this request are pushed');
    default:
      return answers[outcome.outcome];
  }
}

function whyDenied(reason: EndReason | undefined): string {
  switch (reason) {
    case 'superseded':
      return 'A newer request took the place of this one.';
    case 'cancelled_by_client':
      return 'The client cancelled the request.';
    case 'not_me':
      return 'The user did not start this request.';
    case 'incorrect_data':
      return 'The user says that something in the request is not right.';
    case 'cancelled_by_user':
      return 'The user changed their mind.';
    case 'attempts':
      return 'The answer could not be verified, and no tries are left.';
    default:
      return 'The request was denied.';
  }
}
