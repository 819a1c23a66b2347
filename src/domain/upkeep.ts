/**
 * What a device changes about itself, and asks for its owner (device-protocol, section 8): the PIN, its keys, a ticket for
 * another device. Each needs `sig` and one thing more: a proof by a key that the device has, or a fresh ticket where it has none.
 *
 *     message again? ─> its outcome                                               round trip 1
 *     a proof by the PIN: reserve a try                                           round trip 2
 *     every proof evaluated, always all
 *     right ─> the change, the ticket it spends, receipt, counters, events        one step, round trip 3
 *     wrong ─> the try is spent, with its consequences                            one step, round trip 3
 *
 *     rotate:  keys in use ──rotate──> the same, and others that wait ──status by the new sig quotes `confirm`──> the others
 *
 * Until the last step the old keys go on working, so an interruption loses nothing on either side.
 */
import type { Clock } from '../support/clock.ts';
import { isId, partitionOf } from '../support/ids.ts';
import { jwkThumbprint } from '../support/jose/index.ts';
import { type Secrets, sameText } from '../support/secrets.ts';
import type { Applications } from './applications.ts';
import type { Device } from './device.ts';
import {
  type Backing,
  confirmValue,
  evaluateProofs,
  type MethodsAnswer,
  type MethodsMessage,
  type ProofKey,
  type RotateAnswer,
  type RotateMessage,
  readMethods,
  readRotate,
  readTickets,
  sealConfirm,
  type TicketsAnswer,
} from './device-messages/index.ts';
import { namedMethods } from './device-messages/proofs.ts';
import type { DeviceRequest } from './device-requests.ts';
import type { DeviceServerKeys } from './device-server-keys.ts';
import { by, type Caller } from './enrollment.ts';
import { DomainError } from './errors.ts';
import type { AuditEvent, EventType } from './event.ts';
import { counterOf } from './message-counter.ts';
import { newEvent } from './new-event.ts';
import { stateAt } from './operation.ts';
import { proofKeysOf, sealPinKey } from './pin-keys.ts';
import type { DeviceStore } from './ports/devices.ts';
import type { Store } from './ports/store.ts';
import { receiptOf, repeated, replayedBy } from './receipts.ts';
import type { Ticket, Tickets } from './tickets.ts';
import { type Consequences, consequencesOf, limitsOf } from './tries.ts';

export interface Upkeep {
  /** As the three below: @throws DomainError message_invalid | proof_required | attempt_failed | ticket_invalid | message_reused | device_* */
  methods(request: DeviceRequest, caller: Caller): Promise<MethodsAnswer>;
  /** Also @throws DomainError key_reused. The keys wait; see {@link Upkeep.confirm}. */
  rotate(request: DeviceRequest, caller: Caller): Promise<RotateAnswer>;
  /** Also @throws DomainError application_not_found | state_conflict | invalid_request */
  tickets(request: DeviceRequest, caller: Caller): Promise<TicketsAnswer>;
  /** Keys that wait come into use. @throws DomainError confirm_invalid | message_reused | state_conflict */
  confirm(request: DeviceRequest, quoted: string, caller: Caller): Promise<Device>;
  /** What proves the waiting `enc`, for a device that shows its waiting `sig`. */
  confirmation(device: Device): string | undefined;
}

interface Deps {
  issuer: string;
  store: Pick<Store, 'devices' | 'operations' | 'events'>;
  tickets: Pick<Tickets, 'create' | 'operationIdOf'>;
  applications: Pick<Applications, 'find'>;
  serverKeys: Pick<DeviceServerKeys, 'seal'>;
  secrets: Secrets;
  clock: Clock;
}

/** One message on its way through the checks. */
interface Case {
  request: DeviceRequest;
  device: Device;
  caller: Caller;
  now: number;
}

type Save = Parameters<DeviceStore['save']>[0];
/** What is to be done once it is allowed; `pin` says what a right PIN means for its counters, where it is not just right. */
type Change = Pick<Save, 'device' | 'events' | 'opens'> & { pin?: 'renewed'; answer: object };

/** As receipts keep it. */
type Outcome = object | { attempts_left: number };

/** A record that changed under our hands is read and looked at again; the try is not counted again. */
const rounds = 3;

