/**
 * The calls of the device API, whatever carries them: a message up in, a plain answer or a refusal out. Sealing the
 * answer is the edge's part, which has the response key.
 */
import type { Clock } from '../support/clock.ts';
import { isId, partitionOf } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Answers } from './answers.ts';
import type { Applications } from './applications.ts';
import type { Claims } from './claims.ts';
import type { ClientStanding } from './client-standing.ts';
import type { Device } from './device.ts';
import { closedEvent } from './device-ends.ts';
import {
  type Act,
  type DecideAnswer,
  issueSession,
  type OpenedUp,
  readStatus,
  readUnenroll,
  type SessionAnswer,
  type StatusAnswer,
  type UnenrollAnswer,
} from './device-messages/index.ts';
import { optionalTextOf } from './device-messages/payload.ts';
import type { DeviceRequest, DeviceRequests } from './device-requests.ts';
import type { Documents } from './documents.ts';
import { aboutDevice, by, type Caller, type Enrollment } from './enrollment.ts';
import { type EnrollmentGates, enrollmentClientId } from './enrollment-gates.ts';
import { DomainError } from './errors.ts';
import type { Inbox } from './inbox.ts';
import { counterOf } from './message-counter.ts';
import { newEvent } from './new-event.ts';
import { isNewer } from './notices.ts';
import { proofKeysOf } from './pin-keys.ts';
import type { Store } from './ports/store.ts';
import { receiptOf, repeated } from './receipts.ts';
import type { Upkeep } from './upkeep.ts';

export interface DeviceCalls {
  /** Every call that has one answer. @throws DomainError */
  answer(act: Exclude<Act, 'events'>, opened: OpenedUp, caller: Caller): Promise<object>;
  /** The device that may hold an event stream. @throws DomainError */
  listener(opened: OpenedUp, caller: Caller): Promise<Device>;
}

interface Deps {
  store: Pick<Store, 'devices' | 'operations'>;
  requests: DeviceRequests;
  enrollment: Enrollment;
  gates: Pick<EnrollmentGates, 'denied' | 'withdrawn'>;
  upkeep: Upkeep;
  answers: Answers;
  documents: Documents;
  claims: Claims;
  inbox: Inbox;
  clients: Pick<ClientStanding, 'stateFor'>;
  applications: Pick<Applications, 'find'>;
  secrets: Secrets;
  clock: Clock;
  /** At most an hour. */
  sessionSeconds: number;
}

