/**
 * A change that needs more than `sig`: a proof by a key that the device has, or a fresh ticket where it has none
 * (device-protocol, section 8).
 *
 *     a proof by the PIN: reserve a try                                           round trip 2
 *     every proof evaluated, always all
 *     right ─> the change, the ticket it spends, receipt, counters, events        one step, round trip 3
 *     wrong ─> the try is spent, with its consequences                            one step, round trip 3
 */
import type { Clock } from '../support/clock.ts';
import { isId, partitionOf } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Applications } from './applications.ts';
import type { Device } from './device.ts';
import { lockedBy } from './device-ends.ts';
import { type Backing, evaluateProofs, type ProofKey } from './device-messages/index.ts';
import { namedMethods } from './device-messages/proofs.ts';
import type { DeviceRequest } from './device-requests.ts';
import { by, type Caller } from './enrollment.ts';
import { DomainError } from './errors.ts';
import type { AuditEvent, EventType } from './event.ts';
import { counterOf } from './message-counter.ts';
import { newEvent } from './new-event.ts';
import { stateAt } from './operation.ts';
import { proofKeysOf } from './pin-keys.ts';
import type { DeviceStore, ProofTally } from './ports/devices.ts';
import type { Store } from './ports/store.ts';
import { receiptOf, repeated, replayedBy } from './receipts.ts';
import type { Tickets } from './tickets.ts';
import {
  attemptUnderWay,
  type Consequences,
  consequencesOf,
  drawnAnew,
  type FailedTry,
  limitsOf,
  toldOf,
  tryLeaseMs,
} from './tries.ts';

/** One message on its way through the checks. */
export interface Case {
  request: DeviceRequest;
  device: Device;
  caller: Caller;
  now: number;
}

type Save = Parameters<DeviceStore['save']>[0];
/** What is to be done once it is allowed; `pin` says what a right PIN means for its counters, where it is not just right. */
export type Change = Pick<Save, 'device' | 'events' | 'opens'> & { pin?: 'renewed'; answer: object };

/** As receipts keep it. */
export type Outcome = object | FailedTry;

/** What allows the change: the device's keys that were proved, or the ticket that is spent with it. */
export interface Backed {
  keys: readonly ProofKey[];
  pin?: 'right';
  spends?: string;
}

export interface ProvedChanges {
  /**
   * What stands behind a message; the try of its PIN is reserved before anything is evaluated.
   *
   * @param byPin no other key will do
   * @throws DomainError proof_required | attempt_failed | attempt_underway | ticket_invalid | device_*
   */
  backingOf(one: Case, message: Backing, byPin?: boolean): Promise<Backed>;
  /** @returns the answer, or that of the same message, which was quicker */
  finish<A extends object>(one: Case, back: Backed, change: Change): Promise<A>;
  /**
   * Does it with the record as it is; one that changed meanwhile is read and looked at again.
   *
   * @param asBefore the answer from the outcome of the same message, where that was quicker
   */
  inRounds<A>(
    request: DeviceRequest,
    caller: Caller,
    act: (one: Case) => Promise<A>,
    asBefore?: (outcome: Outcome) => Promise<A>,
  ): Promise<A>;
}

interface Deps {
  store: Pick<Store, 'devices' | 'operations'>;
  tickets: Pick<Tickets, 'operationIdOf'>;
  applications: Pick<Applications, 'find'>;
  secrets: Secrets;
  clock: Clock;
}

/** A record that changed under our hands is read and looked at again; the try is not counted again. */
const rounds = 3;

