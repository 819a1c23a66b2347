/**
 * Enrollment of a device (device-protocol, section 3).
 *
 *     ticket ──redeem──> pending, bound to `sig` ──enroll: enc, pin──> pending ──status quotes `confirm`──> active
 *                                                                         └ enrollment-gates.ts: digits, another device
 *
 * The ticket is the handle of a registration operation; activating the device approves it in the same step.
 */
import type { Clock } from '../support/clock.ts';
import { newId, partitionOf, type RandomBytes } from '../support/ids.ts';
import { jwkThumbprint } from '../support/jose/index.ts';
import { type Secrets, sameText } from '../support/secrets.ts';
import type { Timers } from '../support/timers.ts';
import type { Application } from './application.ts';
import type { Applications } from './applications.ts';
import { type AttestationVerifier, attested } from './attestation.ts';
import type { Device, PublicJwk } from './device.ts';
import { closedEvent } from './device-ends.ts';
import {
  confirmValue,
  type EnrollAnswer,
  type EnrollMessage,
  type RedeemAnswer,
  readEnroll,
  readRedeem,
  sealConfirm,
  type VerifiedRedeem,
} from './device-messages/index.ts';
import type { DeviceRequest } from './device-requests.ts';
import type { DeviceServerKeys } from './device-server-keys.ts';
import { aboutDevice, by, type Caller } from './enrollment-callers.ts';
import type { EnrollmentGates, EnrollmentWaiting } from './enrollment-gates.ts';
import { DomainError } from './errors.ts';
import { claimOf } from './key-claims.ts';
import { maskedName } from './masked-name.ts';
import { counterOf } from './message-counter.ts';
import { newEvent } from './new-event.ts';
import { noticeUntil } from './notices.ts';
import type { Operation } from './operation.ts';
import { stateAt } from './operation.ts';
import { movedTo } from './own-boxes.ts';
import { sealPinKey } from './pin-keys.ts';
import type { Store } from './ports/store.ts';
import { postContextFor } from './post-context.ts';
import { receiptOf, repeated } from './receipts.ts';
import type { RefusedKeys } from './refused-keys.ts';
import type { Tickets } from './tickets.ts';
import type { Users } from './users.ts';

export { aboutDevice, by, type Caller } from './enrollment-callers.ts';

export interface Enrollment {
  /** @throws DomainError ticket_invalid | ticket_bound | enrollment_conflict | rate_limited | message_invalid */
  redeem(request: VerifiedRedeem, caller: Caller): Promise<RedeemAnswer>;
  /** @throws DomainError message_invalid | key_reused | method_not_available | message_reused */
  enroll(request: DeviceRequest, caller: Caller): Promise<EnrollAnswer>;
  /**
   * pending -> active; or still pending, with what it waits for.
   * @throws DomainError confirm_invalid | enrollment_conflict | ticket_invalid | message_reused | no_approving_device |
   *         enrollment_denied
   */
  confirm(
    request: DeviceRequest,
    quoted: string,
    caller: Caller,
  ): Promise<{ device: Device; waiting?: EnrollmentWaiting }>;
  /** The confirmation again, for a device that was interrupted after `enroll`. */
  confirmation(device: Device): string | undefined;
  /**
   * What whoever made the ticket has to say to the new device: for the message that has made it active, and whenever it
   * quotes the confirmation again, since that answer may have been lost.
   */
  postContext(request: DeviceRequest, quoted: string): Promise<string | undefined>;
}

interface Deps {
  issuer: string;
  store: Pick<Store, 'devices' | 'operations' | 'events'>;
  tickets: Pick<Tickets, 'operationIdOf' | 'byActivationCode'>;
  users: Pick<Users, 'get'>;
  applications: Pick<Applications, 'find'>;
  serverKeys: Pick<DeviceServerKeys, 'seal'>;
  secrets: Secrets;
  clock: Clock;
  random: RandomBytes;
  timers: Timers;
  gates: EnrollmentGates;
  refusedKeys: RefusedKeys;
  verifyAttestation?: AttestationVerifier;
}

