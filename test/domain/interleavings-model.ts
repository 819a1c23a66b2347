/**
 * What the domain should do, as simply as it can be said: no store, no concurrency, no secrets. The property test holds
 * the real services on the real store against it, call by call.
 */
import type { Device, DeviceState } from '../../src/domain/device.ts';
import type { Operation, OperationState } from '../../src/domain/operation.ts';
import type { User, UserState } from '../../src/domain/user.ts';
import { SECOND } from '../../src/support/clock.ts';

export const CLIENTS = ['demo-helpdesk', 'demo-tv', 'demo-agent'] as const;
export const LIMITS = { pin: 3, number: 3, pinLifetime: 100 };
export const LEASE_MS = 5 * SECOND;
export const TRY_LEASE_MS = 10 * SECOND;
export const REPLAY_MS = 20 * SECOND;

export interface ModelUser {
  user: User;
  state: UserState;
  devices: ModelDevice[];
}

export interface ModelDevice {
  device: Device;
  state: DeviceState;
  hasPin: boolean;
  pin: number;
  pinLifetime: number;
  /** Of this device, without an outcome; some of them long dead. */
  reserved: Message[];
}

/** A signed approval: reserved, not yet verified. It is under way until its lease is over. */
export interface Message {
  asked: ModelOperation;
  device: ModelDevice;
  jwsHash: string;
  until: number;
}

type Redemption =
  | { state: 'none' }
  | { state: 'delivered' }
  | { state: 'leased'; holder: string; until: number }
  | { state: 'committed'; holder: string; until: number; replayUntil: number; response: string };

export interface ModelOperation {
  authReqId: string;
  operation: Operation;
  owner: ModelUser;
  named?: ModelDevice;
  clientId: string;
  state: OperationState;
  decidedBy?: ModelDevice;
  used: number;
  messages: Message[];
  interval: number;
  lastPoll?: number;
  redemption: Redemption;
  /** Every holder that was ever told to issue or repeat. */
  holders: string[];
  /** Every response that was ever handed out. */
  handedOut: Set<string>;
}

export interface Model {
  users: ModelUser[];
  operations: ModelOperation[];
}

export function stateOf({ state, operation }: ModelOperation, now: number): OperationState {
  return state === 'pending' && now >= operation.expiresAt ? 'expired' : state;
}

export const isPending = (asked: ModelOperation, now: number) => stateOf(asked, now) === 'pending';

/** The code of the refusal, or `started`. */
export function expectedStart({ state, devices }: ModelUser, named: ModelDevice | undefined): string {
  const able = (named ? [named] : devices).some((device) => device.state === 'active' && device.hasPin);
  if (!able) return 'no_usable_device';
  return state === 'active' ? 'started' : 'user_unknown';
}

export function expectedReserve(asked: ModelOperation, device: ModelDevice, now: number) {
  if (!asked.owner.devices.includes(device)) return { result: 'missing' };
  if (asked.state !== 'pending') return { result: 'closed', state: asked.state };
  if (now >= asked.operation.answerBy) return { result: 'closed', state: 'expired' };
  if (asked.used >= asked.operation.tries.max) return { result: 'exhausted', which: 'operation' };
  if (device.pin >= LIMITS.pin) return { result: 'exhausted', which: 'pin' };
  return { result: 'reserved' };
}

export function expectedDecide(asked: ModelOperation, device: ModelDevice, approve: boolean, now: number) {
  if (asked.owner.state !== 'active') return { result: 'user_not_active' };
  if (device.state !== 'active') return { result: 'device_not_active', state: device.state };
  if (asked.decidedBy) return { result: 'decided_before' };
  if (asked.state !== 'pending') return { result: 'closed', state: asked.state };
  const { expiresAt, answerBy } = asked.operation;
  if (now >= expiresAt || (approve && now >= answerBy)) return { result: 'closed', state: 'expired' };
  return { result: 'decided' };
}

/** Tries used up, and how many of them other messages may still turn out to have been right with. */
export function tallyOf(asked: ModelOperation, device: ModelDevice, jwsHash: string, now: number) {
  const isOther = (message: Message) => message.jwsHash !== jwsHash && now < message.until;
  const ofDevice = device.reserved.filter(isOther).length;
  const all = asked.owner.devices.flatMap(({ reserved }) => reserved);
  const ofOperation = all.filter((message) => message.asked === asked && isOther(message)).length;
  return {
    used: asked.used,
    max: asked.operation.tries.max,
    failures: { pin: device.pin, number: 0, pinLifetime: device.pinLifetime },
    underWay: { operation: ofOperation, pin: ofDevice, number: 0 },
  };
}

function forget(device: ModelDevice, jwsHash: string): boolean {
  const before = device.reserved.length;
  device.reserved = device.reserved.filter((message) => message.jwsHash !== jwsHash);
  return device.reserved.length < before;
}

export interface Answer {
  device: ModelDevice;
  approve: boolean;
  jwsHash: string;
  now: number;
}

export function takeDecision(asked: ModelOperation, { device, approve, jwsHash, now }: Answer): void {
  asked.state = approve ? 'approved' : 'denied';
  asked.decidedBy = device;
  if (approve) takeRight(asked, device, jwsHash, now);
}