export function createDeviceCalls(deps: Deps): DeviceCalls {
  const {
    store,
    requests,
    enrollment,
    gates,
    upkeep,
    answers,
    documents,
    claims,
    inbox,
    clients,
    applications,
    secrets,
    clock,
  } = deps;

  const calls: Record<
    Exclude<Act, 'redeem' | 'events'>,
    (request: DeviceRequest, caller: Caller) => Promise<object>
  > = {
    enroll: enrollment.enroll,
    session: async (request) => session(request),
    inbox: ({ device: { device, notices } }) => inbox.of(device, notices),
    present: answers.present,
    document: documents.part,
    decide,
    claim: claims.claim,
    status,
    methods: upkeep.methods,
    rotate: upkeep.rotate,
    tickets: upkeep.tickets,
    unenroll,
  };

  async function verified(act: Act, opened: OpenedUp, caller: Caller): Promise<DeviceRequest> {
    const request = await requests.verify(act, opened);
    // a message that was answered before gets that answer, also from a device that it has locked
    if (request.device.receipt) return request;
    const confirmed = await confirmedBy(request, caller);
    requests.refuseUnusable(act, confirmed.device);
    return confirmed;
  }

  /** Section 3.3: the next signed request that quotes `confirm` makes the device active, then is answered as such. */
  async function confirmedBy(request: DeviceRequest, caller: Caller): Promise<DeviceRequest> {
    const { device, userState } = request.device;
    const quoted = optionalTextOf(request.payload, 'confirm');
    if (quoted !== undefined && request.byNextKey) return rotatedBy(request, quoted, caller);
    if (quoted === undefined || !request.signed || device.state !== 'pending') return request;
    requests.refuseUnusable('enroll', { device, userState });
    return { ...request, device: { ...request.device, ...(await enrollment.confirm(request, quoted, caller)) } };
  }

  /** Section 8: keys that wait come into use when the new `sig` quotes what was encrypted to the new `enc`. */
  async function rotatedBy(request: DeviceRequest, quoted: string, caller: Caller): Promise<DeviceRequest> {
    requests.refuseUnusable('rotate', request.device);
    return { ...request, device: { ...request.device, device: await upkeep.confirm(request, quoted, caller) } };
  }

  async function decide(request: DeviceRequest, caller: Caller): Promise<DecideAnswer> {
    const answer = await answers.decide(request, caller);
    const isOfEnrollment = request.device.operation?.clientId === enrollmentClientId;
    // a crash before this leaves it to the same message, sent again, or to the device that waits
    if (isOfEnrollment && answer.state === 'denied') await gates.denied(answer.op, by(request.deviceId, caller));
    return answer;
  }

  function session({ device: { device }, deviceId, signed }: DeviceRequest): SessionAnswer {
    if (!signed) throw new DomainError('message_invalid', { detail: 'a session needs a signature' });
    const { generation } = device;
    return issueSession(secrets, { deviceId, generation, now: clock(), lifetimeSeconds: deps.sessionSeconds });
  }

  async function status(request: DeviceRequest): Promise<StatusAnswer> {
    const { op, confirm: quoted } = readStatus(request);
    const { device, userState, waiting } = request.device;
    const confirm = confirmationFor(request);
    const operation = op === undefined ? undefined : await operationStatus(op, device);
    const postContext = quoted === undefined ? undefined : await enrollment.postContext(request, quoted);
    return {
      device: {
        id: device.id,
        ...standing(device, userState === 'active'),
        methods: device.methods,
        ...named(device),
        ...pinOf(device),
      },
      ...policyOf(device),
      ...(confirm !== undefined && { confirm }),
      ...(postContext !== undefined && { post_context: postContext }),
      ...(operation && { operation }),
      ...(waiting && { enrollment: waiting }),
    };
  }

  /** Whoever waits has it already. */
  function confirmationFor({ byNextKey, device: { device, waiting } }: DeviceRequest): string | undefined {
    if (waiting) return undefined;
    return byNextKey ? upkeep.confirmation(device) : enrollment.confirmation(device);
  }

  async function operationStatus(op: string, device: Device): Promise<NonNullable<StatusAnswer['operation']>> {
    const { operation } = await store.operations.forDevice(op, device.id);
    if (!operation || inbox.methodsFor(operation, device).length === 0) throw new DomainError('operation_not_found');
    const state = await clients.stateFor(operation, clock());
    return { op, state, exp: Math.floor(operation.answerBy / 1000) };
  }

  /** Tells a device that was interrupted which of its keys counts. */
  function pinOf(device: Device): Pick<StatusAnswer['device'], 'pin'> {
    const key = proofKeysOf(secrets, device).find(({ method }) => method === 'pin');
    return key ? { pin: { kid: key.kid } } : {};
  }

  function policyOf({ applicationId }: Device): Pick<StatusAnswer, 'policy'> {
    const application = applications.find(applicationId);
    return application ? { policy: { methods: application.methods, pin_length: application.pin.length } } : {};
  }

  /**
   * One tap after a notice: needs no more than the signature, because it can only take away a device that came after the
   * sender's. A thief's device cannot get rid of the owner's with it.
   */
  async function revoke(request: DeviceRequest, other: string, caller: Caller): Promise<UnenrollAnswer> {
    const { device, userState } = request.device;
    requests.refuseUnusable('decide', { device, userState });
    const target = isId(other) && partitionOf(other) === partitionOf(device.id) && (await store.devices.get(other));
    if (!target || !isNewer(target, device)) throw new DomainError('revocation_refused');
    const now = clock();
    const answer: UnenrollAnswer = { state: 'deactivated', device: target.id };
    const changed = await store.devices.changeState({
      id: target.id,
      from: ['pending', 'active', 'locked'],
      to: 'deactivated',
      now,
      events: [newEvent('device.revoked', now, by(device.id, caller), aboutDevice(target))],
      closedEvent: closedEvent(target, 'device_deactivated', now, by(device.id, caller)),
      receipt: receiptOf(request, answer, now),
      ...counterOf(request, caller, now, device.id),
    });
    // refused: it is gone already, perhaps by this very message, whose answer was lost
    if (changed.result === 'changed' || changed.result === 'refused') return answer;
    if (changed.result === 'missing') throw new DomainError('revocation_refused');
    return repeated<UnenrollAnswer>(changed);
  }

  async function unenroll(request: DeviceRequest, caller: Caller): Promise<UnenrollAnswer> {
    const { other } = readUnenroll(request);
    if (other !== undefined && other !== request.deviceId) return revoke(request, other, caller);
    const { device } = request.device;
    const now = clock();
    const answer: UnenrollAnswer = { state: 'deactivated' };
    if (device.state === 'pending') await gates.withdrawn(device, by(device.id, caller));
    const changed = await store.devices.changeState({
      id: device.id,
      from: ['pending', 'active', 'locked'],
      to: 'deactivated',
      now,
      events: [newEvent('device.unenrolled', now, by(device.id, caller), aboutDevice(device))],
      closedEvent: closedEvent(device, 'device_deactivated', now, by(device.id, caller)),
      receipt: receiptOf(request, answer, now),
      ...counterOf(request, caller, now),
    });
    if (changed.result === 'changed') return answer;
    if (changed.result === 'missing') throw new DomainError('device_refused');
    if (changed.result === 'refused') throw new DomainError('device_deactivated', { members: { reason: 'revoked' } });
    return repeated<UnenrollAnswer>(changed);
  }

  return {
    async answer(act, opened, caller) {
      if (act === 'redeem') return enrollment.redeem(requests.redeem(opened), caller);
      return calls[act](await verified(act, opened, caller), caller);
    },

    listener: async (opened, caller) => (await verified('events', opened, caller)).device.device,
  };
}

/** Coarse: a locked person and a locked device look alike. */
function standing({ state, lockReason }: Device, isUserActive: boolean): { state: string; reason?: string } {
  if (state === 'locked') return { state, reason: lockReason === 'attempts' ? 'attempts' : 'locked' };
  return isUserActive || state !== 'active' ? { state } : { state: 'locked', reason: 'locked' };
}

function named({ info: { name }, activatedAt }: Device): { name?: string; since?: number } {
  return {
    ...(name !== undefined && { name }),
    ...(activatedAt !== undefined && { since: Math.floor(activatedAt / 1000) }),
  };
}