export function createEnrollment(deps: Deps): Enrollment {
  const {
    issuer,
    store,
    tickets,
    users,
    applications,
    serverKeys,
    secrets,
    clock,
    random,
    gates,
    refusedKeys,
    timers,
  } = deps;

  async function redeem(request: VerifiedRedeem, caller: Caller): Promise<RedeemAnswer> {
    const operation = await openTicket(request, caller);
    const application = applicationOf(operation);
    const user = await users.get(operation.userId);
    if (user.state !== 'active') throw ticketInvalid('the user is not active');
    await refuseSecondDevice(operation, application);
    await gates.refuseHopeless(operation, application);
    const device = await bind(operation, request, caller);
    return {
      device_id: device.id,
      nonce: device.enrollNonce ?? '',
      policy: {
        methods: application.methods,
        pin_length: application.pin.length,
        attestation: application.enrollment?.attestation ?? 'off',
        modes: ['none', 'choose', 'type2', 'type6'],
        confirm: application.enrollment?.confirm ?? 'off',
      },
      ...(device.box && { keys_for: `d.${device.id}` }),
      display: { issuer, application: application.name, masked_user: maskedName(user) },
    };
  }

  async function openTicket({ payload }: VerifiedRedeem, caller: Caller): Promise<Operation> {
    const message = readRedeem(payload);
    const id =
      'ticket' in message
        ? tickets.operationIdOf(message.ticket)
        : await tickets.byActivationCode(message.user, message.activationCode, caller.address);
    const operation = id === undefined ? undefined : await store.operations.get(id);
    if (operation?.kind !== 'registration' || stateAt(operation, clock()) !== 'pending') throw ticketInvalid('closed');
    return operation;
  }

  function applicationOf({ applicationId = '' }: Operation): Application {
    const application = applications.find(applicationId);
    if (!application?.active) throw ticketInvalid('the application is not active');
    return application;
  }

  /** Early, so that the ticket is not spent; `activate` is what holds against a race. */
  async function refuseSecondDevice({ userId }: Operation, { id, enrollmentMode }: Application): Promise<void> {
    if (enrollmentMode !== 'single') return;
    const devices = await store.devices.ofUser(userId);
    const isTaken = devices.some(
      ({ applicationId, state }) => applicationId === id && (state === 'active' || state === 'locked'),
    );
    if (isTaken) throw new DomainError('enrollment_conflict');
  }

  async function bind(operation: Operation, { sig, thumbprint }: VerifiedRedeem, caller: Caller): Promise<Device> {
    const now = clock();
    const device = newDevice(operation, sig, now);
    const about = { operationId: operation.id, userId: operation.userId };
    const bound = await store.operations.bindTicket({
      operationId: operation.id,
      thumbprint,
      device,
      now,
      events: [newEvent('device.redeemed', now, by(device.id, caller), { ...about, deviceId: device.id })],
    });
    if (bound.result === 'bound_to_other') {
      await refusedKeys.ticketBound(operation, caller);
      throw new DomainError('ticket_bound');
    }
    if (bound.result === 'missing' || bound.result === 'closed') throw ticketInvalid(bound.result);
    if (bound.device.state !== 'pending') throw ticketInvalid('the device is enrolled');
    return bound.device;
  }

  function newDevice(
    { id: operationId, userId, applicationId = '', ticket }: Operation,
    sig: PublicJwk,
    now: number,
  ): Device {
    const id = newId(partitionOf(userId), random);
    return {
      id,
      ...(ticket?.box && { box: movedTo(secrets, ticket.box, `t.${operationId}`, `d.${id}`) }),
      version: 1,
      userId,
      applicationId,
      operationId,
      state: 'pending',
      keys: { sig },
      methods: ['device'],
      info: {},
      enrollNonce: random(16).toString('base64url'),
      failures: { pin: 0, number: 0, pinLifetime: 0 },
      createdAt: now,
    };
  }

  async function enroll(request: DeviceRequest, caller: Caller): Promise<EnrollAnswer> {
    const { device } = request.device;
    const message = readEnroll(request, device.keys.sig);
    if (!sameText(message.nonce, device.enrollNonce ?? ''))
      throw new DomainError('message_invalid', { detail: 'nonce' });
    if (request.payload.push !== undefined) throw new DomainError('method_not_available', { detail: 'push' });
    refuseMethods(device, message);
    const attestation = await attest(device, message, caller);
    await claimKeys(device, message, caller);
    const saved = await saveKeys(request, message, attestation, caller);
    return { device_id: saved.id, state: 'pending', confirm: confirmation(saved) ?? '' };
  }

  function refuseMethods({ applicationId }: Device, { pin }: EnrollMessage): void {
    const allowed = applications.find(applicationId)?.methods ?? [];
    if (pin && !allowed.includes('pin')) throw new DomainError('method_not_available', { detail: 'pin' });
  }

  /** Nothing is saved before: a device that is refused may try once more with a better statement. */
  async function attest(
    device: Device,
    { attestation }: EnrollMessage,
    caller: Caller,
  ): Promise<Device['attestation']> {
    const { sig } = device.keys;
    const policy = applications.find(device.applicationId)?.enrollment?.attestation ?? 'off';
    const verifier = { timers, ...(deps.verifyAttestation && { verifier: deps.verifyAttestation }) };
    try {
      const found = await attested(verifier, policy, attestation && statementOf(attestation, device));
      return found && { ...found, jkt: jwkThumbprint(sig), at: clock() };
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'attestation_refused') throw error;
      const data = { why: 'attestation', ...(attestation && { kind: attestation.kind }) };
      const refused = newEvent('device.key_refused', clock(), by(device.id, caller), { ...aboutDevice(device), data });
      await store.events.write(partitionOf(device.id), [refused]);
      throw error;
    }
  }

  /** A key in use by another device is refused and told of (TH-13). A PIN's is not compared: its thumbprint rests nowhere. */
  async function claimKeys(device: Device, { enc }: EnrollMessage, caller: Caller): Promise<void> {
    const { operationId } = device;
    for (const [key, jwk] of Object.entries({ sig: device.keys.sig, enc })) {
      const thumbprintHmac = claimOf(secrets, jwk);
      if (await store.devices.claimKey(thumbprintHmac, device.id, clock())) continue;
      await refusedKeys.reused({ device, key, thumbprintHmac, isProved: key === 'sig', operationId, caller });
      throw new DomainError('key_reused');
    }
  }

  async function saveKeys(
    request: DeviceRequest,
    message: EnrollMessage,
    attestation: Device['attestation'],
    caller: Caller,
  ): Promise<Device> {
    const { device } = request.device;
    const now = clock();
    const { enc, pin, info } = message;
    const keys = { sig: device.keys.sig, enc, ...(pin && { pin: sealPinKey(secrets, device.id, pin) }) };
    const saved = await store.devices.save({
      device: {
        ...device,
        keys,
        methods: pin ? ['device', 'pin'] : ['device'],
        info,
        ...(attestation && { attestation }),
      },
      states: ['pending'],
      now,
      events: [newEvent('device.enrolled', now, by(device.id, caller), aboutDevice(device))],
      receipt: receiptOf(request, {}, now),
      ...counterOf(request, caller, now),
    });
    if (saved.result === 'saved') return saved.device;
    if (saved.result === 'repeated' || saved.result === 'message_reused') {
      repeated(saved);
      return (await store.devices.get(device.id)) ?? device;
    }
    throw new DomainError('state_conflict', { detail: saved.result });
  }

  async function confirm(request: DeviceRequest, quoted: string, caller: Caller) {
    const { device } = request.device;
    const { enc } = device.keys;
    if (!enc || !sameText(quoted, confirmValue(secrets, device.id, enc))) throw new DomainError('confirm_invalid');
    const waiting = await gates.waiting(device, caller);
    return waiting ? { device, waiting } : { device: await activate(request, caller) };
  }

  async function activate(request: DeviceRequest, caller: Caller): Promise<Device> {
    const { device } = request.device;
    const now = clock();
    const { enrollNonce: _used, ...rest } = device;
    const told = { noticeUntil: noticeUntil('device.replaced', now) };
    const activated = await store.devices.activate({
      device: { ...rest, state: 'active', activatedAt: now },
      mode: applications.find(device.applicationId)?.enrollmentMode ?? 'single',
      now,
      events: [newEvent('device.activated', now, by(device.id, caller), aboutDevice(device))],
      replacedEvent: { type: 'device.replaced', at: now, userId: device.userId, ...by(device.id, caller), ...told },
      closedEvent: closedEvent(device, 'device_deactivated', now, by(device.id, caller)),
      receipt: receiptOf(request, {}, now),
      ...counterOf(request, caller, now),
    });
    if (activated.result === 'activated') return activated.device;
    if (activated.result === 'conflict') throw new DomainError('enrollment_conflict');
    if (activated.result === 'operation_closed') throw ticketInvalid('ended before the device was confirmed');
    if (activated.result === 'message_reused') throw new DomainError('message_reused');
    return activeMeanwhile(device.id, activated.result);
  }

  /** Another message that quotes the same value may have come first; then the device is what it was to become. */
  async function activeMeanwhile(deviceId: string, why: string): Promise<Device> {
    const device = await store.devices.get(deviceId);
    if (device?.state === 'active') return device;
    throw new DomainError('state_conflict', { detail: why });
  }

  function confirmation(device: Device): string | undefined {
    const { enc } = device.keys;
    if (!enc || device.state !== 'pending') return undefined;
    const confirm = confirmValue(secrets, device.id, enc);
    const code = gates.codeOf(device);
    return sealConfirm(enc, serverKeys.seal(), {
      issuer,
      deviceId: device.id,
      confirm,
      ...(code !== undefined && { code }),
      now: clock(),
    });
  }

  async function postContext({ device: known }: DeviceRequest, quoted: string): Promise<string | undefined> {
    const { device } = known;
    const { enc } = device.keys;
    // other keys have come since: what is quoted now is not of the enrollment
    if (device.state !== 'active' || device.generation !== undefined || !enc) return undefined;
    if (!sameText(quoted, confirmValue(secrets, device.id, enc))) return undefined;
    const operation = await store.operations.get(device.operationId);
    return operation?.state === 'approved' ? postContextFor(deps, known, operation) : undefined;
  }

  return { redeem, enroll, confirm, confirmation, postContext };
}

function statementOf({ kind, blob }: { kind: string; blob: string }, { enrollNonce = '', keys }: Device) {
  return { kind, blob, challenge: enrollNonce, jwk: keys.sig };
}

function ticketInvalid(detail: string): DomainError {
  return new DomainError('ticket_invalid', { detail });
}
