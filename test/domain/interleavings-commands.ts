/** The steps of the property test: each calls the real service and says what the model expects. */
import fc from 'fast-check';
import { consequencesOf } from '../../src/domain/tries.ts';
import { MINUTE } from '../../src/support/clock.ts';
import { aDecision, aHash, aReceipt } from '../support/records.ts';
import {
  CLIENTS,
  expectedDecide,
  expectedReserve,
  expectedStart,
  isPending,
  LIMITS,
  type Message,
  type Model,
  type ModelDevice,
  type ModelOperation,
  type ModelUser,
  type Polled,
  REPLAY_MS,
  stateOf,
  TRY_LEASE_MS,
  takeCommit,
  takeDeactivation,
  takeDecision,
  takeDelivered,
  takeFailure,
  takeLate,
  takePoll,
  takeRelease,
  tallyOf,
} from './interleavings-model.ts';
import { by, codeOf, type Scene, startOf } from './scene.ts';

type Command = fc.AsyncCommand<Model, Scene>;
type Run = (model: Model, scene: Scene) => Promise<void>;

const command = (label: string, run: Run, check: (model: Model) => boolean = () => true): Command => ({
  check,
  run,
  toString: () => label,
});

const pick = <T>(list: readonly T[], index: number): T => list[index % list.length]!;
const small = fc.nat({ max: 11 });

/** Mostly the newest operation: steps that meet tell more than steps that miss each other. */
const fromTheNewest = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.constant(1) },
  { weight: 1, arbitrary: fc.nat({ max: 5 }) },
);

const ofOperation = (label: string, run: (asked: ModelOperation, scene: Scene, model: Model) => Promise<void>) =>
  fromTheNewest.map((index) =>
    command(
      `${label}(${index})`,
      async (model, scene) => {
        const asked = pick([...model.operations].reverse(), index);
        await run(asked, scene, model);
        await checkOperation(asked, scene);
      },
      ({ operations }) => operations.length > 0,
    ),
  );

const withMore = <T>(more: fc.Arbitrary<T>, of: (value: T) => fc.Arbitrary<Command>) => more.chain(of);

// --- asking -----------------------------------------------------------------------------------------------------

const start = fc
  .tuple(small, small, fc.integer({ min: 10, max: 90 }), fc.option(small, { freq: 2 }))
  .map(([user, client, lifetimeSeconds, device]) =>
    command(`start(${user}, ${client}, ${lifetimeSeconds} s, device ${device})`, async (model, scene) => {
      const owner = pick(model.users, user);
      const named = device === null ? undefined : pick(owner.devices, device);
      const clientId = pick(CLIENTS, client);
      await startOne(model, scene, { owner, named, clientId, lifetimeSeconds });
    }),
  );

async function startOne(
  model: Model,
  scene: Scene,
  {
    owner,
    named,
    clientId,
    lifetimeSeconds,
  }: { owner: ModelUser; named?: ModelDevice; clientId: string; lifetimeSeconds: number },
) {
  const expected = expectedStart(owner, named);
  const call = startOf(owner.user, { clientId, lifetimeSeconds, deviceId: named?.device.id });
  const started = scene.operations.start(call);
  if (expected !== 'started') {
    expect(await codeOf(started)).toBe(expected);
    return;
  }
  const { operation, superseded } = await started;
  const older = model.operations.filter(
    (asked) => asked.owner === owner && asked.clientId === clientId && isPending(asked, scene.clock.now()),
  );
  expect(superseded).toEqual(older.map((asked) => asked.operation.id));
  for (const asked of older) asked.state = 'cancelled';
  model.operations.push({
    authReqId: call.handle,
    operation,
    owner,
    named,
    clientId,
    state: 'pending',
    used: 0,
    messages: [],
    interval: 5,
    redemption: { state: 'none' },
    holders: [],
    handedOut: new Set(),
  });
}

const cancel = withMore(small, (client) =>
  ofOperation(`cancel(client ${client})`, async (asked, scene) => {
    const clientId = pick(CLIENTS, client);
    const state = stateOf(asked, scene.clock.now());
    const expected =
      clientId !== asked.clientId ? 'operation_not_found' : asked.decidedBy ? 'operation_decided' : 'resolved';
    const call = scene.operations.cancel({ operationId: asked.operation.id, clientId, by });
    expect(await codeOf(call)).toBe(expected);
    if (expected === 'resolved' && state === 'pending') asked.state = 'cancelled';
  }),
);

// --- answering --------------------------------------------------------------------------------------------------

const eligible = ({ named, owner }: ModelOperation, index: number) => named ?? pick(owner.devices, index);