export function createUpkeep(deps: Deps): Upkeep {
  const { issuer, store, tickets, applications, serverKeys, secrets, clock } = deps;

  async function methods(request: DeviceRequest, caller: Caller): Promise<MethodsAnswer> {
    const before = answeredBefore<MethodsAnswer>(request);
    if (before) return before;
    const message = readMethods(request, request.device.device.keys);
    return inRounds<MethodsAnswer>(request, caller, async (one) => {
      refuseAction(one.device, message);
      const back = await backingOf(one, message, message.action !== 'activate');
      // only after the old PIN was right: to say that a key is the old one would be to say which PIN it came from
      if (message.pin && back.keys.some(({ jwk }) => jwkThumbprint(jwk) === jwkThumbprint(message.pin!.jwk))) {
        throw new DomainError('key_reused', { detail: 'the new PIN key is the old one' });
      }
      return finish<MethodsAnswer>(one, back, withMethod(one, message));
    });
  }

  function refuseAction({ keys, applicationId }: Device, { action }: MethodsMessage): void {
    if ((keys.pin === undefined) !== (action === 'activate')) {
      throw new DomainError('state_conflict', { detail: `${action}, and the device has ${keys.pin ? 'a' : 'no'} PIN` });
    }
    if (action === 'activate' && !applications.find(applicationId)?.methods.includes('pin')) {
      throw new DomainError('method_not_available', { detail: 'pin' });
    }
  }

  function withMethod(one: Case, { action, pin }: MethodsMessage): Change {
    const { device } = one;
    const { pin: _former, ...keys } = device.keys;
    const others = device.methods.filter((method) => method !== 'pin');
    const changed: Device = {
      ...device,
      keys: pin ? { ...keys, pin: sealPinKey(secrets, device.id, pin) } : keys,
      methods: pin ? [...others, 'pin'] : others,
    };
    const event = eventOf(one, methodEvents[action], { method: 'pin' });
    return { device: changed, events: [event], pin: 'renewed', answer: { methods: changed.methods } };
  }

  async function rotate(request: DeviceRequest, caller: Caller): Promise<RotateAnswer> {
    const before = answeredBefore(request);
    if (before) return waiting(request.device.device);
    const message = readRotate(request, request.device.device.keys);
    const act = async (one: Case) => {
      const back = await backingOf(one, message);
      await claimKeys(one, message, back.keys);
      const { sig, enc } = message;
      const device = { ...one.device, rotation: { sig, enc, at: one.now } };
      await finish(one, back, { device, events: [], answer: {} });
      return device;
    };
    const asBefore = async () => (await store.devices.get(request.deviceId)) ?? request.device.device;
    return waiting(await inRounds(request, caller, act, asBefore));
  }

  function waiting(device: Device): RotateAnswer {
    const confirm = confirmation(device);
    if (confirm === undefined) throw new DomainError('state_conflict', { detail: 'no keys wait' });
    return { confirm };
  }

  /** A key in use by another device is refused and told of (TH-13). Claimed after the proof, so that `sig` alone claims nothing. */
  async function claimKeys({ device, caller, now }: Case, { sig, enc }: RotateMessage, known: readonly ProofKey[]) {
    for (const [key, jwk] of Object.entries({ sig, enc })) {
      const print = jwkThumbprint(jwk);
      const isOwn = known.some((other) => jwkThumbprint(other.jwk) === print);
      if (!isOwn && (await store.devices.claimKey(secrets.hmac('device-key', print), device.id, now))) continue;
      const about = { userId: device.userId, deviceId: device.id, data: { why: 'key_reused', key } };
      await store.events.write(partitionOf(device.id), [
        newEvent('device.key_refused', now, by(device.id, caller), about),
      ]);
      throw new DomainError('key_reused');
    }
  }

  function confirmation(device: Device): string | undefined {
    if (!device.rotation) return undefined;
    const { enc } = device.rotation;
    const confirm = confirmValue(secrets, device.id, enc);
    return sealConfirm(enc, serverKeys.seal(), { issuer, deviceId: device.id, confirm, now: clock() });
  }

  async function confirm(request: DeviceRequest, quoted: string, caller: Caller): Promise<Device> {
    const act = async (one: Case) => {
      const { rotation, ...device } = one.device;
      if (!rotation || !sameText(quoted, confirmValue(secrets, device.id, rotation.enc))) {
        throw new DomainError('confirm_invalid');
      }
      const { sig, enc } = rotation;
      const rotated = { ...device, keys: { ...device.keys, sig, enc }, generation: (device.generation ?? 0) + 1 };
      const saved = await store.devices.save({
        device: rotated,
        states: ['active'],
        now: one.now,
        events: [eventOf(one, 'device.keys_rotated')],
        receipt: receiptOf(request, {}, one.now),
        ...counterOf(request, caller, one.now),
      });
      if (saved.result === 'saved') return saved.device;
      if (saved.result === 'stale' || saved.result === 'repeated') return confirmedMeanwhile(rotated);
      return refused(saved);
    };
    return inRounds(request, caller, act);
  }

  /** Another message that quotes the same value may have come first; if it was something else, this is looked at again. */
  async function confirmedMeanwhile({ id, keys }: Device): Promise<Device> {
    const device = await store.devices.get(id);
    if (device && jwkThumbprint(device.keys.sig) === jwkThumbprint(keys.sig)) return device;
    throw new Stale();
  }

  async function ticketFor(request: DeviceRequest, caller: Caller): Promise<TicketsAnswer> {
    const before = answeredBefore<{ sealed: string }>(request);
    if (before) return opened(request, before);
    const message = readTickets(request);
    const act = async (one: Case) => {
      const back = await backingOf(one, message);
      const { userId, applicationId } = one.device;
      const wanted = { userId, applicationId: message.application ?? applicationId, ttlSeconds: message.ttlSeconds };
      let answer: TicketsAnswer | undefined;
      await tickets.create(wanted, by(one.device.id, caller), async ({ operation, events }, ticket) => {
        answer = ticketsAnswer(ticket);
        const created = eventOf(one, 'ticket.created', { application: wanted.applicationId }, operation.id);
        const kept = { sealed: secrets.seal('receipt', JSON.stringify(answer), one.device.id) };
        const change = { device: one.device, events: [...events, created], opens: operation, answer: kept };
        const outcome = await finish<{ sealed: string }>(one, back, change);
        if (outcome !== kept) answer = opened(request, outcome); // a twin of this message came first
        return { result: 'started', superseded: [] };
      });
      return answer!;
    };
    return inRounds(request, caller, act, async (outcome) => opened(request, outcome as { sealed: string }));
  }

  function opened({ deviceId }: DeviceRequest, { sealed }: { sealed: string }): TicketsAnswer {
    return JSON.parse(secrets.open('receipt', sealed, deviceId).toString('utf8')) as TicketsAnswer;
  }

  /** What allows the change: the device's keys that were proved, or the ticket that is spent with it. */
  interface Backed {
    keys: readonly ProofKey[];
    pin?: 'right';
    spends?: string;
  }

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

  async function reserve({ request, device, now }: Case): Promise<Device['failures']> {
    const { deviceId, jti, jwsHash, until } = receiptOf(request, {}, now);
    const { pin, pinLifetime } = limitsFor(device);
    const limits = { pin, pinLifetime };
    const { pin: pinKey } = device.keys;
    const reserved = await store.devices.reserveProof({ deviceId, jti, jwsHash, pinKey, limits, now, until });
    if (reserved.result === 'reserved' || reserved.result === 'again') return reserved.failures;
    // another message holds the last try and may still be right; if its process died, the next approval locks the device
    if (reserved.result === 'exhausted') throw attemptFailed(0);
    if (reserved.result === 'stale') throw new Stale();
    if (reserved.result === 'repeated') throw new Repeated(repeated<Outcome>(reserved));
    return refused(reserved);
  }

  const limitsFor = ({ applicationId }: Device) => limitsOf(applications.find(applicationId)!);

  async function fail(one: Case, failures: Device['failures'] | undefined): Promise<never> {
    if (!failures) throw attemptFailed();
    const { request, device, now } = one;
    // no operation is at stake, only the device
    const tries = { result: 'reserved' as const, used: 0, max: Number.MAX_SAFE_INTEGER, failures };
    const consequences = consequencesOf(tries, ['pin'], limitsFor(device));
    const { attemptsLeft, locksDevice } = consequences;
    const recorded = await store.devices.failProof({
      deviceId: device.id,
      now,
      ...(locksDevice && { lockDevice: 'attempts' as const }),
      receipt: receiptOf(request, { attempts_left: attemptsLeft }, now),
      ...counterOf(request, one.caller, now),
      events: failureEvents(one, consequences),
    });
    if (recorded.result === 'repeated') throw new Repeated(repeated<Outcome>(recorded));
    if (recorded.result !== 'recorded') return refused(recorded);
    throw attemptFailed(attemptsLeft);
  }

  /** @returns the answer, or that of the same message, which was quicker */
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

  /** @param asBefore the answer from the outcome of the same message, where that was quicker */
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

  return { methods, rotate, tickets: ticketFor, confirm, confirmation };
}

