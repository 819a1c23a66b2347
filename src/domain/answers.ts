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
import type { Method } from './application.ts';
import type { Applications } from './applications.ts';
import { isHardwareBound } from './attestation.ts';
import type { ClientStanding } from './client-standing.ts';
import { openOperationContext } from './context.ts';
import type { Device } from './device.ts';
import { lockedBy } from './device-ends.ts';
import { elementsOf } from './device-messages/decision.ts';
import {
  buildChallenge,
  challengeHash,
  checkFits,
  type DecideAnswer,
  type DecisionMessage,
  type EvaluatedApproval,
  evaluateApproval,
  type PresentAnswer,
  type ProofKey,
  readDecision,
  sealChallenge,
  textOf,
} from './device-messages/index.ts';
import type { DeviceRequest, KnownDevice } from './device-requests.ts';
import type { DeviceServerKeys } from './device-server-keys.ts';
import { by, type Caller } from './enrollment.ts';
import { DomainError, type DomainErrorCode } from './errors.ts';
import type { AuditEvent, EventType } from './event.ts';
import { sealEvidence } from './evidence.ts';
import type { Inbox } from './inbox.ts';
import { isMatch } from './match.ts';
import { counterOf } from './message-counter.ts';
import { newEvent } from './new-event.ts';
import { type Decision, type Operation, type OperationState, stateAt } from './operation.ts';
import { proofKeysOf } from './pin-keys.ts';
import { sealPinProof } from './pin-proofs.ts';
import type { OperationStore, Tally } from './ports/operations.ts';
import type { NewOutboxEntry } from './ports/outbox.ts';
import { postContextFor } from './post-context.ts';
import { receiptOf, repeated, replayedBy } from './receipts.ts';
import {
  attemptUnderWay,
  type Consequences,
  type Counted,
  consequencesOf,
  drawnAnew,
  type FailedTry,
  type Limits,
  limitsOf,
  toldOf,
  tryLeaseMs,
} from './tries.ts';

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

/** One answer on its way through the checks. */
interface Case {
  request: DeviceRequest;
  message: DecisionMessage;
  operation: Operation;
  device: Device;
  /** What the person was shown, as its payload's bytes. */
  challenge: string;
  caller: Pick<Caller, 'traceId'>;
  now: number;
}

/** As receipts keep it: the decision, or a spent try. */
type Outcome = DecideAnswer | FailedTry;