const attemptOf = (asked: ModelOperation, { device }: ModelDevice, jwsHash: string, now: number) => ({
  operationId: asked.operation.id,
  deviceId: device.id,
  jwsHash,
  counts: ['pin' as const],
  limits: LIMITS,
  now,
  leaseMs: TRY_LEASE_MS,
});

/** Resolves with the message if a try was there for it. */
async function reserveOne(asked: ModelOperation, device: ModelDevice, scene: Scene): Promise<Message | undefined> {
  const now = scene.clock.now();
  const expected = expectedReserve(asked, device, now);
  const jwsHash = aHash();
  const answer = await scene.store.operations.reserveAttempt(attemptOf(asked, device, jwsHash, now));
  if (expected.result !== 'reserved') {
    const counted = expected.result === 'exhausted' ? tallyOf(asked, device, jwsHash, now) : {};
    expect(answer).toEqual({ ...expected, ...counted });
    return undefined;
  }
  // promise 6: never more that have no outcome and none to come than there are tries
  expect(device.reserved.filter(({ until }) => now < until).length).toBeLessThan(LIMITS.pin);
  asked.used += 1;
  device.pin += 1;
  device.pinLifetime += 1;
  expect(answer).toEqual({ result: 'reserved', ...tallyOf(asked, device, jwsHash, now) });
  const message = { asked, device, jwsHash, until: now + TRY_LEASE_MS };
  device.reserved.push(message);
  return message;
}

const reserve = withMore(fc.tuple(small, small), ([user, index]) =>
  ofOperation(`reserve(device ${index} of ${user})`, async (asked, scene, model) => {
    // now and then somebody else's device
    const device = user < 10 ? eligible(asked, index) : pick(pick(model.users, user).devices, index);
    const message = await reserveOne(asked, device, scene);
    if (message) asked.messages.push(message);
  }),
);

const reserveAgain = ofOperation('reserve again', async (asked, scene) => {
  const message = asked.messages.at(-1);
  if (!message) return;
  const now = scene.clock.now();
  const answer = await scene.store.operations.reserveAttempt(attemptOf(asked, message.device, message.jwsHash, now));
  message.until = now + TRY_LEASE_MS;
  expect(answer).toEqual({ result: 'again', ...tallyOf(asked, message.device, message.jwsHash, now) });
});

const decideCall = (
  asked: ModelOperation,
  { device }: ModelDevice,
  approved: boolean,
  jwsHash: string,
  now: number,
) => {
  const decision = aDecision(device, { approved, jwsHash, decidedAt: now });
  return {
    operationId: asked.operation.id,
    deviceId: device.id,
    userId: asked.owner.user.id,
    decision,
    clear: approved ? ['pin' as const] : [],
    receipt: aReceipt(device, { jwsHash, until: now + 10 * MINUTE }),
    now,
    events: [],
    outbox: [],
  };
};

async function decideOne(asked: ModelOperation, device: ModelDevice, approve: boolean, jwsHash: string, scene: Scene) {
  const now = scene.clock.now();
  const expected = expectedDecide(asked, device, approve, now);
  const answer = await scene.store.operations.decide(decideCall(asked, device, approve, jwsHash, now));
  expect(answer).toMatchObject(expected);
  const given = { device, approve, jwsHash, now };
  if (expected.result === 'decided') takeDecision(asked, given);
  if (expected.result === 'decided_before' || expected.result === 'closed') takeLate(asked, given);
}

/** Verifies what was reserved last; without such a message, a new one is reserved and verified at once. */
const verify = (label: string, finish: (asked: ModelOperation, message: Message, scene: Scene) => Promise<void>) =>
  withMore(small, (index) =>
    ofOperation(`${label}(device ${index})`, async (asked, scene) => {
      const message = asked.messages.pop() ?? (await reserveOne(asked, eligible(asked, index), scene));
      if (message) await finish(asked, message, scene);
    }),
  );

const rightPin = verify('right PIN', (asked, { device, jwsHash }, scene) =>
  decideOne(asked, device, true, jwsHash, scene),
);
const wrongPin = verify('wrong PIN', (asked, message, scene) => failOne(asked, message, scene));

async function failOne(asked: ModelOperation, message: Message, scene: Scene) {
  const now = scene.clock.now();
  const tally = tallyOf(asked, message.device, message.jwsHash, now);
  const { failsOperation, locksDevice } = consequencesOf(tally, ['pin'], LIMITS);
  const { device } = message.device;
  const failed = {
    operationId: asked.operation.id,
    deviceId: device.id,
    now,
    failOperation: failsOperation,
    ...(locksDevice && { lockDevice: 'attempts' as const }),
    receipt: aReceipt(device, { jwsHash: message.jwsHash, until: now + 10 * MINUTE }),
    events: [],
    outbox: [],
  };
  // drawn from what does not hold any longer: nothing is written
  const outdated = { ...tally, used: tally.used + 1 };
  const changed = await scene.store.operations.failAttempt({ ...failed, tally: outdated });
  expect(changed).toEqual({ result: 'changed', ...tally });
  expect(await scene.store.operations.failAttempt({ ...failed, tally })).toMatchObject({ result: 'recorded' });
  const expected = takeFailure(asked, message, now);
  expect({ failOperation: failsOperation, lockDevice: locksDevice }).toEqual(expected);
}