const methodEvents = {
  activate: 'device.method_added',
  change: 'device.pin_changed',
  remove: 'device.method_removed',
} as const satisfies Record<MethodsMessage['action'], EventType>;

/** The record has changed since it was read. */
class Stale extends Error {}

/** The same message was answered while this one was under way. */
class Repeated extends Error {
  readonly outcome: Outcome;
  constructor(outcome: Outcome) {
    super('answered before');
    this.outcome = outcome;
  }
}

/** The receipt was read beside the device: whatever became of both, the same message gets the same answer. */
function answeredBefore<A extends object>(request: DeviceRequest): A | undefined {
  const { receipt } = request.device;
  return receipt && (settled(repeated<Outcome>(replayedBy(receipt, request))) as A);
}

function settled(outcome: Outcome): object {
  if ('attempts_left' in outcome) throw attemptFailed(outcome.attempts_left);
  return outcome;
}

function attemptFailed(attemptsLeft?: number): DomainError {
  return new DomainError('attempt_failed', {
    ...(attemptsLeft !== undefined && { members: { attempts_left: attemptsLeft } }),
  });
}

type Refusal = { result: string; state?: Device['state'] };

function refused({ result, state }: Refusal): never {
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

function eventOf({ device, caller, now }: Case, type: EventType, data?: AuditEvent['data'], operationId?: string) {
  const about = { userId: device.userId, deviceId: device.id, ...(operationId !== undefined && { operationId }) };
  return newEvent(type, now, by(device.id, caller), { ...about, ...(data && { data }) });
}

function ticketsAnswer({ operationId, uri, activationCode, expiresAt }: Ticket): TicketsAnswer {
  return {
    operation_id: operationId,
    ticket_uri: uri,
    activation_code: activationCode,
    expires_at: new Date(expiresAt).toISOString(),
  };
}
