/**
 * What may stand between proved keys and an active device (device-protocol, section 3.4):
 *
 *     keys proved ──approve_by_existing_device──> an operation asks the user's devices ──approved──┐
 *          │                │ (if_any, and none could answer)                └─denied, over─> the enrollment ends
 *          │                v                                                                      v
 *          └──confirm: code──> six digits, typed where the ticket was shown ────────────────> activate
 *
 * Both are facts that never turn back (a decision, a time on the ticket), so they are looked at first and the one atomic
 * step that activates needs to know nothing of them. The digits are typed on the approving device where one is asked.
 */
import type { Clock } from '../support/clock.ts';
import { SECOND } from '../support/clock.ts';
import { operationIdOf, partitionOf } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Application, EnrollmentPolicy } from './application.ts';
import type { Applications } from './applications.ts';
import type { Device } from './device.ts';
import { shownInfo } from './device-info.ts';
import { aboutDevice, by, type Caller } from './enrollment-callers.ts';
import { enrollmentCode } from './enrollment-code.ts';
import { DomainError } from './errors.ts';
import { chooseMethods, usableDevices } from './methods.ts';
import { newEvent } from './new-event.ts';
import { type Operation, stateAt } from './operation.ts';
import type { Operations } from './operations.ts';
import type { Store } from './ports/store.ts';
import type { By, Users } from './users.ts';

/** As it travels in the answer to `status`. */
export interface EnrollmentWaiting {
  waiting: 'code' | 'approval';
  /** Epoch seconds. */
  exp: number;
  poll_seconds: number;
}

export interface EnrollmentGates {
  /** Early, so that the ticket is not spent. @throws DomainError no_approving_device */
  refuseHopeless(operation: Operation, application: Application): Promise<void>;
  /** The digits that the device is to show, where its application wants them. */
  codeOf(device: Device): string | undefined;
  /**
   * For a device that has proved its keys; asks the user's other devices where that is due. undefined: nothing is in the way.
   * @throws DomainError ticket_invalid | no_approving_device | enrollment_denied
   */
  waiting(device: Device, caller: Caller): Promise<EnrollmentWaiting | undefined>;
  /** A device of the person said no: what asked is over at once, not only when it asks again. Repeating it changes nothing. */
  denied(operationId: string, by: By): Promise<void>;
  /** The device that waits takes itself back: nobody is asked about it any longer. Before it is gone, so that it can be asked again. */
  withdrawn(device: Device, by: By): Promise<void>;
}

/** What the approving person reads; `device` as the new one describes itself. `language`: theirs, if it is known. */
export type ApprovalText = (device: string, language: string | undefined) => string;

interface Deps {
  store: Pick<Store, 'devices' | 'operations'>;
  operations: Pick<Operations, 'start' | 'cancel'>;
  applications: Pick<Applications, 'find' | 'list'>;
  users: Pick<Users, 'get'>;
  secrets: Pick<Secrets, 'hmac'>;
  clock: Clock;
  approvalText: ApprovalText;
}

/** Soon: a person sits in front of both. */
const pollSeconds = 2;

/** Who asks, in the place of a client. Even one that was registered under this name does not know the handle, and so gets nothing. */
export const enrollmentClientId = 'urn:assent:enrollment';

const nothing: EnrollmentPolicy = { confirm: 'off', approveByExistingDevice: 'off', attestation: 'off' };

