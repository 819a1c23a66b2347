/**
 * What a device changes about itself, and asks for its owner (device-protocol, section 8): the PIN, its keys, a ticket for
 * another device. What stands behind each, and how it is written, is in proved-changes.ts.
 *
 *     rotate:  keys in use ──rotate──> the same, and others that wait ──status by the new sig quotes `confirm`──> the others
 *
 * Until the last step the old keys go on working, so an interruption loses nothing on either side. Other devices are told of
 * the last step, not of the first: until then nothing can be done with the new keys, and they do not wait long (waiting-keys.ts).
 */
import type { Clock } from '../support/clock.ts';
import { jwkThumbprint } from '../support/jose/index.ts';
import { type Secrets, sameText } from '../support/secrets.ts';
import type { Applications } from './applications.ts';
import type { Device } from './device.ts';
import {
  confirmValue,
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
import type { DeviceRequest } from './device-requests.ts';
import type { DeviceServerKeys } from './device-server-keys.ts';
import { by, type Caller } from './enrollment.ts';
import { DomainError } from './errors.ts';
import type { EventType } from './event.ts';
import { claimOf } from './key-claims.ts';
import { counterOf } from './message-counter.ts';
import { sealPinKey } from './pin-keys.ts';
import type { Store } from './ports/store.ts';
import {
  answeredBefore,
  type Case,
  type Change,
  createProvedChanges,
  eventOf,
  refused,
  Stale,
} from './proved-changes.ts';
import { receiptOf } from './receipts.ts';
import type { RefusedKeys } from './refused-keys.ts';
import type { Ticket, Tickets } from './tickets.ts';
import { waitingKeys } from './waiting-keys.ts';

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
  store: Pick<Store, 'devices' | 'operations'>;
  tickets: Pick<Tickets, 'create' | 'operationIdOf'>;
  applications: Pick<Applications, 'find'>;
  serverKeys: Pick<DeviceServerKeys, 'seal'>;
  secrets: Secrets;
  clock: Clock;
  refusedKeys: Pick<RefusedKeys, 'reused'>;
}

export function createUpkeep(deps: Deps): Upkeep {
  const { issuer, store, tickets, applications, serverKeys, secrets, clock, refusedKeys } = deps;
  const { backingOf, finish, inRounds } = createProvedChanges(deps);

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
    const { rotation: _laidInStore, ...unrotated } = device;
    const changed: Device = {
      ...unrotated,
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
      await finish(one, back, { device, events: [eventOf(one, 'device.keys_waiting')], answer: {} });
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
      const thumbprintHmac = claimOf(secrets, jwk);
      const isOwn = known.some((other) => jwkThumbprint(other.jwk) === print);
      if (!isOwn && (await store.devices.claimKey(thumbprintHmac, device.id, now))) continue;
      await refusedKeys.reused({ device, key, thumbprintHmac, isProved: key === 'sig', caller });
      throw new DomainError('key_reused');
    }
  }

  function confirmation(device: Device): string | undefined {
    const keys = waitingKeys(device, clock());
    if (!keys) return undefined;
    const { enc } = keys;
    const confirm = confirmValue(secrets, device.id, enc);
    return sealConfirm(enc, serverKeys.seal(), { issuer, deviceId: device.id, confirm, now: clock() });
  }

  async function confirm(request: DeviceRequest, quoted: string, caller: Caller): Promise<Device> {
    const act = async (one: Case) => {
      const keys = waitingKeys(one.device, one.now);
      const { rotation: _used, ...device } = one.device;
      if (!keys || !sameText(quoted, confirmValue(secrets, device.id, keys.enc))) {
        throw new DomainError('confirm_invalid');
      }
      const { sig, enc } = keys;
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
      const { userId, applicationId } = one.device;
      const wanted = { userId, applicationId: message.application ?? applicationId, ttlSeconds: message.ttlSeconds };
      let answer: TicketsAnswer | undefined;
      await tickets.create(wanted, by(one.device.id, caller), async ({ operation, events }, ticket) => {
        // what is asked for is possible: only now is a try worth counting
        const back = await backingOf(one, message);
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

  return { methods, rotate, tickets: ticketFor, confirm, confirmation };
}

const methodEvents = {
  activate: 'device.method_added',
  change: 'device.pin_changed',
  remove: 'device.method_removed',
} as const satisfies Record<MethodsMessage['action'], EventType>;

function ticketsAnswer({ operationId, uri, activationCode, expiresAt }: Ticket): TicketsAnswer {
  return {
    operation_id: operationId,
    ticket_uri: uri,
    activation_code: activationCode,
    expires_at: new Date(expiresAt).toISOString(),
  };
}
