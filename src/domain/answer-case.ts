/**
 * One answer to an operation while it is looked at, and what is said of it however it ends: the outcome that its receipt
 * keeps, the audit events, the word to the user's other devices. Where it goes is in answers.ts.
 */
import { attemptFailed } from './answer-refusals.ts';
import type { Device } from './device.ts';
import type { DecideAnswer, DecisionMessage } from './device-messages/index.ts';
import type { DeviceRequest, KnownDevice } from './device-requests.ts';
import { by, type Caller } from './enrollment.ts';
import { DomainError } from './errors.ts';
import type { AuditEvent, EventType } from './event.ts';
import type { Inbox } from './inbox.ts';
import { newEvent } from './new-event.ts';
import type { Decision, Operation } from './operation.ts';
import type { NewOutboxEntry } from './ports/outbox.ts';
import type { FailedTry } from './tries.ts';

/** One answer on its way through the checks. */
export interface Case {
  request: DeviceRequest;
  message: DecisionMessage;
  operation: Operation;
  device: Device;
  /** What the person was shown, as its payload's bytes. */
  challenge: string;
  caller: Pick<Caller, 'traceId'>;
  now: number;
}

/**
 * What may be shown and answered here: an operation of another user, application or device, or by no method of this device, is as if
 * it were not there.
 *
 * @throws DomainError operation_not_found
 */
export function answerableBy(
  { methodsFor }: Pick<Inbox, 'methodsFor'>,
  { device, operation }: KnownDevice,
  op: string,
): { operation: Operation; device: Device } {
  if (operation?.id !== op || !device.keys.enc || methodsFor(operation, device).length === 0) {
    throw new DomainError('operation_not_found');
  }
  return { operation, device };
}

/** As receipts keep it: the decision, or a spent try. */
export type Outcome = DecideAnswer | FailedTry;

/** The answer that it stands for. @throws DomainError attempt_failed, where a try was spent */
export function settled(outcome: Outcome): DecideAnswer {
  if ('attempts_left' in outcome) throw attemptFailed(outcome);
  return outcome;
}

export function eventOf(one: Case, type: EventType, data?: AuditEvent['data']): AuditEvent {
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

export function decisionEvents(one: Case, decision: Decision, notMeMs?: number): AuditEvent[] {
  const state = decision.approved ? 'approved' : 'denied';
  return [eventOf(one, `operation.${state}`, decidedWith(decision)), ...blocks(one, decision, notMeMs)];
}

/** Only whoever comes over the protocol is limited: what a person's own device asks is not. */
function blocks(one: Case, { reason, decidedAt }: Decision, notMeMs = 0): AuditEvent[] {
  const { poll, claimOf } = one.operation;
  if (reason !== 'not_me' || notMeMs === 0 || poll === undefined || claimOf !== undefined) return [];
  return [eventOf(one, 'user.client_blocked', { until: decidedAt + notMeMs })];
}

function decidedWith({ method, reason }: Decision): AuditEvent['data'] {
  return { method, ...(reason && { reason }) };
}

/** The other devices of the user look at their inbox again. */
export function tellDevices({ operation, now }: Case, why: string): NewOutboxEntry {
  const { id, userId, expiresAt } = operation;
  const payload = JSON.stringify({ op: id });
  return { id: `${id}.${why}`, kind: 'inbox', operationId: id, userId, payload, dueAt: now, expiresAt };
}