export function createEnrollmentGates(deps: Deps): EnrollmentGates {
  const { store, operations, applications, users, secrets, clock, approvalText } = deps;
  const policyOf = ({ applicationId }: Device) => applications.find(applicationId)?.enrollment ?? nothing;

  async function refuseHopeless({ userId }: Operation, { enrollment }: Application): Promise<void> {
    if (enrollment?.approveByExistingDevice !== 'required') return;
    const usable = usableDevices(await store.devices.ofUser(userId), applications, {});
    try {
      chooseMethods(usable, {});
    } catch (error) {
      throw unlessNobody(error);
    }
  }

  async function waiting(device: Device, caller: Caller): Promise<EnrollmentWaiting | undefined> {
    const { confirm, approveByExistingDevice } = policyOf(device);
    if (confirm === 'off' && approveByExistingDevice === 'off') return undefined;
    const registration = await store.operations.get(device.operationId);
    if (!registration || stateAt(registration, clock()) !== 'pending') throw await whyOver(device, caller);
    const answer = { exp: Math.floor(registration.expiresAt / SECOND), poll_seconds: pollSeconds };
    const isAsked = approveByExistingDevice !== 'off' || isFromDevice(registration);
    const approval = isAsked ? await approvalOf(device, registration, caller) : 'nobody';
    if (approval === 'approved') return undefined;
    if (approval === 'pending') return { waiting: 'approval', ...answer };
    const isConfirmed = confirm === 'off' || registration.ticket?.confirmedAt !== undefined;
    return isConfirmed ? undefined : { waiting: 'code', ...answer };
  }

  /** A denial ends the registration first and the device after it: what comes in between, or after a crash, is told of the denial. */
  async function whyOver(device: Device, caller: Caller): Promise<DomainError> {
    const asked = await store.operations.get(operationIdOf(handleFor(device)));
    if (asked?.state !== 'denied') {
      return new DomainError('ticket_invalid', { detail: 'ended before the device was confirmed' });
    }
    await end(device, asked, by(device.id, caller));
    return new DomainError('enrollment_denied', { detail: asked.state });
  }

  /** The operation's id follows from the device, so that it is asked once, however often and by however many servers. */
  async function approvalOf(
    device: Device,
    registration: Operation,
    caller: Caller,
  ): Promise<'approved' | 'pending' | 'nobody'> {
    const handle = handleFor(device);
    const asked = await store.operations.get(operationIdOf(handle));
    if (!asked) return ask(handle, device, registration, caller);
    const state = stateAt(asked, clock());
    if (state === 'approved' || state === 'pending') return state;
    await end(device, asked, by(device.id, caller));
    throw new DomainError('enrollment_denied', { detail: state });
  }

  const handleFor = ({ id }: Device) => partitionOf(id) + secrets.hmac('enrollment-approval', id);

  async function ask(
    handle: string,
    device: Device,
    registration: Operation,
    caller: Caller,
  ): Promise<'pending' | 'nobody'> {
    const { userId, applicationId, info } = device;
    const { name: application = applicationId } = applications.find(applicationId) ?? {};
    const { language } = await users.get(userId);
    const matchCode = policyOf(device).confirm === 'code' ? enrollmentCode(secrets, device) : undefined;
    try {
      await operations.start({
        handle,
        kind: 'authorization',
        userId,
        clientId: enrollmentClientId,
        shown: {
          client: { id: enrollmentClientId, name: application },
          purpose: 'enrollment',
          bindingMessage: approvalText(describe(info), language),
          enrolling: { ...shownInfo(info), application },
        },
        match: matchCode === undefined ? 'none' : 'type6',
        ...(matchCode !== undefined && { matchCode }),
        uncapped: true,
        lifetimeSeconds: Math.max(1, Math.floor((registration.expiresAt - clock()) / SECOND)),
        by: by(device.id, caller),
      });
    } catch (error) {
      // another message of this device was faster
      if (error instanceof DomainError && error.code === 'state_conflict') return 'pending';
      const refusal = unlessNobody(error);
      if (refusal.code !== 'no_approving_device' || policyOf(device).approveByExistingDevice === 'required')
        throw refusal;
      return 'nobody';
    }
    return 'pending';
  }

  /** The registration first: as long as the device is pending, its next message comes here again and goes on. */
  async function end(device: Device, asked: Operation, who: By): Promise<void> {
    const now = clock();
    const why = asked.decision?.reason ?? stateAt(asked, now);
    const { userId, operationId: id } = device;
    await store.operations.cancel({
      operationId: id,
      reason: why === 'not_me' || why === 'incorrect_data' ? why : 'cancelled_by_user',
      now,
      events: [newEvent('operation.cancelled', now, who, { operationId: id, userId, data: { why } })],
      outbox: [],
    });
    await store.devices.changeState({
      id: device.id,
      from: ['pending'],
      to: 'deactivated',
      now,
      events: [newEvent('device.enrollment_refused', now, who, { ...aboutDevice(device), data: { why } })],
    });
  }

  async function denied(operationId: string, who: By): Promise<void> {
    const asked = await store.operations.get(operationId);
    if (asked?.state !== 'denied') return;
    const devices = await store.devices.ofUser(asked.userId);
    const isAsking = (device: Device) => device.state === 'pending' && operationIdOf(handleFor(device)) === operationId;
    const device = devices.find(isAsking);
    if (device) await end(device, asked, who);
  }

  async function withdrawn(device: Device, who: By): Promise<void> {
    try {
      const operationId = operationIdOf(handleFor(device));
      await operations.cancel({ operationId, clientId: enrollmentClientId, by: who });
    } catch (error) {
      const isNothingToDo =
        error instanceof DomainError && ['operation_not_found', 'operation_decided'].includes(error.code);
      if (!isNothingToDo) throw error;
    }
  }

  return {
    refuseHopeless,
    waiting,
    denied,
    withdrawn,
    codeOf: (device) => (policyOf(device).confirm === 'code' ? enrollmentCode(secrets, device) : undefined),
  };
}

/** The ticket was shown on a device of the person, so that is where the digits are typed: it is asked like an approving one. */
function isFromDevice({ clientId }: Operation): boolean {
  return clientId.startsWith('device:');
}

function unlessNobody(error: unknown): DomainError {
  if (!(error instanceof DomainError)) throw error;
  return error.code === 'no_usable_device' ? new DomainError('no_approving_device') : error;
}

/** `Phone of Alice (Pixel 9)` */
function describe(info: Device['info']): string {
  const { name, model, os } = shownInfo(info);
  const kind = model ?? os;
  if (name !== undefined) return kind === undefined || kind === name ? name : `${name} (${kind})`;
  return kind ?? '?';
}
