import type { Device } from '../../src/domain/device.ts';
import type { Operation } from '../../src/domain/operation.ts';
import type { Attempt, Decide, FailedAttempt, Poll, Start } from '../../src/domain/ports/operations.ts';
import type { StoredUser } from '../../src/domain/user.ts';
import { SECOND } from '../../src/support/clock.ts';
import { aDecision, aDevice, aHash, anOperation, aReceipt, aTicket, aUser, T0 } from '../support/records.ts';
import type { ConformingStore } from './harness.ts';

/** How a test gets to the point that it is about, through the ports alone. */

export const NO_CAP: Start['cap'] = { perClient: 1000, policy: 'refuse', perUser: 1000 };

export const startOf = (operation: Operation, overrides: Partial<Start> = {}): Start => ({
  operation,
  cap: NO_CAP,
  now: operation.createdAt,
  events: [],
  outbox: [],
  ...overrides,
});

export async function withUser(store: ConformingStore, overrides: Partial<StoredUser> = {}): Promise<StoredUser> {
  const user = aUser(overrides);
  await store.users.create(user, T0, []);
  return user;
}

export async function withOperation(
  store: ConformingStore,
  user: Pick<StoredUser, 'id'>,
  overrides: Partial<Operation> = {},
): Promise<Operation> {
  const operation = anOperation(user, overrides);
  expect(await store.operations.start(startOf(operation))).toMatchObject({ result: 'started' });
  return operation;
}

/** A device that has redeemed its ticket and not yet confirmed. */
export async function withPendingDevice(
  store: ConformingStore,
  user: StoredUser,
  overrides: Partial<Device> = {},
): Promise<Device> {
  const ticket = aTicket(user);
  await store.operations.start(startOf(ticket));
  const device = aDevice(user, { operationId: ticket.id, ...overrides });
  const bound = await store.operations.bindTicket({
    operationId: ticket.id,
    thumbprint: aHash(),
    device,
    now: T0,
    events: [],
  });
  if (bound.result !== 'bound') throw new Error(bound.result);
  return bound.device;
}

export async function withDevice(
  store: ConformingStore,
  user: StoredUser,
  overrides: Partial<Device> = {},
): Promise<Device> {
  const pending = await withPendingDevice(store, user, overrides);
  const activated = await store.devices.activate({
    device: { ...pending, methods: ['device', 'pin'], keys: { ...pending.keys, pin: 'sealed.pin-key' } },
    mode: 'multiple',
    now: T0,
    events: [],
    replacedEvent: { type: 'device.replaced', at: T0 },
  });
  if (activated.result !== 'activated') throw new Error(activated.result);
  return activated.device;
}

export interface Asked {
  user: StoredUser;
  device: Device;
  operation: Operation;
}

/** A user with an active device, asked one thing. */
export async function asked(store: ConformingStore, overrides: Partial<Operation> = {}): Promise<Asked> {
  const user = await withUser(store);
  const device = await withDevice(store, user);
  const operation = await withOperation(store, user, overrides);
  return { user, device, operation };
}

export async function approved(store: ConformingStore, overrides: Partial<Operation> = {}): Promise<Asked> {
  const scene = await asked(store, overrides);
  expect(await store.operations.decide(decideOf(scene))).toMatchObject({ result: 'decided' });
  return scene;
}

/** Approved and issued: `holder-1` has committed `response` and holds it for five seconds. */
export async function committed(store: ConformingStore, overrides: Partial<Operation> = {}): Promise<Asked> {
  const scene = await approved(store, overrides);
  expect(await store.operations.poll(pollOf(scene.operation, { holder: 'holder-1' }))).toMatchObject({
    result: 'leased',
  });
  expect(await store.operations.commit(commitOf(scene.operation))).toEqual({ result: 'committed' });
  return scene;
}

export const decideOf = ({ user, device, operation }: Asked, overrides: Partial<Decide> = {}): Decide => {
  const decision = overrides.decision ?? aDecision(device);
  return {
    operationId: operation.id,
    deviceId: device.id,
    userId: user.id,
    decision,
    clear: [],
    receipt: aReceipt(device, { jwsHash: decision.jwsHash }),
    now: T0 + SECOND,
    events: [],
    outbox: [],
    ...overrides,
  };
};

/** So long a try that was reserved is believed to be checked. */
export const LEASE_MS = 10 * SECOND;

export const attemptOf = ({ device, operation }: Asked, overrides: Partial<Attempt> = {}): Attempt => ({
  operationId: operation.id,
  deviceId: device.id,
  jwsHash: aHash(),
  counts: ['pin'],
  limits: { pin: 5, number: 5, pinLifetime: 100 },
  now: T0 + SECOND,
  leaseMs: LEASE_MS,
  ...overrides,
});

export const failureOf = ({ device, operation }: Asked, overrides: Partial<FailedAttempt> = {}): FailedAttempt => ({
  operationId: operation.id,
  deviceId: device.id,
  now: T0 + SECOND,
  failOperation: false,
  receipt: aReceipt(device),
  events: [],
  outbox: [],
  ...overrides,
});

export const pollOf = (operation: Operation, overrides: Partial<Poll> = {}): Poll => ({
  operationId: operation.id,
  clientId: operation.clientId,
  now: T0 + 2 * SECOND,
  holder: aHash(),
  leaseMs: 5 * SECOND,
  pacing: { toleranceMs: SECOND, stepSeconds: 5, maxSeconds: 60 },
  ...overrides,
});

type Commit = Parameters<ConformingStore['operations']['commit']>[0];

export const commitOf = (operation: Operation, overrides: Partial<Commit> = {}): Commit => ({
  operationId: operation.id,
  holder: 'holder-1',
  now: T0 + 3 * SECOND,
  until: T0 + 8 * SECOND,
  response: 'sealed.tokens',
  binding: 'jkt-1',
  replayUntil: T0 + 60 * SECOND,
  events: [],
  ...overrides,
});
