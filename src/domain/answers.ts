/**
 * Showing an operation to a device and taking its answer (device-protocol, section 4).
 *
 *     present   operation + device ──> the same challenge, however often; writes nothing
 *     decide    message again? ─> its answer
 *               operation pending, challenge, context and method fit          else refused, not counted
 *               approve with proof or number: reserve a try                   round trip 2
 *               every proof and the number evaluated, always all
 *               right ─> decision, evidence, receipt, events in one step      round trip 3
 *               wrong ─> the try is spent, with its consequences              round trip 3
 */
import type { Clock } from '../support/clock.ts';
import type { Secrets } from '../support/secrets.ts';
import { type AcrNames, levelOf } from './acr.ts';
import { answerableBy, type Case, decisionEvents, type Outcome, settled, tellDevices } from './answer-case.ts';
import { closed, notActive, refuseClosed, sameDecision } from './answer-refusals.ts';
import { createAnswerTries } from './answer-tries.ts';
import type { Method } from './application.ts';
import type { Applications } from './applications.ts';
import { isHardwareBound } from './attestation.ts';
import type { ClientStanding } from './client-standing.ts';
import { openOperationContext } from './context.ts';
import type { Device } from './device.ts';
import { elementsOf } from './device-messages/decision.ts';
import {
  buildChallenge,
  challengeHash,
  checkFits,
  type DecideAnswer,
  type EvaluatedApproval,
  evaluateApproval,
  type PresentAnswer,
  type ProofKey,
  readDecision,
  sealChallenge,
  textOf,
} from './device-messages/index.ts';
import type { DeviceRequest } from './device-requests.ts';
import type { DeviceServerKeys } from './device-server-keys.ts';
import type { Caller } from './enrollment.ts';
import { DomainError } from './errors.ts';
import { sealEvidence } from './evidence.ts';
import type { Inbox } from './inbox.ts';
import { isMatch } from './match.ts';
import { counterOf } from './message-counter.ts';
import type { Decision, Operation } from './operation.ts';
import { proofKeysOf } from './pin-keys.ts';
import { sealPinProof } from './pin-proofs.ts';
import type { OperationStore } from './ports/operations.ts';
import { postContextFor } from './post-context.ts';
import { receiptOf, repeated, replayedBy } from './receipts.ts';
import { type Counted, consequencesOf, limitsOf } from './tries.ts';

export interface Answers {
  /** @throws DomainError operation_not_found | operation_decided | operation_expired | operation_cancelled | operation_failed */
  present(request: DeviceRequest): Promise<PresentAnswer>;
  /** As `present`, and @throws DomainError challenge_stale | attempt_failed | attempt_underway | message_reused | device_locked | device_deactivated */
  decide(request: DeviceRequest, caller: Pick<Caller, 'traceId'>): Promise<DecideAnswer>;
}

interface Deps {
  issuer: string;
  store: { operations: Pick<OperationStore, 'reserveAttempt' | 'failAttempt' | 'decide'> };
  inbox: Pick<Inbox, 'methodsFor'>;
  applications: Pick<Applications, 'find'>;
  clients: Pick<ClientStanding, 'refuseStopped'>;
  serverKeys: Pick<DeviceServerKeys, 'seal'>;
  secrets: Secrets;
  clock: Clock;
  acr: AcrNames;
  /** How long evidence stays. */
  evidenceRetentionMs: number;
  /** How long a client is kept from a person who did not start its request; see StartLimits. Absent: it is not. */
  notMeMs?: number;
}