/** Somebody else decided, or it is over: what was right counts as right all the same, where a try was there. */
export function takeLate(asked: ModelOperation, { device, approve, jwsHash, now }: Answer): void {
  if (approve && device.reserved.some((message) => message.jwsHash === jwsHash)) takeRight(asked, device, jwsHash, now);
}

/** Tries that are under way for other messages count on. */
function takeRight(asked: ModelOperation, device: ModelDevice, jwsHash: string, now: number): void {
  forget(device, jwsHash);
  device.pin = tallyOf(asked, device, jwsHash, now).underWay.pin;
  device.pinLifetime = Math.max(0, device.pinLifetime - 1);
}

/** What follows from a wrong PIN: at the limits the operation fails and the device is locked, once nobody can be right any longer. */
export function takeFailure(asked: ModelOperation, { device, jwsHash }: Message, now: number) {
  const { underWay } = tallyOf(asked, device, jwsHash, now);
  forget(device, jwsHash);
  const lockDevice = device.pin >= LIMITS.pin && underWay.pin === 0;
  const failOperation = lockDevice || (asked.used >= asked.operation.tries.max && underWay.operation === 0);
  if (failOperation && isPending(asked, now)) asked.state = 'failed';
  if (lockDevice) {
    device.hasPin = false;
    if (device.state === 'active') device.state = 'locked';
  }
  return { failOperation, lockDevice };
}

/** Changes what a poll changes, and answers what a poll answers. */
export function takePoll(asked: ModelOperation, clientId: string, holder: string, now: number): Polled {
  if (clientId !== asked.clientId) return { outcome: 'unknown' };
  switch (stateOf(asked, now)) {
    case 'pending':
      return takePace(asked, now);
    case 'expired':
      return { outcome: 'expired' };
    case 'approved':
      return takeRedemption(asked, holder, now);
    default:
      return { outcome: 'denied' };
  }
}

export interface Polled {
  outcome: string;
  intervalSeconds?: number;
  response?: string;
}

function takePace(asked: ModelOperation, now: number): Polled {
  const { lastPoll, interval } = asked;
  if (lastPoll !== undefined && now - lastPoll < interval * SECOND - SECOND) {
    asked.interval = Math.min(interval + 5, 60);
    return { outcome: 'slow_down', intervalSeconds: asked.interval };
  }
  asked.lastPoll = now;
  return { outcome: 'pending' };
}

function takeRedemption(asked: ModelOperation, holder: string, now: number): Polled {
  const { redemption } = asked;
  if (redemption.state === 'delivered') return { outcome: 'delivered' };
  if (redemption.state === 'committed' && now >= redemption.replayUntil) return { outcome: 'delivered' };
  if (redemption.state !== 'none' && now < redemption.until) return { outcome: 'busy' };
  if (redemption.state !== 'committed' && now >= asked.operation.expiresAt) {
    asked.redemption = { state: 'none' };
    return { outcome: 'expired' };
  }
  const isStopped = asked.owner.state !== 'active' || asked.decidedBy?.state !== 'active';
  if (redemption.state === 'committed') {
    asked.redemption = { ...redemption, holder, until: isStopped ? now : now + LEASE_MS };
    if (isStopped) return { outcome: 'denied' };
    return { outcome: 'repeat', response: redemption.response };
  }
  asked.redemption = isStopped ? { state: 'none' } : { state: 'leased', holder, until: now + LEASE_MS };
  if (isStopped) return { outcome: 'denied' };
  return { outcome: 'issue' };
}

export function takeCommit(asked: ModelOperation, holder: string, response: string, now: number): boolean {
  const { redemption } = asked;
  if (redemption.state !== 'leased' || redemption.holder !== holder) return false;
  // `expired` may have been answered since the lease ran out
  if (now >= redemption.until && now >= asked.operation.expiresAt) return false;
  asked.redemption = {
    state: 'committed',
    holder,
    until: now + LEASE_MS,
    replayUntil: now + REPLAY_MS,
    response,
  };
  return true;
}

export function takeDelivered(asked: ModelOperation, holder: string): void {
  const { redemption } = asked;
  if (redemption.state === 'committed' && redemption.holder === holder) asked.redemption = { state: 'delivered' };
}

export function takeRelease(asked: ModelOperation, holder: string, now: number): void {
  const { redemption } = asked;
  if (redemption.state === 'leased' && redemption.holder === holder) asked.redemption = { state: 'none' };
  if (redemption.state === 'committed' && redemption.holder === holder)
    asked.redemption = { ...redemption, until: now };
}

/** Pending operations of the user, or that name the device, end with it. */
export function takeDeactivation(model: Model, of: { user: ModelUser } | { device: ModelDevice }, now: number) {
  const isAbout = ({ owner, named }: ModelOperation) => ('user' in of ? owner === of.user : named === of.device);
  const closed = model.operations.filter((asked) => isPending(asked, now) && isAbout(asked));
  for (const asked of closed) asked.state = 'cancelled';
}
