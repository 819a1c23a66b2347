import { randomBytes } from 'node:crypto';
import { stateAt } from '../../src/domain/operation.ts';
import { HOUR, MINUTE, SECOND } from '../../src/support/clock.ts';
import { ALL_PARTITIONS, partitionOf } from '../../src/support/ids.ts';
import {
  aDecision,
  aDevice,
  aHash,
  anEvent,
  anOperation,
  anOutboxEntry,
  aReceipt,
  aTicket,
  aUser,
  T0,
} from '../support/records.ts';
import { HUNDRED, listen, type Suite, storeForEach, tally } from './harness.ts';
import {
  approved,
  asked,
  attemptOf,
  decideOf,
  failureOf,
  LEASE_MS,
  pollOf,
  startOf,
  withDevice,
  withOperation,
  withUser,
} from './scenes.ts';

export const operationStoreSuite: Suite = (name, open) => {
  describe(`${name}: start of an operation`, () => {
    const at = storeForEach(open);

    test('promise 1: what was started is found, as it was written, with its events and its outbox', async () => {
      const user = await withUser(at.store);
      const operation = anOperation(user, { protocol: 'sealed.request', deviceId: 'a device' });
      const given = structuredClone(operation);
      const event = anEvent(operation, 'operation.started', { operationId: operation.id, userId: user.id });
      const entry = anOutboxEntry(operation);
      const start = startOf(given, { events: [event], outbox: [entry] });
      expect(await at.store.operations.start(start)).toEqual({ result: 'started', superseded: [] });
      given.clientId = 'changed by the caller afterwards';
      expect(await at.store.operations.get(operation.id)).toEqual(operation);
      expect(await at.store.events.ofOperation(operation.id)).toEqual([event]);
      expect(await at.store.outbox.backlog(ALL_PARTITIONS)).toEqual({ count: 1, oldestDueAt: entry.dueAt });
      expect(await at.store.operations.get(anOperation(user).id)).toBeUndefined();
    });

    test('an id is started once, by one of a hundred', async () => {
      const user = await withUser(at.store);
      const operation = anOperation(user);
      const answers = await at.race(HUNDRED, (store) =>
        store.operations.start(
          startOf(operation, { events: [anEvent(operation, 'operation.started', { operationId: operation.id })] }),
        ),
      );
      expect(tally(answers)).toEqual({ started: 1, exists: HUNDRED - 1 });
      expect(await at.store.events.ofOperation(operation.id)).toHaveLength(1);
    });

    test('promise 1: a document is kept beside its operation, for a decoy as well, and goes when that has ended', async () => {
      const user = await withUser(at.store);
      const [operation, plain] = [anOperation(user), anOperation(user)];
      const document = randomBytes(200_000).toString('base64url');
      await at.store.operations.start(startOf(operation, { document }));
      await at.store.operations.start(startOf(plain));
      expect(await at.store.operations.document(operation.id)).toBe(document);
      expect(await at.store.operations.document(plain.id)).toBeUndefined();
      const again = await at.store.operations.start(startOf(operation, { document: 'another' }));
      expect([again.result, await at.store.operations.document(operation.id)]).toEqual(['exists', document]);
      const decoy = anOperation(aUser());
      await at.store.operations.start({ ...startOf(decoy, { document }), decoy: true });
      expect(await at.store.operations.document(decoy.id)).toBe(document);

      await at.store.operations.cancel({
        operationId: operation.id,
        reason: 'cancelled_by_client',
        now: T0,
        events: [],
        outbox: [],
      });
      expect(await at.store.operations.document(operation.id)).toBeUndefined();
      const late = {
        partitions: ALL_PARTITIONS,
        now: decoy.expiresAt,
        limit: HUNDRED,
        event: { type: 'operation.expired' as const, at: T0 },
      };
      await at.store.operations.expireDue(late);
      expect(await at.store.operations.document(decoy.id)).toBeUndefined();
    });

    test.each(['locked', 'deactivated'] as const)('promise 5: nothing is started for a %s user', async (state) => {
      const user = await withUser(at.store);
      const change = { id: user.id, from: ['active' as const], to: state, closePending: false, now: T0, events: [] };
      await at.store.users.changeState(change);
      for (const operation of [anOperation(user), aTicket(user)]) {
        const start = startOf(operation, { outbox: [anOutboxEntry(operation)] });
        expect(await at.store.operations.start(start)).toEqual({ result: 'user_not_active' });
        expect(await at.store.operations.get(operation.id)).toBeUndefined();
      }
      expect(await at.store.outbox.backlog(ALL_PARTITIONS)).toEqual({ count: 0 });
    });

    test('nothing is started for a user who is not there', async () => {
      expect(await at.store.operations.start(startOf(anOperation(aUser())))).toEqual({ result: 'user_not_active' });
    });

    test('a decoy is started for a user who is not there, is capped like any other, and is pending for nobody else', async () => {
      const nobody = aUser();
      const cap = { perClient: 1, policy: 'replace' as const, perUser: 3 };
      const decoys = [anOperation(nobody), anOperation(nobody)] as const;
      for (const operation of decoys) {
        const outcome = await at.store.operations.start({ ...startOf(operation), cap, decoy: true });
        expect(outcome.result).toBe('started');
      }
      expect(await at.store.operations.get(decoys[0].id)).toMatchObject({
        state: 'cancelled',
        endReason: 'superseded',
      });
      expect(await at.store.operations.pendingOf(nobody.id, T0)).toEqual([decoys[1]]);
    });

    test('cap `replace`: a new operation of the client cancels its oldest, and an event tells of each', async () => {
      const user = await withUser(at.store);
      const [oldest, older] = [
        await withOperation(at.store, user),
        await withOperation(at.store, user, { createdAt: T0 + 1 }),
      ];
      const otherClient = await withOperation(at.store, user, { clientId: 'demo-tv' });
      const operation = anOperation(user, { createdAt: T0 + 2 });
      const supersededEvent = { type: 'operation.superseded' as const, at: T0 + 2, userId: user.id };
      const start = startOf(operation, { cap: { perClient: 2, policy: 'replace', perUser: 9 }, supersededEvent });
      expect(await at.store.operations.start(start)).toEqual({ result: 'started', superseded: [oldest.id] });
      expect(await at.store.operations.get(oldest.id)).toMatchObject({
        state: 'cancelled',
        endReason: 'superseded',
        finishedAt: T0 + 2,
      });
      expect(await at.store.events.ofOperation(oldest.id)).toEqual([
        { ...supersededEvent, id: `${oldest.id}.operation.superseded`, operationId: oldest.id },
      ]);
      const pending = await at.store.operations.pendingOf(user.id, T0 + 2);
      expect(pending.map(({ id }) => id).sort()).toEqual([older.id, otherClient.id, operation.id].sort());
    });

    test('cap `refuse`: the client’s next one is refused until its first ends, and nothing is written', async () => {
      const user = await withUser(at.store);
      const first = await withOperation(at.store, user, { expiresAt: T0 + 40 * SECOND });
      await withOperation(at.store, user, { clientId: 'demo-tv', expiresAt: T0 + 20 * SECOND });
      const cap = { perClient: 1, policy: 'refuse' as const, perUser: 9 };
      const next = anOperation(user);
      expect(await at.store.operations.start(startOf(next, { cap, outbox: [anOutboxEntry(next)] }))).toEqual({
        result: 'refused',
        limit: 'client',
        retryAt: first.expiresAt,
      });
      expect(await at.store.operations.get(next.id)).toBeUndefined();
      expect(await at.store.outbox.backlog(ALL_PARTITIONS)).toEqual({ count: 0 });
      expect(await at.store.operations.start(startOf(next, { cap, now: first.expiresAt }))).toMatchObject({
        result: 'started',
      });
    });

    test('cap per user: refused beyond, whichever client asks, and nothing is superseded then', async () => {
      const user = await withUser(at.store);
      const soonest = await withOperation(at.store, user, { clientId: 'a', expiresAt: T0 + 20 * SECOND });
      await withOperation(at.store, user, { clientId: 'b' });
      const cap = { perClient: 1, policy: 'replace' as const, perUser: 2 };
      expect(await at.store.operations.start(startOf(anOperation(user, { clientId: 'c' }), { cap }))).toEqual({
        result: 'refused',
        limit: 'user',
        retryAt: soonest.expiresAt,
      });
      expect(await at.store.operations.pendingOf(user.id, T0)).toHaveLength(2);
      // Replacing its own leaves room for the new one.
      expect(await at.store.operations.start(startOf(anOperation(user, { clientId: 'a' }), { cap }))).toEqual({
        result: 'started',
        superseded: [soonest.id],
      });
    });

    test('registrations neither count nor are counted, nor does what has ended', async () => {
      const user = await withUser(at.store);
      const cap = { perClient: 1, policy: 'refuse' as const, perUser: 1 };
      const ticket = () => aTicket(user, { clientId: 'demo-helpdesk' });
      for (let i = 0; i < 3; i++)
        expect(await at.store.operations.start(startOf(ticket(), { cap }))).toMatchObject({ result: 'started' });
      const first = anOperation(user);
      expect(await at.store.operations.start(startOf(first, { cap }))).toMatchObject({ result: 'started' });
      expect(await at.store.operations.start(startOf(ticket(), { cap }))).toMatchObject({ result: 'started' });
      const cancel = { operationId: first.id, reason: 'cancelled_by_client' as const, now: T0, events: [], outbox: [] };
      await at.store.operations.cancel(cancel);
      expect(await at.store.operations.start(startOf(anOperation(user), { cap }))).toMatchObject({ result: 'started' });
    });

    test('of a hundred starts at once the cap lets through as many as it says', async () => {
      const user = await withUser(at.store);
      const cap = { perClient: 3, policy: 'refuse' as const, perUser: 9 };
      const answers = await at.race(HUNDRED, (store) => store.operations.start(startOf(anOperation(user), { cap })));
      expect(tally(answers)).toEqual({ started: 3, refused: HUNDRED - 3 });
      expect(await at.store.operations.pendingOf(user.id, T0)).toHaveLength(3);
    });

    test('of a hundred starts that replace, one stays', async () => {
      const user = await withUser(at.store);
      const cap = { perClient: 1, policy: 'replace' as const, perUser: 9 };
      const answers = await at.race(HUNDRED, (store) => store.operations.start(startOf(anOperation(user), { cap })));
      expect(tally(answers)).toEqual({ started: HUNDRED });
      expect(await at.store.operations.pendingOf(user.id, T0)).toHaveLength(1);
    });

    test('the pending ones of a user, oldest first, without tickets and without what is past its time', async () => {
      const user = await withUser(at.store);
      const second = await withOperation(at.store, user, { createdAt: T0 + 1 });
      const first = await withOperation(at.store, user, { createdAt: T0 });
      await withOperation(at.store, user, { expiresAt: T0 + SECOND });
      await at.store.operations.start(startOf(aTicket(user)));
      await withOperation(at.store, await withUser(at.store));
      expect(await at.store.operations.pendingOf(user.id, T0 + SECOND)).toEqual([first, second]);
      expect(await at.store.operations.pendingOf(user.id, second.expiresAt)).toEqual([]);
    });

    test('beside them the receipt of one message of this device, while it lives', async () => {
      const scene = await asked(at.store);
      const { receipt, now } = decideOf(scene);
      await at.store.operations.decide({ ...decideOf(scene), receipt });
      const look = (message: { jti: string; now: number }) =>
        at.store.operations.forDevice(scene.operation.id, scene.device.id, message);
      expect((await look({ jti: receipt.jti, now })).receipt).toEqual(receipt);
      expect(await look({ jti: aHash(), now })).not.toHaveProperty('receipt');
      expect(await look({ jti: receipt.jti, now: receipt.until })).not.toHaveProperty('receipt');
      expect(await at.store.operations.forDevice(scene.operation.id, scene.device.id)).not.toHaveProperty('receipt');
    });

    test('the user is the device’s, also where the operation is somebody else’s', async () => {
      const { device, user } = await asked(at.store);
      const other = await withUser(at.store, { id: aDevice(user).id, state: 'locked' });
      const operation = anOperation(other);
      await at.store.operations.start(startOf(operation, { decoy: true }));
      expect(await at.store.operations.forDevice(operation.id, device.id)).toEqual({ operation, device, user });
    });

    test('operation, device and user in one look; what is not there, or lies elsewhere, is absent', async () => {
      const { user, device, operation } = await asked(at.store);
      expect(await at.store.operations.forDevice(operation.id, device.id)).toEqual({ operation, device, user });
      expect(await at.store.operations.forDevice(anOperation(user).id, device.id)).toEqual({ device, user });
      const unknown = await at.store.operations.forDevice(operation.id, aDevice(user).id);
      expect(unknown).toEqual({ operation });
      const elsewhere = ALL_PARTITIONS.find((partition) => partition !== partitionOf(user.id))!;
      expect(await at.store.operations.forDevice(operation.id, elsewhere + device.id.slice(2))).toEqual({});
    });
  });

  describe(`${name}: tries (promise 6)`, () => {
    const at = storeForEach(open);

    test('a try counts on the operation and on the device before anything is verified', async () => {
      const scene = await asked(at.store);
      const attempt = attemptOf(scene, { counts: ['pin', 'number'] });
      expect(await at.store.operations.reserveAttempt(attempt)).toEqual({
        result: 'reserved',
        used: 1,
        max: 3,
        failures: { pin: 1, number: 1, pinLifetime: 1 },
        underWay: { operation: 0, pin: 0, number: 0 },
      });
      expect(await at.store.operations.get(scene.operation.id)).toMatchObject({ state: 'pending', tries: { used: 1 } });
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({
        failures: { pin: 1, number: 1, pinLifetime: 1 },
      });
    });

    test('only the counters that were asked for grow', async () => {
      const scene = await asked(at.store);
      expect(await at.store.operations.reserveAttempt(attemptOf(scene, { counts: ['number'] }))).toMatchObject({
        failures: { pin: 0, number: 1, pinLifetime: 0 },
      });
      expect(await at.store.operations.reserveAttempt(attemptOf(scene, { counts: [] }))).toMatchObject({
        used: 2,
        failures: { pin: 0, number: 1, pinLifetime: 0 },
      });
    });

    test('RL-03 one message counts once, however often it comes', async () => {
      const scene = await asked(at.store);
      const attempt = attemptOf(scene);
      const answers = await at.race(HUNDRED, (store) => store.operations.reserveAttempt(attempt));
      expect(tally(answers)).toEqual({ reserved: 1, again: HUNDRED - 1 });
      for (const answer of answers) expect(answer).toMatchObject({ used: 1, failures: { pin: 1, pinLifetime: 1 } });
    });

    test('of a hundred messages at once as many count as the operation has tries', async () => {
      const scene = await asked(at.store);
      const answers = await at.race(HUNDRED, (store) => store.operations.reserveAttempt(attemptOf(scene)));
      expect(tally(answers)).toEqual({ reserved: 3, exhausted: HUNDRED - 3 });
      expect(answers).toContainEqual(expect.objectContaining({ result: 'exhausted', which: 'operation' }));
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({ failures: { pin: 3, pinLifetime: 3 } });
    });

    test.each([
      ['pin', { pin: 2, number: 9, pinLifetime: 9 }],
      ['number', { pin: 9, number: 2, pinLifetime: 9 }],
      ['pin_lifetime', { pin: 9, number: 9, pinLifetime: 2 }],
    ] as const)('at the device’s limit of `%s` nothing is reserved, whatever the operation', async (which, limits) => {
      const scene = await asked(at.store);
      const attempt = () => attemptOf(scene, { counts: ['pin', 'number'], limits });
      await at.store.operations.reserveAttempt(attempt());
      await at.store.operations.reserveAttempt(attempt());
      const fresh = { ...scene, operation: await withOperation(at.store, scene.user) };
      expect(
        await at.store.operations.reserveAttempt(attemptOf(fresh, { counts: ['pin', 'number'], limits })),
      ).toMatchObject({ result: 'exhausted', which });
      expect(await at.store.operations.get(fresh.operation.id)).toEqual(fresh.operation);
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({ failures: { pin: 2 } });
    });

    test('a limit binds only tries that count on it', async () => {
      const scene = await asked(at.store);
      const limits = { pin: 1, number: 1, pinLifetime: 1 };
      await at.store.operations.reserveAttempt(attemptOf(scene, { counts: ['pin'], limits }));
      expect(await at.store.operations.reserveAttempt(attemptOf(scene, { counts: ['number'], limits }))).toMatchObject({
        result: 'reserved',
      });
    });

    test('a message that has reserved may be verified again after the operation is over or the limit is reached', async () => {
      const scene = await asked(at.store, { tries: { used: 0, max: 1 } });
      const attempt = attemptOf(scene);
      await at.store.operations.reserveAttempt(attempt);
      expect(await at.store.operations.reserveAttempt(attemptOf(scene))).toMatchObject({ result: 'exhausted' });
      expect(await at.store.operations.reserveAttempt(attempt)).toMatchObject({ result: 'again', used: 1 });
      await at.store.operations.decide(decideOf(scene));
      expect(await at.store.operations.reserveAttempt(attempt)).toMatchObject({ result: 'again', used: 1 });
    });

    test('what is over, or past the time to answer, takes no try', async () => {
      const scene = await asked(at.store);
      const { answerBy } = scene.operation;
      expect(await at.store.operations.reserveAttempt(attemptOf(scene, { now: answerBy }))).toEqual({
        result: 'closed',
        state: 'expired',
      });
      await at.store.operations.decide(decideOf(scene));
      expect(await at.store.operations.reserveAttempt(attemptOf(scene))).toEqual({
        result: 'closed',
        state: 'approved',
      });
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({ failures: { pin: 0 } });
    });

    test('no such operation, no such device: missing', async () => {
      const scene = await asked(at.store);
      const reserve = (overrides: object) => at.store.operations.reserveAttempt(attemptOf(scene, overrides));
      expect(await reserve({ operationId: anOperation(scene.user).id })).toEqual({ result: 'missing' });
      expect(await reserve({ deviceId: aDevice(scene.user).id })).toEqual({ result: 'missing' });
      expect(await at.store.operations.get(scene.operation.id)).toEqual(scene.operation);
    });

    test('the device of somebody else spends no try of this operation, nor its own', async () => {
      const scene = await asked(at.store);
      const { device } = await asked(at.store);
      const ofOther = { ...scene, device };
      expect(await at.store.operations.reserveAttempt(attemptOf(ofOther))).toEqual({ result: 'missing' });
      expect(await at.store.operations.failAttempt(failureOf(ofOther, { failOperation: true }))).toEqual({
        result: 'missing',
      });
      expect(await at.store.operations.get(scene.operation.id)).toEqual(scene.operation);
      expect(await at.store.devices.get(device.id)).toEqual(device);
    });

    test('a failed try that is not the last leaves everything open', async () => {
      const scene = await asked(at.store);
      const event = anEvent(scene.operation, 'operation.attempt_failed', { operationId: scene.operation.id });
      const failed = failureOf(scene, { events: [event] });
      const recorded = await at.store.operations.failAttempt(failed);
      expect(recorded).toMatchObject({ result: 'recorded', operation: { id: scene.operation.id, state: 'pending' } });
      expect(await at.store.operations.failAttempt(failed)).toEqual({
        result: 'repeated',
        outcome: failed.receipt.outcome,
      });
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({ state: 'active', keys: scene.device.keys });
      expect(await at.store.events.ofOperation(scene.operation.id)).toEqual([event]);
    });

    test('the last failed try ends the operation, locks the device and deletes its PIN key, in one step', async () => {
      const scene = await asked(at.store);
      const outbox = [anOutboxEntry(scene.operation)];
      const failed = failureOf(scene, { failOperation: true, lockDevice: 'attempts', outbox });
      expect(await at.store.operations.failAttempt(failed)).toMatchObject({
        result: 'recorded',
        operation: { state: 'failed', endReason: 'attempts', finishedAt: failed.now },
      });
      const device = (await at.store.devices.get(scene.device.id))!;
      expect(device).toMatchObject({ state: 'locked', lockReason: 'attempts', methods: ['device'] });
      expect(device.keys).not.toHaveProperty('pin');
      expect(await at.store.outbox.backlog([partitionOf(scene.user.id)])).toMatchObject({ count: 1 });
      // Unlocking does not bring the PIN back.
      await at.store.devices.changeState({ id: device.id, from: ['locked'], to: 'active', now: T0, events: [] });
      expect((await at.store.devices.get(device.id))?.keys).not.toHaveProperty('pin');
    });

    test('a failed try does not undo a decision that came first', async () => {
      const scene = await approved(at.store);
      expect(await at.store.operations.failAttempt(failureOf(scene, { failOperation: true }))).toMatchObject({
        result: 'recorded',
        operation: { state: 'approved' },
      });
      expect(await at.store.operations.get(scene.operation.id)).toMatchObject({ state: 'approved' });
    });

    test('a failed try of no operation or device is missing; another message with its jti is refused', async () => {
      const scene = await asked(at.store);
      const failed = failureOf(scene);
      await at.store.operations.failAttempt(failed);
      const other = { ...failed, receipt: { ...failed.receipt, jwsHash: aHash() } };
      expect(await at.store.operations.failAttempt(other)).toEqual({ result: 'message_reused' });
      const nowhere = failureOf(scene, { operationId: anOperation(scene.user).id });
      expect(await at.store.operations.failAttempt(nowhere)).toEqual({ result: 'missing' });
    });
  });

  describe(`${name}: promise 2, a decision has one winner`, () => {
    const at = storeForEach(open);

    test('an approval is written with its evidence, receipt, events and outbox', async () => {
      const scene = await asked(at.store);
      const event = anEvent(scene.operation, 'operation.approved', { operationId: scene.operation.id });
      const evidence = { sealed: 'sealed.evidence', retainUntil: T0 + 1e12 };
      const decide = decideOf(scene, { events: [event], outbox: [anOutboxEntry(scene.operation)], evidence });
      const decided = await at.store.operations.decide(decide);
      expect(decided).toMatchObject({
        result: 'decided',
        operation: { state: 'approved', decision: decide.decision, finishedAt: decide.now },
      });
      const stored = await at.store.operations.get(scene.operation.id);
      expect(decided).toHaveProperty('operation', stored);
      expect(stored!.version).toBeGreaterThan(scene.operation.version);
      expect(stored).not.toHaveProperty('endReason');
      expect(await at.store.operations.evidence(scene.operation.id)).toBe('sealed.evidence');
      expect(await at.store.operations.evidence(anOperation(scene.user).id)).toBeUndefined();
      expect(await at.store.events.ofOperation(scene.operation.id)).toEqual([event]);
      expect(await at.store.outbox.backlog([partitionOf(scene.user.id)])).toMatchObject({ count: 1 });
      expect(await at.store.operations.pendingOf(scene.user.id, T0)).toEqual([]);
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({ lastUsedAt: decide.now });
    });

    test('promise 4: a PIN proof is kept in the step of the decision that it proved, once, and goes with the evidence', async () => {
      const scene = await asked(at.store);
      const { id } = scene.operation;
      const evidence = { sealed: 'sealed.evidence', retainUntil: T0 + MINUTE };
      const answers = await at.race(HUNDRED, (store, index) =>
        store.operations.decide(decideOf(scene, { evidence: { ...evidence, pinProof: `sealed.proof.${index}` } })),
      );
      expect(tally(answers)).toEqual({ decided: 1, decided_before: HUNDRED - 1 });
      const winner = answers.findIndex(({ result }) => result === 'decided');
      expect(await at.store.operations.pinProof(id)).toBe(`sealed.proof.${winner}`);

      const other = await withOperation(at.store, scene.user);
      await at.store.operations.decide(decideOf({ ...scene, operation: other }, { evidence }));
      expect(await at.store.operations.pinProof(other.id)).toBeUndefined();
      expect(await at.store.operations.pinProof(anOperation(scene.user).id)).toBeUndefined();

      const collect = (now: number) => at.store.collectGarbage({ partitions: [partitionOf(id)], now, limit: HUNDRED });
      await collect(evidence.retainUntil + HOUR - 1);
      expect(await at.store.operations.pinProof(id)).toBeDefined();
      // the evidence of two decisions; a proof is a part of one
      expect(await collect(evidence.retainUntil + HOUR)).toMatchObject({ deleted: 2 });
      expect(await at.store.operations.pinProof(id)).toBeUndefined();
      expect(await at.store.operations.evidence(id)).toBeUndefined();
    });

    test.each([
      ['not_me', 'not_me'],
      ['incorrect_data', 'incorrect_data'],
      ['cancelled', 'cancelled_by_user'],
      [undefined, undefined],
    ] as const)('a denial (%s) ends the operation with its reason', async (reason, endReason) => {
      const scene = await asked(at.store);
      const { reason: _none, ...plain } = aDecision(scene.device, { approved: false });
      const decision = reason ? { ...plain, reason } : plain;
      await at.store.operations.decide(decideOf(scene, { decision }));
      const stored = (await at.store.operations.get(scene.operation.id))!;
      expect(stored).toMatchObject({ state: 'denied', decision });
      expect(stored.endReason).toBe(endReason);
    });

    test('a success clears the counters it names and takes its own try back from the PIN key’s lifetime', async () => {
      const scene = await asked(at.store);
      await at.store.operations.reserveAttempt(attemptOf(scene, { counts: ['pin', 'number'] }));
      await at.store.operations.reserveAttempt(attemptOf(scene, { counts: ['pin', 'number'] }));
      // what was reserved longer ago is under way no more
      await at.store.operations.decide(decideOf(scene, { clear: ['pin'], now: T0 + SECOND + LEASE_MS }));
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({
        failures: { pin: 0, number: 2, pinLifetime: 1 },
      });
    });

    test('RL-04 the same message again gets the stored outcome, another message `decided_before`', async () => {
      const scene = await asked(at.store);
      const decide = decideOf(scene);
      const first = await at.store.operations.decide(decide);
      expect(await at.store.operations.decide(decide)).toEqual({ result: 'repeated', outcome: decide.receipt.outcome });
      const stored = await at.store.operations.get(scene.operation.id);
      for (const approve of [true, false]) {
        const other = decideOf(scene, { decision: aDecision(scene.device, { approved: approve }) });
        expect(await at.store.operations.decide(other)).toEqual({ result: 'decided_before', operation: stored });
      }
      const reused = { ...decideOf(scene), receipt: { ...decide.receipt, jwsHash: aHash() } };
      expect(await at.store.operations.decide(reused)).toEqual({ result: 'message_reused' });
      expect(await at.store.operations.get(scene.operation.id)).toEqual(stored);
      expect(first).toHaveProperty('operation', stored);
    });

    test('RL-04 of a hundred decisions by two devices, approve against deny, one is written', async () => {
      const scene = await asked(at.store);
      const second = { ...scene, device: await withDevice(at.store, scene.user) };
      const decisions = Array.from({ length: HUNDRED }, (_, i) => {
        const from = i % 3 === 0 ? second : scene;
        const decision = aDecision(from.device, { approved: i % 2 === 0 });
        const type = decision.approved ? 'operation.approved' : 'operation.denied';
        const events = [anEvent(scene.operation, type, { operationId: scene.operation.id })];
        return decideOf(from, { decision, events, outbox: [anOutboxEntry(scene.operation)] });
      });
      const answers = await at.race(HUNDRED, (store, i) => store.operations.decide(decisions[i]!));
      expect(tally(answers)).toEqual({ decided: 1, decided_before: HUNDRED - 1 });
      const winner = decisions[answers.findIndex(({ result }) => result === 'decided')]!;
      expect(await at.store.operations.get(scene.operation.id)).toMatchObject({ decision: winner.decision });
      expect(await at.store.events.ofOperation(scene.operation.id)).toEqual(winner.events);
      expect(await at.store.outbox.backlog([partitionOf(scene.user.id)])).toMatchObject({ count: 1 });
    });

    test('RL-04 of a hundred arrivals of one decision one is written, all others learn its outcome', async () => {
      const scene = await asked(at.store);
      const decide = decideOf(scene);
      const answers = await at.race(HUNDRED, (store) => store.operations.decide(decide));
      expect(tally(answers)).toEqual({ decided: 1, repeated: HUNDRED - 1 });
    });

    test('RL-04 decision against cancellation: one transition', async () => {
      for (let round = 0; round < 10; round++) {
        const scene = await asked(at.store);
        const cancel = {
          operationId: scene.operation.id,
          reason: 'cancelled_by_client' as const,
          now: T0,
          events: [anEvent(scene.operation, 'operation.cancelled', { operationId: scene.operation.id })],
          outbox: [],
        };
        const events = [anEvent(scene.operation, 'operation.approved', { operationId: scene.operation.id })];
        const answers = await at.race<{ result: string }>(10, (store, i) =>
          (i + round) % 2 ? store.operations.decide(decideOf(scene, { events })) : store.operations.cancel(cancel),
        );
        const won = answers.filter(({ result }) => result === 'decided' || result === 'cancelled');
        expect(won).toHaveLength(1);
        const stored = await at.store.operations.get(scene.operation.id);
        expect(stored?.state).toBe(won[0]!.result === 'decided' ? 'approved' : 'cancelled');
        expect(await at.store.events.ofOperation(scene.operation.id)).toHaveLength(1);
      }
    });

    test('RL-04 decision against expiry: one transition', async () => {
      for (let round = 0; round < 10; round++) {
        const scene = await asked(at.store);
        const { expiresAt } = scene.operation;
        const deny = aDecision(scene.device, { approved: false });
        // Each server has its own clock: one says that the time is over, the other that it is not.
        const [decided, expired] = await Promise.all([
          at.store.operations.decide(decideOf(scene, { decision: deny, now: expiresAt - 1 })),
          at.store.operations.expireDue({
            partitions: [partitionOf(scene.operation.id)],
            now: expiresAt,
            limit: 10,
            event: { type: 'operation.expired', at: expiresAt },
          }),
        ]);
        const stored = await at.store.operations.get(scene.operation.id);
        if (decided.result === 'decided') {
          expect(expired).toEqual([]);
          expect(stored?.state).toBe('denied');
        } else {
          expect(decided).toEqual({ result: 'closed', state: 'expired' });
          expect(expired).toEqual([scene.operation.id]);
          expect(stored?.state).toBe('expired');
        }
      }
    });

    test('an approval must come before `answerBy`, a denial before the end', async () => {
      const scene = await asked(at.store);
      const { answerBy, expiresAt } = scene.operation;
      const deny = aDecision(scene.device, { approved: false });
      const closed = { result: 'closed', state: 'expired' };
      expect(await at.store.operations.decide(decideOf(scene, { now: answerBy }))).toEqual(closed);
      expect(await at.store.operations.decide(decideOf(scene, { now: expiresAt, decision: deny }))).toEqual(closed);
      expect(await at.store.operations.get(scene.operation.id)).toEqual(scene.operation);
      const late = decideOf(scene, { now: expiresAt - 1, decision: deny });
      expect(await at.store.operations.decide(late)).toMatchObject({ result: 'decided' });
      const other = await asked(at.store);
      const lastSecond = decideOf(other, { now: other.operation.answerBy - 1 });
      expect(await at.store.operations.decide(lastSecond)).toMatchObject({ result: 'decided' });
    });

    test('a cancelled operation is closed', async () => {
      const scene = await asked(at.store);
      const cancel = { operationId: scene.operation.id, reason: 'cancelled_by_client' as const, now: T0, events: [] };
      await at.store.operations.cancel({ ...cancel, outbox: [] });
      const refused = decideOf(scene, { evidence: { sealed: 'x', retainUntil: T0 } });
      expect(await at.store.operations.decide(refused)).toEqual({ result: 'closed', state: 'cancelled' });
      expect(await at.store.operations.evidence(scene.operation.id)).toBeUndefined();
      // Refused calls leave no receipt.
      expect(await at.store.operations.decide(refused)).toEqual({ result: 'closed', state: 'cancelled' });
    });

    test.each(['locked', 'deactivated'] as const)('promise 5: a %s user decides nothing', async (to) => {
      const scene = await asked(at.store);
      const change = { id: scene.user.id, from: ['active' as const], to, closePending: false, now: T0, events: [] };
      await at.store.users.changeState(change);
      expect(await at.store.operations.decide(decideOf(scene))).toEqual({ result: 'user_not_active' });
      expect(await at.store.operations.get(scene.operation.id)).toEqual(scene.operation);
    });

    test('promise 5: a device that is locked, deactivated or not yet active decides nothing', async () => {
      const scene = await asked(at.store);
      const change = { id: scene.device.id, from: ['active' as const], now: T0, events: [] };
      await at.store.devices.changeState({ ...change, to: 'locked', reason: 'admin' });
      const decide = decideOf(scene);
      expect(await at.store.operations.decide(decide)).toEqual({
        result: 'device_not_active',
        state: 'locked',
        lockReason: 'admin',
      });
      await at.store.devices.changeState({ ...change, from: ['locked'], to: 'deactivated' });
      expect(await at.store.operations.decide(decide)).toMatchObject({
        result: 'device_not_active',
        state: 'deactivated',
      });
      expect(await at.store.operations.get(scene.operation.id)).toEqual(scene.operation);
    });

    test('of several reasons the first is told: user, device, decided before, closed', async () => {
      const { store } = at;
      const scene = await asked(store);
      const change = { from: ['active' as const], now: T0, events: [] };
      await store.operations.decide(decideOf(scene));
      const again = () => decideOf(scene, { now: scene.operation.expiresAt });
      expect(await store.operations.decide(again())).toMatchObject({ result: 'decided_before' });
      await store.devices.changeState({ ...change, id: scene.device.id, to: 'locked', reason: 'admin' });
      expect(await store.operations.decide(again())).toMatchObject({ result: 'device_not_active' });
      await store.users.changeState({ ...change, id: scene.user.id, to: 'locked', closePending: false });
      expect(await store.operations.decide(again())).toEqual({ result: 'user_not_active' });
    });

    test('a device of somebody else, an operation of somebody else, and a ticket are missing', async () => {
      const scene = await asked(at.store);
      const other = await asked(at.store);
      const ticket = aTicket(scene.user);
      await at.store.operations.start(startOf(ticket));
      for (const wrong of [
        { ...decideOf(scene), deviceId: other.device.id },
        { ...decideOf(scene), operationId: other.operation.id },
        { ...decideOf(scene), userId: other.user.id },
        { ...decideOf(scene), operationId: anOperation(scene.user).id },
        { ...decideOf(scene), operationId: ticket.id },
      ])
        expect(await at.store.operations.decide(wrong)).toEqual({ result: 'missing' });
      expect(await at.store.operations.get(other.operation.id)).toEqual(other.operation);
    });
  });

  describe(`${name}: other ends of an operation`, () => {
    const at = storeForEach(open);
    const event = { type: 'operation.expired' as const, at: T0 };

    test('cancellation ends a pending operation, for its client only, once', async () => {
      const { operation, user } = await asked(at.store);
      const cancel = (clientId?: string) =>
        at.store.operations.cancel({
          operationId: operation.id,
          ...(clientId === undefined ? {} : { clientId }),
          reason: 'cancelled_by_client',
          now: T0 + 1,
          events: [anEvent(operation, 'operation.cancelled', { operationId: operation.id })],
          outbox: [anOutboxEntry(operation)],
        });
      expect(await cancel('demo-tv')).toEqual({ result: 'missing' });
      expect(await at.store.operations.get(operation.id)).toEqual(operation);
      const cancelled = await cancel(operation.clientId);
      expect(cancelled).toMatchObject({
        result: 'cancelled',
        operation: { state: 'cancelled', endReason: 'cancelled_by_client', finishedAt: T0 + 1 },
      });
      expect(await cancel()).toEqual({ ...cancelled, result: 'ended' });
      expect(await at.store.events.ofOperation(operation.id)).toHaveLength(1);
      expect(await at.store.outbox.backlog([partitionOf(user.id)])).toMatchObject({ count: 1 });
    });

    test('what was decided, or is past its time, is not cancelled', async () => {
      const scene = await approved(at.store);
      const cancel = { reason: 'cancelled_by_client' as const, events: [], outbox: [] };
      expect(await at.store.operations.cancel({ ...cancel, operationId: scene.operation.id, now: T0 })).toMatchObject({
        result: 'ended',
        operation: { state: 'approved' },
      });
      const late = await withOperation(at.store, scene.user);
      const ended = await at.store.operations.cancel({ ...cancel, operationId: late.id, now: late.expiresAt });
      if (ended.result !== 'ended') throw new Error(ended.result);
      expect(stateAt(ended.operation, late.expiresAt)).toBe('expired');
      expect(await at.store.operations.cancel({ ...cancel, operationId: anOperation(scene.user).id, now: T0 })).toEqual(
        {
          result: 'missing',
        },
      );
    });

    test('past its time an operation reads as expired before anybody has written so', async () => {
      const { operation } = await asked(at.store);
      const stored = (await at.store.operations.get(operation.id))!;
      expect(stateAt(stored, operation.expiresAt - 1)).toBe('pending');
      expect(stateAt(stored, operation.expiresAt)).toBe('expired');
    });

    test('the sweep writes `expired` with an event and an inbox entry each, and leaves the rest', async () => {
      const user = await withUser(at.store);
      const due = await withOperation(at.store, user, { expiresAt: T0 + SECOND });
      const ticket = aTicket(user, { expiresAt: T0 + SECOND });
      await at.store.operations.start(startOf(ticket));
      const later = await withOperation(at.store, user);
      const decided = await approved(at.store);
      const expire = { partitions: ALL_PARTITIONS, now: T0 + 2 * SECOND, limit: 10, event };
      expect((await at.store.operations.expireDue(expire)).sort()).toEqual([due.id, ticket.id].sort());
      expect(await at.store.operations.get(due.id)).toMatchObject({ state: 'expired', finishedAt: due.expiresAt });
      expect(await at.store.operations.get(later.id)).toEqual(later);
      expect(await at.store.operations.get(decided.operation.id)).toMatchObject({ state: 'approved' });
      const written = { ...event, id: `${due.id}.operation.expired`, operationId: due.id, userId: user.id };
      expect(await at.store.events.ofOperation(due.id)).toEqual([written]);
      const claimed = await at.store.outbox.claimDue({ ...expire, holder: 'h', leaseMs: 1000 });
      expect(claimed.map(({ entry }) => [entry.operationId, entry.kind, entry.userId]).sort()).toEqual(
        [due, ticket].map(({ id }) => [id, 'inbox', user.id]).sort(),
      );
      expect(await at.store.operations.expireDue(expire)).toEqual([]);
    });

    test('the sweep keeps to its partitions and its limit', async () => {
      const user = await withUser(at.store);
      const due = await Promise.all(
        Array.from({ length: 7 }, () => withOperation(at.store, user, { expiresAt: T0 + SECOND })),
      );
      const elsewhere = ALL_PARTITIONS.filter((partition) => partition !== partitionOf(user.id));
      const expire = { partitions: ALL_PARTITIONS, now: T0 + SECOND, limit: 5, event };
      expect(await at.store.operations.expireDue({ ...expire, partitions: elsewhere })).toEqual([]);
      const first = await at.store.operations.expireDue(expire);
      expect(first).toHaveLength(5);
      const second = await at.store.operations.expireDue(expire);
      expect([...first, ...second].sort()).toEqual(due.map(({ id }) => id).sort());
    });

    test('of many sweeps at once, each operation is expired by one', async () => {
      const user = await withUser(at.store);
      const due = await Promise.all(
        Array.from({ length: 10 }, () => withOperation(at.store, user, { expiresAt: T0 + SECOND })),
      );
      const partitions = [partitionOf(user.id)];
      const swept = await at.race(20, (store) =>
        store.operations.expireDue({ partitions, now: T0 + SECOND, limit: 3, event }),
      );
      expect(swept.flat().sort()).toEqual(due.map(({ id }) => id).sort());
      for (const { id } of due) expect(await at.store.events.ofOperation(id)).toHaveLength(1);
      expect(await at.store.outbox.backlog(partitions)).toMatchObject({ count: 10 });
    });

    test('promise 10: what has ended stays recognisable through a collection of garbage', async () => {
      const scene = await approved(at.store);
      const late = scene.operation.retainUntil;
      await at.store.collectGarbage({ partitions: ALL_PARTITIONS, now: late, limit: 1000 });
      expect(await at.store.operations.get(scene.operation.id)).toMatchObject({ state: 'approved' });
      expect(await at.store.operations.poll(pollOf(scene.operation, { now: late }))).toEqual({ result: 'expired' });
    });
  });

  describe(`${name}: wake-ups`, () => {
    const at = storeForEach(open);

    test('every start and every change of state wakes whoever listens to the partition, or to all', async () => {
      const scene = await asked(at.store);
      const partition = partitionOf(scene.user.id);
      const [one, all] = [await listen(at.store.wakeups, partition), await listen(at.store.wakeups, '*')];
      const expectWake = async (
        operationId: string,
        state: 'pending' | 'approved' | 'cancelled' | 'expired' | 'failed' | 'noticed',
      ) => {
        const wake = { partition, operationId, userId: scene.user.id, state };
        expect(await one.next(wake)).toEqual(wake);
        expect(await all.next(wake)).toEqual(wake);
      };
      const cancelOf = (operationId: string) => ({
        operationId,
        reason: 'cancelled_by_client' as const,
        now: T0,
        events: [],
        outbox: [],
      });

      await at.store.operations.decide(decideOf(scene));
      await expectWake(scene.operation.id, 'approved');
      const second = await withOperation(at.store, scene.user);
      await expectWake(second.id, 'pending');
      await at.store.operations.cancel(cancelOf(second.id));
      await expectWake(second.id, 'cancelled');
      const third = await withOperation(at.store, scene.user, { expiresAt: T0 + SECOND });
      await at.store.operations.expireDue({
        partitions: [partition],
        now: T0 + SECOND,
        limit: 1,
        event: { type: 'operation.expired', at: T0 },
      });
      await expectWake(third.id, 'expired');
      const fourth = { ...scene, operation: await withOperation(at.store, scene.user) };
      await at.store.operations.failAttempt(failureOf(fourth, { failOperation: true }));
      await expectWake(fourth.operation.id, 'failed');
      const fifth = await withOperation(at.store, scene.user);
      const cap = { perClient: 1, policy: 'replace' as const, perUser: 9 };
      const sixth = anOperation(scene.user);
      await at.store.operations.start(startOf(sixth, { cap }));
      await expectWake(fifth.id, 'cancelled');
      const leave = { id: scene.user.id, from: ['active' as const], to: 'deactivated' as const, now: T0, events: [] };
      await at.store.users.changeState({ ...leave, closePending: true });
      await expectWake(sixth.id, 'cancelled');
      // what is no change of an operation, but is told to the user's devices
      const { id: userId } = scene.user;
      const noticed = anEvent(scene.user, 'device.locked', { userId, noticeUntil: T0 + 1 });
      await at.store.events.write(partition, [noticed]);
      await expectWake(userId, 'noticed');
      await one.stop();
      await all.stop();
    });

    test('devices wake too: an activation approves its ticket, a deactivation cancels what named the device', async () => {
      const user = await withUser(at.store);
      const all = await listen(at.store.wakeups, '*');
      const device = await withDevice(at.store, user);
      await all.next({ operationId: device.operationId, state: 'approved' });
      const named = await withOperation(at.store, user, { deviceId: device.id });
      const leave = { id: device.id, from: ['active' as const], to: 'deactivated' as const, now: T0, events: [] };
      await at.store.devices.changeState(leave);
      await all.next({ operationId: named.id, state: 'cancelled' });
      const second = await withDevice(at.store, user);
      const other = await withOperation(at.store, user, { deviceId: second.id });
      const ticket = aTicket(user);
      await at.store.operations.start(startOf(ticket));
      const third = aDevice(user, { operationId: ticket.id });
      await at.store.operations.bindTicket({
        operationId: ticket.id,
        thumbprint: 't',
        device: third,
        now: T0,
        events: [],
      });
      const replacedEvent = { type: 'device.replaced' as const, at: T0 };
      await at.store.devices.activate({ device: third, mode: 'override', now: T0, events: [], replacedEvent });
      await all.next({ operationId: other.id, state: 'cancelled' });
      await all.stop();
    });

    test('other partitions stay quiet, and so does whoever has stopped listening', async () => {
      const user = await withUser(at.store);
      const neighbour = ALL_PARTITIONS.find((partition) => partition !== partitionOf(user.id))!;
      const quiet = await listen(at.store.wakeups, neighbour);
      const stopped = await listen(at.store.wakeups, partitionOf(user.id));
      await stopped.stop();
      const all = await listen(at.store.wakeups, '*');
      const operation = await withOperation(at.store, user);
      await all.next({ operationId: operation.id });
      expect(quiet.heard).toEqual([]);
      expect(stopped.heard).toEqual([]);
      await quiet.stop();
      await all.stop();
    });

    test('whoever loses a race wakes nobody', async () => {
      const all = await listen(at.store.wakeups, '*');
      const scene = await asked(at.store);
      await at.store.operations.decide(decideOf(scene));
      // a wake-up may be late: what the winner caused has arrived before the loser begins
      await all.next({ operationId: scene.operation.id, state: 'approved' });
      const before = all.heard.length;
      await at.store.operations.decide(decideOf(scene, { receipt: aReceipt(scene.device) }));
      const after = await withOperation(at.store, scene.user);
      await all.next({ operationId: after.id });
      expect(all.heard.slice(before).map(({ operationId }) => operationId)).toEqual([after.id]);
      await all.stop();
    });
  });
};