export function createAnswers(deps: Deps): Answers {
  const { issuer, store, inbox, applications, clients, serverKeys, secrets, clock } = deps;

  async function present(request: DeviceRequest): Promise<PresentAnswer> {
    const op = textOf(request.payload, 'op');
    const { operation, device } = answerable(request.device, op);
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
    const { operation, device } = answerable(request.device, message.op);
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

  /** Of another user, application or device, or by no method of this device: as if it were not there. */
  function answerable({ device, operation }: KnownDevice, op: string): { operation: Operation; device: Device } {
    if (operation?.id !== op || !device.keys.enc || inbox.methodsFor(operation, device).length === 0) {
      throw new DomainError('operation_not_found');
    }
    return { operation, device };
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
    const tally = await reserve(one, counts, limits);
    const evaluated = evaluate(one, keys);
    if (evaluated.passed) return record(one, evaluated, counts);
    return fail(one, tally, (current) => consequencesOf(current, counts, limits));
  }

  async function reserve(one: Case, counts: Counted[], limits: Limits): Promise<Tally> {
    const { operation, device, message, now } = one;
    const { jwsHash } = message.signed;
    const attempt = {
      operationId: operation.id,
      deviceId: device.id,
      jwsHash,
      counts,
      limits,
      now,
      leaseMs: tryLeaseMs,
    };
    const reserved = await store.operations.reserveAttempt(attempt);
    if (reserved.result === 'missing') throw new DomainError('operation_not_found');
    if (reserved.result === 'closed') throw closed(reserved.state);
    if (reserved.result === 'exhausted') return exhausted(one, reserved);
    return tallyIn(reserved);
  }

  /**
   * Other messages hold the last tries. As long as one of them is being checked it may be right, so nothing follows. Otherwise
   * a process died before it could lock the device, and that is done now; an operation without tries ends by itself.
   */
  async function exhausted(one: Case, { result: _, which, ...tally }: Exhausted): Promise<never> {
    const counter = which === 'pin_lifetime' ? 'pin' : which;
    if (tally.underWay[counter] > 0) throw attemptUnderWay();
    if (which === 'operation') throw attemptFailed({ attempts_left: 0 });
    await failOnce(one, tally, { attemptsLeft: 0, failsOperation: true, locksDevice: true, lockIsImminent: false });
    throw attemptUnderWay(); // something has changed since: perhaps there are tries again
  }

  function evaluate({ message, operation }: Case, keys: readonly ProofKey[]): EvaluatedApproval {
    const { match } = operation;
    return evaluateApproval(message, {
      keys,
      ...(match && { numberFits: (number: string) => isMatch(secrets, operation, number) }),
    });
  }

  async function fail(one: Case, reserved: Tally, draw: (tally: Tally) => Consequences): Promise<never> {
    let tally = reserved;
    for (let round = 0; round < drawnAnew; round++) tally = await failOnce(one, tally, draw(tally));
    throw attemptUnderWay();
  }

  /** @returns what holds instead of `tally`, where the consequences are not those any longer */
  async function failOnce(one: Case, tally: Tally, consequences: Consequences): Promise<Tally> {
    const { request, operation, device, now } = one;
    const { failsOperation, locksDevice } = consequences;
    const recorded = await store.operations.failAttempt({
      operationId: operation.id,
      deviceId: device.id,
      tally,
      now,
      failOperation: failsOperation,
      ...(locksDevice && lockedBy(device, one.caller, now)),
      receipt: receiptOf(request, toldOf(consequences), now, operation.expiresAt),
      ...counterOf(request, one.caller, now),
      events: failureEvents(one, consequences),
      outbox: failsOperation ? [tellDevices(one, 'failed')] : [],
    });
    if (recorded.result === 'missing') throw new DomainError('operation_not_found');
    if (recorded.result === 'changed') return tallyIn(recorded);
    if (recorded.result !== 'recorded') settled(repeated<Outcome>(recorded));
    throw attemptFailed(toldOf(consequences));
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
      events: [eventOf(one, `operation.${state}`, decidedWith(decision)), ...blocks(one, decision, deps.notMeMs)],
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

type Exhausted = Extract<Awaited<ReturnType<OperationStore['reserveAttempt']>>, { result: 'exhausted' }>;

function tallyIn({ result: _, ...tally }: Tally & { result: string }): Tally {
  return tally;
}

type DecideOutcome = Awaited<ReturnType<OperationStore['decide']>>;

/** Ruling 15: the device that decided may ask again with a fresh message; anything else comes too late. */
function sameDecision({ id, decision }: Operation, { approved }: DecisionMessage, device: Device): DecideAnswer {
  if (decision?.deviceId !== device.id || decision.approved !== approved) throw new DomainError('operation_decided');
  return { op: id, state: approved ? 'approved' : 'denied' };
}

function settled(outcome: Outcome): DecideAnswer {
  if ('attempts_left' in outcome) throw attemptFailed(outcome);
  return outcome;
}

/** One error, whichever element was wrong (SCA-03). */
function attemptFailed(told: FailedTry): DomainError {
  return new DomainError('attempt_failed', { members: { ...told } });
}

/** Approving ends one polling interval before the operation itself; a denial counts until then. */
function refuseClosed(operation: Operation, now: number, isApproval = true): void {
  const state = stateAt(operation, now);
  if (state !== 'pending') throw closed(state);
  if (isApproval && now >= operation.answerBy) throw closed('expired');
}

const closedCodes: Record<Exclude<OperationState, 'pending'>, DomainErrorCode> = {
  approved: 'operation_decided',
  denied: 'operation_decided',
  expired: 'operation_expired',
  cancelled: 'operation_cancelled',
  failed: 'operation_failed',
};

function closed(state: OperationState): DomainError {
  if (state === 'pending') throw new Error('a pending operation is not closed');
  return new DomainError(closedCodes[state]);
}

function notActive({ state, lockReason }: Extract<DecideOutcome, { result: 'device_not_active' }>): DomainError {
  if (state === 'deactivated') return new DomainError('device_deactivated', { members: { reason: 'revoked' } });
  return new DomainError('device_locked', { members: { reason: lockReason === 'attempts' ? 'attempts' : 'locked' } });
}

function failureEvents(one: Case, consequences: Consequences): AuditEvent[] {
  const { attemptsLeft, failsOperation, locksDevice, lockIsImminent } = consequences;
  return [
    eventOf(one, 'operation.attempt_failed', { attempts_left: attemptsLeft }),
    ...(lockIsImminent ? [eventOf(one, 'device.lock.imminent')] : []),
    ...(failsOperation ? [eventOf(one, 'operation.failed', { reason: 'attempts' })] : []),
    ...(locksDevice ? [eventOf(one, 'device.locked', { reason: 'attempts' })] : []),
  ];
}

function eventOf(one: Case, type: EventType, data?: AuditEvent['data']): AuditEvent {
  const { operation, device, caller, now } = one;
  const { id: operationId, userId, clientId } = operation;
  return newEvent(type, now, by(device.id, caller), {
    operationId,
    userId,
    deviceId: device.id,
    clientId,
    ...(data && { data }),
  });
}

/** Only whoever comes over the protocol is limited: what a person's own device asks is not. */
function blocks(one: Case, { reason, decidedAt }: Decision, notMeMs = 0): AuditEvent[] {
  if (reason !== 'not_me' || notMeMs === 0 || one.operation.poll === undefined) return [];
  return [eventOf(one, 'user.client_blocked', { until: decidedAt + notMeMs })];
}

function decidedWith({ method, reason }: Decision): AuditEvent['data'] {
  return { method, ...(reason && { reason }) };
}

/** The other devices of the user look at their inbox again. */
function tellDevices({ operation, now }: Case, why: string): NewOutboxEntry {
  const { id, userId, expiresAt } = operation;
  const payload = JSON.stringify({ op: id });
  return { id: `${id}.${why}`, kind: 'inbox', operationId: id, userId, payload, dueAt: now, expiresAt };
}