export function createAnswers(deps: Deps): Answers {
  const { issuer, store, inbox, applications, clients, serverKeys, secrets, clock } = deps;
  const tries = createAnswerTries(deps);

  async function present(request: DeviceRequest): Promise<PresentAnswer> {
    const op = textOf(request.payload, 'op');
    const { operation, device } = answerableBy(inbox, request.device, op);
    refuseClosed(operation, clock());
    await clients.refuseStopped(operation);
    const challenge = challengeFor(operation, device).text;
    return { challenge: sealChallenge(device.keys.enc!, serverKeys.seal(), challenge) };
  }

  /** Receipts and the record of the decision know nothing of the post-context: it is read from the operation each time. */
  async function decide(request: DeviceRequest, caller: Pick<Caller, 'traceId'>): Promise<DecideAnswer> {
    const answer = await decided(request, caller);
    const { operation } = request.device;
    if (answer.state !== 'approved' || operation?.id !== answer.op) return answer;
    const postContext = postContextFor(deps, request.device, operation);
    return postContext === undefined ? answer : { ...answer, post_context: postContext };
  }

  async function decided(request: DeviceRequest, caller: Pick<Caller, 'traceId'>): Promise<DecideAnswer> {
    const message = readDecision(request);
    const { receipt } = request.device;
    if (receipt) return settled(repeated<Outcome>(replayedBy(receipt, request)));
    const now = clock();
    const { operation, device } = answerableBy(inbox, request.device, message.op);
    const { state } = operation;
    if (state !== 'approved' && state !== 'denied') refuseClosed(operation, now, message.approved);
    // a denial is what the person said, whatever has become of who asked
    if (state === 'pending' && message.approved) await clients.refuseStopped(operation);
    const challenge = challengeFor(operation, device);
    checkFits(message, challenge);
    if (operation.decision) return sameDecision(operation, message, device);
    const one: Case = { request, message, operation, device, challenge: challenge.text, caller, now };
    return message.approved
      ? approve(one)
      : record(one, { passed: true, numberFits: true, proved: [], proofs: [] }, []);
  }

  function challengeFor(operation: Operation, device: Device): Challenge {
    const ctx = openOperationContext(secrets, operation);
    if (ctx === undefined || !operation.context) throw new DomainError('operation_not_found', { detail: 'no context' });
    const methods = inbox.methodsFor(operation, device);
    const { id: op, createdAt, answerBy, match } = operation;
    const text = buildChallenge(secrets, { issuer, deviceId: device.id, op, createdAt, answerBy, ctx, methods, match });
    return { text, challengeHash: challengeHash(text), contextHash: operation.context.hash, methods };
  }

  async function approve(one: Case): Promise<DecideAnswer> {
    const { message, operation, device } = one;
    const keys = proofKeysOf(secrets, device);
    const asksNumber = operation.match !== undefined;
    const counts = elementsOf(message, { keys, asksNumber });
    // possession alone guesses at nothing
    if (message.signed.proofs.length === 0 && !asksNumber) return record(one, evaluate(one, keys), counts);
    const limits = limitsOf(applications.find(device.applicationId)!);
    const tally = await tries.reserve(one, counts, limits);
    const evaluated = evaluate(one, keys);
    if (evaluated.passed) return record(one, evaluated, counts);
    return tries.fail(one, tally, (current) => consequencesOf(current, counts, limits));
  }

  function evaluate({ message, operation }: Case, keys: readonly ProofKey[]): EvaluatedApproval {
    const { match } = operation;
    return evaluateApproval(message, {
      keys,
      ...(match && { numberFits: (number: string) => isMatch(secrets, operation, number) }),
    });
  }

  async function record(one: Case, evaluated: EvaluatedApproval, counts: Counted[]): Promise<DecideAnswer> {
    const { request, message, operation, device, challenge, now } = one;
    const decision = decisionOf(one, evaluated);
    const state = decision.approved ? 'approved' : 'denied';
    const { jws } = message.signed;
    const evidence = { issuer, operation, device, decision, challenge, jws, proofs: evaluated.proofs };
    const answer: DecideAnswer = { op: operation.id, state };
    const outcome = await store.operations.decide({
      operationId: operation.id,
      deviceId: device.id,
      userId: operation.userId,
      decision,
      clear: counts,
      evidence: {
        sealed: sealEvidence(secrets, serverKeys.seal(), evidence),
        retainUntil: now + deps.evidenceRetentionMs,
        pinProof: keepsPinProof(device) ? sealPinProof(secrets, operation.id, device, evaluated.proofs) : undefined,
      },
      receipt: receiptOf(request, answer, now, operation.expiresAt),
      ...counterOf(request, one.caller, now),
      now,
      events: decisionEvents(one, decision, deps.notMeMs),
      outbox: [tellDevices(one, 'decided')],
    });
    return answered(outcome, one, answer);
  }

  function answered(outcome: DecideOutcome, { message, device }: Case, answer: DecideAnswer): DecideAnswer {
    switch (outcome.result) {
      case 'decided':
        return answer;
      case 'decided_before':
        return sameDecision(outcome.operation, message, device);
      case 'closed':
        throw closed(outcome.state);
      case 'user_not_active':
        throw new DomainError('device_locked', { members: { reason: 'locked' } });
      case 'device_not_active':
        throw notActive(outcome);
      case 'missing':
        throw new DomainError('operation_not_found');
      default:
        return settled(repeated<Outcome>(outcome));
    }
  }

  const keepsPinProof = ({ applicationId }: Device) =>
    applications.find(applicationId)?.pin.proofRetention === 'sealed';

  function decisionOf({ message, device, now }: Case, { proved }: EvaluatedApproval): Decision {
    const { approved, reason, method, signed } = message;
    return {
      approved,
      ...(!approved && reason && { reason }),
      deviceId: device.id,
      method: approved ? method : 'device',
      ...levelOf(proved, deps.acr, isHardwareBound(device)),
      decidedAt: now,
      jwsHash: signed.jwsHash,
    };
  }

  return { present, decide };
}

interface Challenge {
  text: string;
  challengeHash: string;
  contextHash: string;
  methods: Method[];
}

type DecideOutcome = Awaited<ReturnType<OperationStore['decide']>>;