const deny = withMore(small, (index) =>
  ofOperation(`deny(device ${index})`, async (asked, scene) => {
    await decideOne(asked, eligible(asked, index), false, aHash(), scene);
  }),
);

/** Two devices, or one twice, that contradict each other at the same moment. */
const contradict = withMore(small, (index) =>
  ofOperation(`approve ∥ deny(device ${index})`, async (asked, scene) => {
    const now = scene.clock.now();
    const [yes, no] = [eligible(asked, index), eligible(asked, index + 1)];
    const [yesHash, noHash] = [aHash(), aHash()];
    const canDecide = [expectedDecide(asked, yes, true, now), expectedDecide(asked, no, false, now)];
    const answers = await Promise.all([
      scene.store.operations.decide(decideCall(asked, yes, true, yesHash, now)),
      scene.store.operations.decide(decideCall(asked, no, false, noHash, now)),
    ]);
    const won = answers.map(({ result }) => result === 'decided');
    expect(won.filter(Boolean)).toHaveLength(canDecide.some(({ result }) => result === 'decided') ? 1 : 0);
    if (won[0]) takeDecision(asked, { device: yes, approve: true, jwsHash: yesHash, now });
    if (won[1]) takeDecision(asked, { device: no, approve: false, jwsHash: noHash, now });
  }),
);

// --- redeeming --------------------------------------------------------------------------------------------------

const pollReal = ({ redemptions }: Scene, asked: ModelOperation, clientId: string, holder: string) =>
  redemptions.poll({ handle: asked.authReqId, clientId, holder });

const poll = withMore(small, (client) =>
  ofOperation(`poll(client ${client})`, async (asked, scene) => {
    // mostly the client whose request it is
    const clientId = client < 9 ? asked.clientId : pick(CLIENTS, client);
    const holder = aHash();
    const expected = takePoll(asked, clientId, holder, scene.clock.now());
    const answer = await pollReal(scene, asked, clientId, holder);
    expect(answer).toMatchObject(expected);
    if (expected.response) asked.handedOut.add(expected.response);
    if (answer.outcome !== 'issue' && answer.outcome !== 'repeat') return;
    asked.holders.push(holder);
    expect(answer.user.id).toBe(asked.owner.user.id);
  }),
);

/** Four requests at once: in whatever order the store takes them, what they get together is what one after another gets. */
const polls = ofOperation('poll ∥ poll ∥ poll ∥ poll', async (asked, scene) => {
  const now = scene.clock.now();
  const before = structuredClone(asked.redemption);
  const holders = Array.from({ length: 4 }, aHash);
  const expected = holders.map((holder) => takePoll(asked, asked.clientId, holder, now));
  const answers = await Promise.all(holders.map((holder) => pollReal(scene, asked, asked.clientId, holder)));
  const given = answers.findIndex(({ outcome }) => outcome === 'issue' || outcome === 'repeat');
  if (expected[0]?.outcome === 'denied' && asked.state === 'approved') {
    // refused, and given back at once: those who came between saw it taken
    asked.redemption =
      before.state === 'committed' ? { ...before, holder: 'one of them', until: now } : { state: 'none' };
    expect(answers.every(({ outcome }) => outcome === 'denied' || outcome === 'busy')).toBe(true);
    return;
  }
  const kinds = (list: Polled[]) => list.map(({ outcome, intervalSeconds }) => `${outcome} ${intervalSeconds}`).sort();
  expect(kinds(answers)).toEqual(kinds(expected));
  if (given < 0) return;
  asked.holders.push(holders[given]!);
  const { redemption } = asked;
  if (redemption.state === 'leased' || redemption.state === 'committed') redemption.holder = holders[given]!;
  const answer = answers[given]!;
  if (answer.outcome === 'repeat') asked.handedOut.add(answer.response);
});

const holderOf = (asked: ModelOperation, index: number) => pick([...asked.holders].reverse(), index % 3) ?? 'nobody';

const commit = withMore(small, (index) =>
  ofOperation(`commit(holder ${index})`, async (asked, scene) => {
    const now = scene.clock.now();
    const [holder, response] = [holderOf(asked, index), `{"access_token":"${aHash()}"}`];
    const isMine = takeCommit(asked, holder, response, now);
    const { id: operationId } = asked.operation;
    const done = await scene.redemptions.commit({
      operationId,
      holder,
      response,
      binding: '',
      replayUntil: now + REPLAY_MS,
    });
    expect(done).toBe(isMine);
    if (done) asked.handedOut.add(response);
  }),
);