export function createProvedChanges({ store, tickets, applications, secrets, clock }: Deps): ProvedChanges {
  async function backingOf(one: Case, message: Backing, byPin = false): Promise<Backed> {
    const keys = proofKeysOf(secrets, one.device);
    if (keys.length === 0) return { keys, spends: await freshTicket(one, message) };
    const named = namedMethods(message.proofs, keys);
    // nothing was guessed, so nothing is counted
    if (named.length === 0 || (byPin && !named.includes('pin'))) throw new DomainError('proof_required');
    const reserved = named.includes('pin') ? await reserve(one) : undefined;
    const proofs = evaluateProofs(message.proofs, keys);
    if (proofs.every(({ verified }) => verified)) return { keys, ...(reserved && { pin: 'right' as const }) };
    return fail(one, reserved);
  }

  /** For a device of the ticket's application; whose ticket it is, and whether it is fresh, the store looks at again. */
  async function freshTicket({ device, now }: Case, { ticket }: Backing): Promise<string> {
    if (ticket === undefined) throw new DomainError('proof_required');
    const id = tickets.operationIdOf(ticket);
    const isNear = id !== undefined && isId(id) && partitionOf(id) === partitionOf(device.id);
    const operation = isNear ? await store.operations.get(id) : undefined;
    const fits = operation?.userId === device.userId && operation.applicationId === device.applicationId;
    if (!fits || operation.kind !== 'registration' || stateAt(operation, now) !== 'pending') {
      throw new DomainError('ticket_invalid', { detail: 'closed' });
    }
    return operation.id;
  }

  async function reserve(one: Case): Promise<ProofTally> {
    const { request, device, now } = one;
    const { deviceId, jti, jwsHash, until } = receiptOf(request, {}, now);
    const { pin, pinLifetime } = limitsFor(device);
    const limits = { pin, pinLifetime };
    const { pin: pinKey } = device.keys;
    const attempt = { deviceId, jti, jwsHash, pinKey, limits, now, leaseMs: tryLeaseMs, until };
    const reserved = await store.devices.reserveProof(attempt);
    if (reserved.result === 'reserved' || reserved.result === 'again') return tallyIn(reserved);
    if (reserved.result === 'exhausted') return exhausted(one, tallyIn(reserved));
    if (reserved.result === 'stale') throw new Stale();
    if (reserved.result === 'repeated') throw new Repeated(repeated<Outcome>(reserved));
    return refused(reserved);
  }

  /** As with an approval (answer-tries.ts): what is being checked may be right; a process that died has left the lock to us. */
  async function exhausted(one: Case, tally: ProofTally): Promise<never> {
    if (tally.underWay > 0) throw attemptUnderWay();
    await failOnce(one, tally, { attemptsLeft: 0, failsOperation: false, locksDevice: true, lockIsImminent: false });
    throw attemptUnderWay();
  }

  const limitsFor = ({ applicationId }: Device) => limitsOf(applications.find(applicationId)!);

  async function fail(one: Case, reserved: ProofTally | undefined): Promise<never> {
    if (!reserved) throw attemptFailed();
    let tally = reserved;
    for (let round = 0; round < drawnAnew; round++) tally = await failOnce(one, tally, consequencesFor(one, tally));
    throw attemptUnderWay();
  }

  /** No operation is at stake, only the device. */
  function consequencesFor({ device }: Case, { failures, underWay: pin }: ProofTally): Consequences {
    const tally = { used: 0, max: Number.MAX_SAFE_INTEGER, failures, underWay: { operation: 0, pin, number: 0 } };
    return consequencesOf(tally, ['pin'], limitsFor(device));
  }

  /** @returns what holds instead of `tally`, where the consequences are not those any longer */
  async function failOnce(one: Case, tally: ProofTally, consequences: Consequences): Promise<ProofTally> {
    const { request, device, now } = one;
    const { locksDevice } = consequences;
    const recorded = await store.devices.failProof({
      deviceId: device.id,
      tally,
      now,
      ...(locksDevice && lockedBy(device, one.caller, now)),
      receipt: receiptOf(request, toldOf(consequences), now),
      ...counterOf(request, one.caller, now),
      events: failureEvents(one, consequences),
    });
    if (recorded.result === 'changed') return tallyIn(recorded);
    if (recorded.result === 'repeated') throw new Repeated(repeated<Outcome>(recorded));
    if (recorded.result !== 'recorded') return refused(recorded);
    throw attemptFailed(toldOf(consequences));
  }

  async function finish<A extends object>(one: Case, back: Backed, change: Change): Promise<A> {
    const { request, caller, now } = one;
    const { answer, device, opens } = change;
    const pin = change.pin ?? back.pin;
    const spent = back.spends === undefined ? {} : { operationId: back.spends };
    const saved = await store.devices.save({
      device,
      states: ['active'],
      now,
      events: change.events.map((event) => ({ ...spent, ...event })),
      receipt: receiptOf(request, answer, now),
      ...counterOf(request, caller, now),
      ...(pin && { pin }),
      ...(back.spends !== undefined && { spends: back.spends }),
      ...(opens && { opens }),
    });
    if (saved.result === 'saved') return answer as A;
    if (saved.result === 'repeated') return settled(repeated<Outcome>(saved)) as A;
    if (saved.result === 'stale') throw new Stale();
    return refused(saved);
  }

  async function inRounds<A>(
    request: DeviceRequest,
    caller: Caller,
    act: (one: Case) => Promise<A>,
    asBefore: (outcome: Outcome) => Promise<A> = async (outcome) => outcome as A,
  ): Promise<A> {
    let { device } = request.device;
    for (let round = 1; ; round++) {
      try {
        return await act({ request, device, caller, now: clock() });
      } catch (error) {
        if (error instanceof Repeated) return asBefore(settled(error.outcome));
        if (!(error instanceof Stale)) throw error;
        const current = round < rounds ? await store.devices.get(device.id) : undefined;
        // keys of another generation: the signature would have to be looked at again
        if (!current || current.generation !== device.generation)
          throw new DomainError('state_conflict', { cause: error });
        device = current;
      }
    }
  }

  return { backingOf, finish, inRounds };
}