const deliver = withMore(small, (index) =>
  ofOperation(`delivered(holder ${index})`, async (asked, scene) => {
    const holder = holderOf(asked, index);
    takeDelivered(asked, holder);
    await scene.redemptions.delivered({ operationId: asked.operation.id, holder });
  }),
);

const release = withMore(small, (index) =>
  ofOperation(`release(holder ${index})`, async (asked, scene) => {
    const holder = holderOf(asked, index);
    takeRelease(asked, holder, scene.clock.now());
    await scene.redemptions.release({ operationId: asked.operation.id, holder });
  }),
);

// --- time and management ----------------------------------------------------------------------------------------

const advance = fc
  .integer({ min: 1, max: 25 })
  .map((seconds) => command(`advance(${seconds} s)`, async (_model, scene) => scene.clock.advance(seconds)));

const sweep = fc.constant(
  command('sweep', async (model, scene) => {
    await scene.sweeper.expire();
    const now = scene.clock.now();
    for (const asked of model.operations) asked.state = stateOf(asked, now);
  }),
);

type Verb = 'lock' | 'unlock' | 'deactivate';
const verbs = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Verb>('lock') },
  { weight: 6, arbitrary: fc.constant<Verb>('unlock') },
  { weight: 1, arbitrary: fc.constant<Verb>('deactivate') },
);
const target = { lock: 'locked', unlock: 'active', deactivate: 'deactivated' } as const;

const manageUser = fc.tuple(verbs, small).map(([verb, index]) =>
  command(`${verb} user ${index}`, async (model, scene) => {
    const user = pick(model.users, index);
    const expected = user.state === 'deactivated' && verb !== 'deactivate' ? 'state_conflict' : 'resolved';
    expect(await codeOf(scene.users[verb](user.user.id, by))).toBe(expected);
    if (expected !== 'resolved') return;
    user.state = target[verb];
    if (verb === 'deactivate') takeDeactivation(model, { user }, scene.clock.now());
  }),
);

const manageDevice = fc.tuple(verbs, small, small).map(([verb, userIndex, index]) =>
  command(`${verb} device ${index} of user ${userIndex}`, async (model, scene) => {
    const device = pick(pick(model.users, userIndex).devices, index);
    const expected = device.state === 'deactivated' && verb !== 'deactivate' ? 'state_conflict' : 'resolved';
    expect(await codeOf(scene.devices[verb](device.device.id, by))).toBe(expected);
    if (expected !== 'resolved') return;
    if (verb === 'unlock' && device.state === 'locked') device.pin = 0;
    device.state = target[verb];
    if (verb === 'deactivate') takeDeactivation(model, { device }, scene.clock.now());
  }),
);

/** The record is what the model says: state, who decided, tries. */
export async function checkOperation(asked: ModelOperation, scene: Scene): Promise<void> {
  const now = scene.clock.now();
  const stored = await scene.operations.get(asked.operation.id);
  expect(stored.state).toBe(stateOf(asked, now));
  expect(stored.tries.used).toBe(asked.used);
  expect(stored.decision?.deviceId).toBe(asked.decidedBy?.device.id);
  // IV-04: what was decided stays what it was
  if (stored.decision) expect(stored.decision.approved).toBe(asked.state === 'approved');
  // IV-02, IV-05: one token set at most, and none without an approval
  expect(asked.handedOut.size).toBeLessThanOrEqual(asked.state === 'approved' ? 1 : 0);
}

export async function checkDevice({ device, ...expected }: Omit<ModelDevice, 'reserved'>, scene: Scene): Promise<void> {
  const stored = await scene.devices.get(device.id);
  expect(stored.state).toBe(expected.state);
  expect(stored.keys.pin !== undefined).toBe(expected.hasPin);
  // promise 6: they fell where the model says so, which is after a success or an unlock only
  expect(stored.failures).toEqual({ pin: expected.pin, number: 0, pinLifetime: expected.pinLifetime });
}

/** As often as they should come up. */
const weights: [number, fc.Arbitrary<Command>][] = [
  [3, start],
  [3, reserve],
  [1, reserveAgain],
  [5, rightPin],
  [3, wrongPin],
  [1, deny],
  [1, contradict],
  [4, poll],
  [3, polls],
  [5, commit],
  [2, deliver],
  [3, release],
  [1, cancel],
  [2, advance],
  [1, sweep],
  [1, manageUser],
  [2, manageDevice],
];
export const commands = weights.flatMap(([weight, arbitrary]) => Array.from({ length: weight }, () => arbitrary));