function tallyIn({ failures, underWay }: ProofTally): ProofTally {
  return { failures, underWay };
}

/** The record has changed since it was read. */
export class Stale extends Error {}

/** The same message was answered while this one was under way. */
class Repeated extends Error {
  readonly outcome: Outcome;
  constructor(outcome: Outcome) {
    super('answered before');
    this.outcome = outcome;
  }
}

/** The receipt was read beside the device: whatever became of both, the same message gets the same answer. */
export function answeredBefore<A extends object>(request: DeviceRequest): A | undefined {
  const { receipt } = request.device;
  return receipt && (settled(repeated<Outcome>(replayedBy(receipt, request))) as A);
}

function settled(outcome: Outcome): object {
  if ('attempts_left' in outcome) throw attemptFailed(outcome);
  return outcome;
}

function attemptFailed(told?: FailedTry): DomainError {
  return new DomainError('attempt_failed', { ...(told && { members: { ...told } }) });
}

type Refusal = { result: string; state?: Device['state'] };

export function refused({ result, state }: Refusal): never {
  if (result === 'message_reused') throw new DomainError('message_reused');
  if (result === 'ticket_closed') throw new DomainError('ticket_invalid', { detail: 'closed meanwhile' });
  if (result === 'missing') throw new DomainError('device_refused', { detail: 'gone meanwhile' });
  if (state === 'deactivated') throw new DomainError('device_deactivated', { members: { reason: 'revoked' } });
  if (state === 'locked' || result === 'user_not_active') {
    throw new DomainError('device_locked', { members: { reason: 'locked' } });
  }
  throw new DomainError('state_conflict', { detail: state ?? result });
}

function failureEvents(one: Case, { attemptsLeft, locksDevice, lockIsImminent }: Consequences): AuditEvent[] {
  return [
    eventOf(one, 'device.attempt_failed', { act: one.request.act, attempts_left: attemptsLeft }),
    ...(lockIsImminent ? [eventOf(one, 'device.lock.imminent')] : []),
    ...(locksDevice ? [eventOf(one, 'device.locked', { reason: 'attempts' })] : []),
  ];
}

export function eventOf(
  { device, caller, now }: Case,
  type: EventType,
  data?: AuditEvent['data'],
  operationId?: string,
) {
  const about = { userId: device.userId, deviceId: device.id, ...(operationId !== undefined && { operationId }) };
  return newEvent(type, now, by(device.id, caller), { ...about, ...(data && { data }) });
}
