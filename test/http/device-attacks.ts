import type { KeyObject } from 'node:crypto';
import type { Operation } from '../../src/domain/operation.ts';
import { createServerKeys } from '../../src/domain/server-keys.ts';
import { newHandle, partitionOf } from '../../src/support/ids.ts';
import { newEcKey, publicJwkOf } from '../../src/support/jose/index.ts';
import { newUser, type SceneOptions } from '../domain/scene.ts';
import { deviceServerForEach } from './device-server.ts';
import { enrollRaw, jti, proofBy, type RawDevice, redeem, redeemWith } from './raw-device.ts';

const management = { actor: 'management:test' };

/** What must hold however a device, or somebody who is none, behaves; for each store. */
export function deviceAttacks(options: () => Promise<SceneOptions>): void {
  describe('TH-12 replay and forgery of a device’s answer', () => {
    const server = deviceServerForEach(options);

    async function asked(options = {}) {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const { operation, matchCode } = await server.ask(user, options);
      return { user, raw, operation, matchCode };
    }
    const stored = (id: string) => server.scene.store.operations.get(id);

    test('TH-12 an approval after the denial is 409, and the denial stands', async () => {
      const { raw, operation } = await asked();
      const answer = await raw.answerTo(operation.id);
      const approval = raw.make('decide', raw.approval(answer));
      expect(await raw.deny(operation.id)).toMatchObject({ status: 200, body: { state: 'denied' } });
      const after = await stored(operation.id);
      expect(await raw.post('decide', approval)).toMatchObject({ status: 409, code: 'operation_decided' });
      expect(await raw.call('decide', raw.approval(answer))).toMatchObject({ status: 409, code: 'operation_decided' });
      expect(await stored(operation.id)).toEqual(after);
    });

    test('S-04 TH-12 an approval after the expiry is 409, also before anybody wrote the expiry down', async () => {
      const { raw, operation } = await asked();
      const approval = raw.make('decide', raw.approval(await raw.answerTo(operation.id)));
      server.scene.clock.advance(296);
      expect(await raw.post('decide', approval)).toMatchObject({ status: 409, code: 'operation_expired' });
      expect(await raw.call('present', { claims: { op: operation.id } })).toMatchObject({ code: 'operation_expired' });
      server.scene.clock.advance(5);
      expect(await raw.post('decide', approval)).toMatchObject({ status: 409, code: 'operation_expired' });
      expect(await raw.call('present', { claims: { op: operation.id } })).toMatchObject({ code: 'operation_expired' });
      expect(await stored(operation.id)).toEqual(operation);
    });

    test('a denial counts until the very end, when an approval could not be redeemed any more', async () => {
      const { raw, operation } = await asked();
      const denial = raw.make('decide', raw.denial(await raw.answerTo(operation.id)));
      server.scene.clock.advance(299);
      expect((await raw.call('inbox')).body.operations).toEqual([]);
      expect(await raw.post('decide', denial)).toMatchObject({ status: 200, body: { state: 'denied' } });
    });

    test('F029 TH-12 an answer to one challenge does not answer another', async () => {
      const { user, raw, operation } = await asked();
      const other = (await server.ask(user, { clientId: 'demo-tv' })).operation;
      const answer = await raw.answerTo(operation.id);
      const moved = raw.approval({ ...answer, op: other.id });
      expect(await raw.call('decide', moved)).toMatchObject({ status: 409, code: 'challenge_stale' });
      expect(await stored(other.id)).toEqual(other);
      expect(await stored(operation.id)).toEqual(operation);
    });

    test('TH-12 an approval of changed content, or of an old challenge, is 409 and counts as no try', async () => {
      const { raw, operation } = await asked();
      const answer = await raw.answerTo(operation.id);
      const otherHash = Buffer.alloc(32, 7).toString('base64url');
      for (const changed of [{ ctx_hash: otherHash }, { challenge_sha256: otherHash }]) {
        const refused = await raw.call('decide', raw.approval({ ...answer, ...changed }));
        expect(refused).toMatchObject({ status: 409, code: 'challenge_stale' });
      }
      expect(await stored(operation.id)).toEqual(operation);
      expect(await server.scene.devices.get(raw.id)).toMatchObject({ failures: { pin: 0 } });
    });

    test('S-04 S-05 TH-12 the device of another person finds no such operation, and cannot sign for this device', async () => {
      const { raw, operation } = await asked();
      const mallory = await enrollRaw(server, await newUser(server.scene, { username: 'mallory' }));
      const answer = await raw.answerTo(operation.id);
      expect(await mallory.call('decide', mallory.approval(answer))).toMatchObject({
        status: 404,
        code: 'operation_not_found',
      });
      expect(await mallory.call('present', { claims: { op: operation.id } })).toMatchObject({ status: 404 });
      const forged = { ...raw.approval(answer), key: mallory.sig };
      expect(await raw.call('decide', forged)).toMatchObject({ status: 401, code: 'device_refused' });
      expect(await stored(operation.id)).toEqual(operation);
    });

    test('S-04 TH-12 the same decision again is 200 with the same result: the same bytes, or made anew', async () => {
      const { raw, operation } = await asked();
      const answer = await raw.answerTo(operation.id);
      const approval = raw.make('decide', raw.approval(answer));
      const first = await raw.post('decide', approval);
      expect(first).toMatchObject({ status: 200, body: { op: operation.id, state: 'approved' } });
      const after = await stored(operation.id);
      expect(await raw.post('decide', approval)).toEqual(first);
      expect(await raw.call('decide', raw.approval(answer))).toEqual(first);
      expect(await raw.call('decide', raw.denial(answer))).toMatchObject({ status: 409, code: 'operation_decided' });
      expect(await stored(operation.id)).toEqual(after);
    });

    test('TH-12 another device of the person may not repeat what the first one decided', async () => {
      const { user, raw, operation } = await asked();
      const second = await enrollRaw(server, user);
      const answer = await second.answerTo(operation.id);
      await raw.approve(operation.id);
      expect(await second.call('decide', second.approval(answer))).toMatchObject({
        status: 409,
        code: 'operation_decided',
      });
    });

    test('S-01 the auth_req_id opens nothing here: neither as a bearer token nor as the name of the operation', async () => {
      const { user, raw } = await asked();
      const handle = newHandle(partitionOf(user.id));
      const { operation } = await server.ask(user, { handle });
      const headers = { authorization: `Bearer ${handle}`, 'content-type': 'application/jose' };
      const body = JSON.stringify({ op: operation.id, auth_req_id: handle, decision: 'approve' });
      for (const act of [
        'decide',
        'present',
        'inbox',
        'status',
        'session',
        'methods',
        'rotate',
        'tickets',
        'unenroll',
      ]) {
        const url = `${server.base}/device/v1/${act}`;
        for (const text of [body, handle]) {
          const { status } = await fetch(url, { method: 'POST', headers, body: text });
          expect([act, status]).toEqual([act, 400]);
        }
      }
      expect(await raw.call('present', { claims: { op: handle } })).toMatchObject({
        code: expect.stringMatching(/^(operation_not_found|message_invalid)$/),
      });
      expect(await stored(operation.id)).toEqual(operation);
    });

    test('an id of a message belongs to that message', async () => {
      const { user, raw, operation } = await asked();
      const used = jti();
      const withId = (making: ReturnType<RawDevice['denial']>) => ({
        ...making,
        claims: { ...making.claims, jti: used },
      });
      expect(await raw.call('decide', withId(raw.denial(await raw.answerTo(operation.id))))).toMatchObject({
        status: 200,
      });
      const next = (await server.ask(user)).operation;
      const reused = await raw.call('decide', withId(raw.approval(await raw.answerTo(next.id))));
      expect(reused).toMatchObject({ status: 409, code: 'message_reused' });
      expect(await stored(next.id)).toEqual(next);
    });

    test('no proof can be added, dropped or exchanged under a signature', async () => {
      const { raw, operation } = await asked();
      const message = raw.make('decide', raw.approval(await raw.answerTo(operation.id)));
      const foreign = proofBy(newEcKey(), raw.pinKid, 'x');
      for (const proofs of [[], [foreign], [...message.proofs, foreign]]) {
        const refused = await raw.post('decide', { ...message, proofs });
        expect(refused).toMatchObject({ status: 400, code: 'message_invalid' });
      }
      expect(await stored(operation.id)).toEqual(operation);
      expect(await raw.post('decide', message)).toMatchObject({ status: 200 });
    });

    test('a message for one call, server or device is none for another', async () => {
      const { raw, operation } = await asked();
      const claims = (await raw.answerTo(operation.id)) as object;
      const refusals = [
        { act: 'present' },
        { aud: 'https://other.example' },
        { iss: operation.userId },
        { jti: 'short' },
        { iat: 'now' },
      ];
      for (const wrong of refusals) {
        const refused = await raw.call('decide', { ...raw.denial({ ...claims, ...wrong }) });
        expect(refused).toMatchObject({ status: 400, code: 'message_invalid' });
      }
      expect(await raw.call('decide', { ...raw.denial(claims), header: { typ: 'JWT' } })).toMatchObject({
        status: 400,
      });
      expect(await stored(operation.id)).toEqual(operation);
    });
  });

  describe('promise 6: tries', () => {
    const server = deviceServerForEach(options);
    const failuresOf = async (raw: RawDevice) => (await server.scene.devices.get(raw.id)).failures;
    const wrong = newEcKey();

    test('a wrong PIN counts, is told with the tries that are left, and a right one clears the count', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const { operation } = await server.ask(user);
      expect(await raw.approve(operation.id, wrong)).toMatchObject({
        status: 403,
        code: 'attempt_failed',
        body: { problem: { attempts_left: 2 } },
      });
      expect(await failuresOf(raw)).toEqual({ pin: 1, number: 0, pinLifetime: 1 });
      expect(await raw.approve(operation.id)).toMatchObject({ status: 200 });
      expect(await failuresOf(raw)).toEqual({ pin: 0, number: 0, pinLifetime: 1 });
    });

    test('the same wrong message counts once, however often it is sent', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const { operation } = await server.ask(user);
      const message = raw.make('decide', raw.approval(await raw.answerTo(operation.id), wrong));
      const answers = await Promise.all(Array.from({ length: 8 }, () => raw.post('decide', message)));
      for (const answer of [...answers, await raw.post('decide', message)]) {
        expect(answer).toMatchObject({ code: 'attempt_failed', body: { problem: { attempts_left: 2 } } });
      }
      expect(await failuresOf(raw)).toMatchObject({ pin: 1 });
    });

    test('the third wrong PIN in a row locks the device, erases its PIN key and fails the operation, over any number of operations and processes', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const another = await server.another();
      const first = (await server.ask(user)).operation;
      expect(await raw.approve(first.id, wrong)).toMatchObject({ body: { problem: { attempts_left: 2 } } });
      await raw.deny(first.id);
      const second = (await server.ask(user)).operation;
      const answer = await raw.answerTo(second.id);
      const viaAnother = { base: another.base };
      expect(await raw.call('decide', raw.approval(answer, wrong), viaAnother)).toMatchObject({
        body: { problem: { attempts_left: 1, lock_imminent: true } },
      });
      const events = async () => (await server.scene.store.events.ofUser(user.id, 30)).map(({ type }) => type);
      expect((await events()).filter((type) => type.startsWith('device.lock'))).toEqual(['device.lock.imminent']);
      const last = raw.make('decide', raw.approval(answer, wrong));
      expect(await raw.post('decide', last)).toMatchObject({ status: 403, body: { problem: { attempts_left: 0 } } });
      another.server.closeAllConnections();
      another.server.close();

      const device = await server.scene.devices.get(raw.id);
      expect(device).toMatchObject({ state: 'locked', lockReason: 'attempts' });
      expect(device.keys).not.toHaveProperty('pin');
      expect(await server.scene.operations.get(second.id)).toMatchObject({ state: 'failed', endReason: 'attempts' });
      expect((await events()).filter((type) => type.startsWith('device.lock'))).toEqual([
        'device.locked',
        'device.lock.imminent',
      ]);

      // the very message that locked it still gets its own answer; any other learns the lock, coarsely
      expect(await raw.post('decide', last)).toMatchObject({
        code: 'attempt_failed',
        body: { problem: { attempts_left: 0 } },
      });
      expect(await raw.call('inbox')).toMatchObject({
        status: 403,
        code: 'device_locked',
        body: { problem: { reason: 'attempts' } },
      });
      expect(await raw.call('status')).toMatchObject({
        status: 200,
        body: { device: { state: 'locked', reason: 'attempts' } },
      });
      await server.scene.devices.unlock(raw.id, management);
      expect(await failuresOf(raw)).toMatchObject({ pin: 0, number: 0 });
    });

    test('SCA-03 wrong PIN, wrong number and both are one answer', async () => {
      const user = await server.alice();
      const answers = [];
      for (const [pinIsRight, numberIsRight] of [
        [false, true],
        [true, false],
        [false, false],
      ]) {
        const raw = await enrollRaw(server, user);
        const { operation, matchCode } = await server.ask(user, { match: 'type6', deviceId: raw.id });
        const match = numberIsRight ? matchCode : otherThan(matchCode!);
        const approval = raw.approval({ ...(await raw.answerTo(operation.id)), match }, pinIsRight ? raw.pin : wrong);
        const { status, body } = await raw.call('decide', approval);
        answers.push({ status, problem: { ...body.problem, trace_id: '' } });
        expect(await failuresOf(raw)).toMatchObject({ pin: 1, number: 1 });
      }
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    });

    test('a number that is chosen has one try; a right one after it comes too late', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const { operation, matchCode } = await server.ask(user, { match: 'choose' });
      const answer = await raw.answerTo(operation.id);
      expect(await raw.call('decide', raw.approval({ ...answer, match: otherThan(matchCode!) }))).toMatchObject({
        code: 'attempt_failed',
        body: { problem: { attempts_left: 0 } },
      });
      expect(await raw.call('decide', raw.approval({ ...answer, match: matchCode }))).toMatchObject({
        status: 409,
        code: 'operation_failed',
      });
    });

    test('a hundred guesses at once get no more tries than a row of them', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const { operation } = await server.ask(user);
      const answer = await raw.answerTo(operation.id);
      const guesses = Array.from({ length: 100 }, () => raw.make('decide', raw.approval(answer, newEcKey())));
      const answers = await Promise.all(guesses.map((guess) => raw.post('decide', guess)));
      expect(answers.every(({ status }) => status === 403 || status === 409)).toBe(true);
      expect(await failuresOf(raw)).toMatchObject({ pin: 3, pinLifetime: 3 });
      expect(await server.scene.devices.get(raw.id)).toMatchObject({ state: 'locked' });
      expect(await server.scene.operations.get(operation.id)).toMatchObject({ state: 'failed' });
    });

    test('a try that was reserved before a crash is verified again and counted once', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const { operation } = await server.ask(user);
      const message = raw.make('decide', raw.approval(await raw.answerTo(operation.id)));
      const { failAttempt, decide } = server.scene.store.operations;
      const crash = async () => {
        throw new Error('the process died here');
      };
      Object.assign(server.scene.store.operations, { failAttempt: crash, decide: crash });
      expect(await raw.post('decide', message)).toMatchObject({ status: 500, type: 'application/jose' });
      expect(await failuresOf(raw)).toMatchObject({ pin: 1 });
      Object.assign(server.scene.store.operations, { failAttempt, decide });
      expect(await raw.post('decide', message)).toMatchObject({ status: 200, body: { state: 'approved' } });
      expect(await failuresOf(raw)).toMatchObject({ pin: 0, pinLifetime: 0 });
    });

    /** Two requests for a device that has one try left; their right answers, made beforehand. */
    async function withOneTry(username = 'alice') {
      const user = await newUser(server.scene, { username });
      const raw = await enrollRaw(server, user);
      for (const clientId of ['demo-tv', 'demo-agent']) {
        const { operation } = await server.ask(user, { clientId });
        expect(await raw.approve(operation.id, newEcKey())).toMatchObject({ code: 'attempt_failed' });
      }
      const operations = [];
      for (const clientId of ['one', 'two']) operations.push((await server.ask(user, { clientId })).operation);
      const [one, two] = operations as [Operation, Operation];
      const rightFor = async ({ id }: Operation) => raw.make('decide', raw.approval(await raw.answerTo(id)));
      return { user, raw, one, two, first: await rightFor(one), second: await rightFor(two) };
    }

    /** The next call of this name waits; `reached` when it has come so far, and goes on when the test lets it. */
    function held<T extends object>(port: T, name: keyof T & string) {
      const call = port[name] as (argument: unknown) => Promise<unknown>;
      let go = () => {};
      const released = new Promise<void>((resolve) => (go = resolve));
      const reached = new Promise<void>((resolve) => {
        const waiting = async (argument: unknown) => {
          Object.assign(port, { [name]: call });
          resolve();
          await released;
          return call(argument);
        };
        Object.assign(port, { [name]: waiting });
      });
      return { reached, go: () => go() };
    }

    test('a right PIN beside a right one that is being checked locks nothing, voids nothing, and counts when it comes again', async () => {
      const { raw, one, two, first, second } = await withOneTry();
      const { operations } = server.scene.store;
      const checking = held(operations, 'decide');
      const answer = raw.post('decide', first);
      await checking.reached;
      const before = [await server.scene.devices.get(raw.id), await operations.get(two.id)];
      expect(await raw.post('decide', second)).toMatchObject({
        status: 409,
        code: 'attempt_underway',
        body: { problem: { retry_after: 1 } },
      });
      expect([await server.scene.devices.get(raw.id), await operations.get(two.id)]).toEqual(before);
      checking.go();
      expect(await answer).toMatchObject({ status: 200, body: { op: one.id, state: 'approved' } });
      expect(await raw.post('decide', second)).toMatchObject({ status: 200, body: { op: two.id, state: 'approved' } });
      expect(await failuresOf(raw)).toMatchObject({ pin: 0, pinLifetime: 2 });
    });

    test('a wrong PIN beside a right one that is being checked waits with its consequences until that one has its outcome', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const asking = async (clientId: string) => (await server.ask(user, { clientId })).operation;
      expect(await raw.approve((await asking('demo-tv')).id, newEcKey())).toMatchObject({ code: 'attempt_failed' });
      const [one, two] = [await asking('one'), await asking('two')];
      const right = raw.make('decide', raw.approval(await raw.answerTo(one.id)));
      const wrongOne = raw.make('decide', raw.approval(await raw.answerTo(two.id), newEcKey()));
      const checking = held(server.scene.store.operations, 'decide');
      const answer = raw.post('decide', right);
      await checking.reached;
      expect(await raw.post('decide', wrongOne)).toMatchObject({ status: 403, code: 'attempt_failed' });
      expect(await server.scene.devices.get(raw.id)).toMatchObject({ state: 'active', failures: { pin: 3 } });
      checking.go();
      expect(await answer).toMatchObject({ status: 200, body: { state: 'approved' } });
      expect(await server.scene.devices.get(raw.id)).toMatchObject({ state: 'active', failures: { pin: 0 } });
    });

    test('a change of the device that holds the last try is waited for as well', async () => {
      const { raw, first } = await withOneTry();
      const proofs = (hash: string) => [proofBy(raw.pin, raw.pinKid, hash)];
      const checking = held(server.scene.store.devices, 'save');
      const ticket = raw.call('tickets', { proofs });
      await checking.reached;
      expect(await raw.post('decide', first)).toMatchObject({ status: 409, code: 'attempt_underway' });
      expect(await raw.call('tickets', { proofs })).toMatchObject({ status: 409, code: 'attempt_underway' });
      checking.go();
      expect(await ticket).toMatchObject({ status: 200 });
      expect(await raw.post('decide', first)).toMatchObject({ status: 200 });
    });

    test('a process that died with the last try is not waited for longer than its lease: the device is locked unseen', async () => {
      const { raw, two, first, second } = await withOneTry();
      const { operations } = server.scene.store;
      const { decide } = operations;
      const died = async () => {
        throw new Error('the process died here');
      };
      Object.assign(operations, { decide: died });
      expect(await raw.post('decide', first)).toMatchObject({ status: 500 });
      Object.assign(operations, { decide });
      expect(await raw.post('decide', second)).toMatchObject({ status: 409, code: 'attempt_underway' });
      server.scene.clock.advance(10);
      expect(await raw.post('decide', second)).toMatchObject({
        status: 403,
        code: 'attempt_failed',
        body: { problem: { attempts_left: 0 } },
      });
      expect(await server.scene.devices.get(raw.id)).toMatchObject({ state: 'locked', lockReason: 'attempts' });
      expect(await operations.get(two.id)).toMatchObject({ state: 'failed' });
    });

    test('two right approvals at once of a device with one try left are two approvals, however they meet', async () => {
      for (let round = 0; round < 5; round++) {
        const { raw, first, second } = await withOneTry(`person${round}`);
        const answers = await Promise.all([raw.post('decide', first), raw.post('decide', second)]);
        for (const { status, code } of answers) if (status !== 200) expect(code).toBe('attempt_underway');
        for (const message of [first, second]) {
          expect(await raw.post('decide', message)).toMatchObject({ status: 200, body: { state: 'approved' } });
        }
        expect(await server.scene.devices.get(raw.id)).toMatchObject({ state: 'active', failures: { pin: 0 } });
      }
    });

    test('a decision takes three round trips to the store, a read of the inbox no more than two', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const { operation } = await server.ask(user, { postContext: { text: 'Ready at the counter' } });
      const answer = await raw.answerTo(operation.id);
      const calls = countCalls(server.scene.store);
      await raw.call('decide', raw.approval({ ...answer, ctr: 1 }));
      expect(calls()).toEqual(['operations.forDevice', 'operations.reserveAttempt', 'operations.decide']);
      await raw.call('inbox');
      expect(calls()).toEqual(['devices.withUser', 'operations.pendingOf']);
    });
  });

  describe('a box key that another process has made', () => {
    const server = deviceServerForEach(options);

    test('is read when the first message to it comes, and names that are made up cost one read a second', async () => {
      const { keys } = server.scene.store;
      const reads = { count: 0 };
      const store = {
        keys: Object.assign(Object.create(keys), {
          list() {
            reads.count += 1;
            return keys.list();
          },
        }),
      };
      const serverKeys = await createServerKeys({ ...server.scene, clock: server.scene.clock.now, store });
      const other = await server.another({}, { serverKeys });
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      server.scene.clock.advance(8 * 24 * 3600);
      // this one has it at once, and tells its devices
      await server.scene.serverKeys.maintain();
      const { kid } = server.scene.serverKeys.current('box');
      expect(serverKeys.byKid('box', kid)).toBeUndefined();

      reads.count = 0;
      const both = await Promise.all([1, 2].map(() => raw.call('inbox', {}, { base: other.base })));
      expect(both.map(({ status }) => status)).toEqual([200, 200]);
      expect(reads.count).toBe(1);

      const invented = (i: number) => ({
        base: other.base,
        box: { ...publicJwkOf(newEcKey()), kid: `invented-${i}` },
      });
      const refused = () => Promise.all(Array.from({ length: 30 }, (_, i) => raw.call('inbox', {}, invented(i))));
      for (const answer of [...(await refused()), ...(await refused())])
        expect(answer).toMatchObject({ status: 400, code: 'unknown_key' });
      expect(reads.count).toBe(1);
      server.scene.clock.advance(1);
      await refused();
      expect(reads.count).toBe(2);
      other.server.closeAllConnections();
      other.server.close();
    });
  });

  describe('promise 2: one decision', () => {
    const server = deviceServerForEach(options);

    test('of a hundred contradicting decisions of two devices one wins, and its repeats get its result', async () => {
      const user = await server.alice();
      const devices = [await enrollRaw(server, user), await enrollRaw(server, user)];
      const { operation } = await server.ask(user, { possessionOnly: true });
      const answers = await Promise.all(devices.map((device) => device.answerTo(operation.id)));
      const makings = Array.from({ length: 100 }, (_, i) => {
        const device = devices[i % 2]!;
        const answer = answers[i % 2]!;
        const approved = i % 4 < 2;
        const claims = { ...answer, decision: approved ? 'approve' : 'deny', method: 'device' };
        return { device, approved, message: device.make('decide', { claims }) };
      });
      const results = await Promise.all(makings.map(({ device, message }) => device.post('decide', message)));
      const { decision } = (await server.scene.operations.get(operation.id)) as {
        decision: { approved: boolean; deviceId: string };
      };
      results.forEach(({ status, code }, i) => {
        const { device, approved } = makings[i]!;
        const isWinner = device.id === decision.deviceId && approved === decision.approved;
        expect([status, code]).toEqual(isWinner ? [200, undefined] : [409, 'operation_decided']);
      });
      const decided = (await server.scene.store.events.ofOperation(operation.id)).filter(({ type }) =>
        ['operation.approved', 'operation.denied'].includes(type),
      );
      expect(decided).toHaveLength(1);
    });
  });

  describe('promise 5: states are looked at when a decision is taken', () => {
    const switchedOff = new Set<string>();
    const server = deviceServerForEach(async () => ({
      ...(await options()),
      isClientActive: async (clientId) => !switchedOff.has(clientId),
    }));
    beforeEach(() => switchedOff.clear());

    test('F034 F035 a locked device is refused while another one of the person works; unlocked, it works again', async () => {
      const user = await server.alice();
      const [raw, other] = [await enrollRaw(server, user), await enrollRaw(server, user)];
      const { operation } = await server.ask(user);
      const answer = await raw.answerTo(operation.id);
      await raw.call('decide', raw.approval(answer, newEcKey()));
      await server.scene.devices.lock(raw.id, management);
      for (const [act, making] of [
        ['decide', raw.approval(answer)],
        ['inbox', {}],
        ['session', {}],
      ] as const) {
        expect(await raw.call(act, making)).toMatchObject({
          status: 403,
          code: 'device_locked',
          body: { problem: { reason: 'locked' } },
        });
      }
      const second = await server.ask(user, { clientId: 'demo-tv' });
      expect(await other.approve(second.operation.id)).toMatchObject({ status: 200 });
      await server.scene.devices.unlock(raw.id, management);
      expect(await server.scene.devices.get(raw.id)).toMatchObject({
        state: 'active',
        failures: { pin: 0, number: 0 },
      });
      expect(await raw.call('decide', raw.approval(answer))).toMatchObject({ status: 200 });
    });

    test('F033 TH-13 a deactivated device is refused by every process at once, and cannot be unlocked', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const another = await server.another();
      const { operation } = await server.ask(user, { deviceId: raw.id });
      const answer = await raw.answerTo(operation.id);
      await server.scene.devices.deactivate(raw.id, management);
      for (const to of [{}, { base: another.base }]) {
        expect(await raw.call('decide', raw.approval(answer), to)).toMatchObject({
          status: 403,
          code: 'device_deactivated',
        });
      }
      another.server.closeAllConnections();
      another.server.close();
      await expect(server.scene.devices.unlock(raw.id, management)).rejects.toMatchObject({ code: 'state_conflict' });
      expect(await server.scene.operations.get(operation.id)).toMatchObject({ state: 'cancelled' });
    });

    test('a locked or deactivated person cannot decide; nothing is counted', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const { operation } = await server.ask(user);
      const answer = await raw.answerTo(operation.id);
      await server.scene.users.lock(user.id, management);
      expect(await raw.call('decide', raw.approval(answer))).toMatchObject({ status: 403, code: 'device_locked' });
      await server.scene.users.unlock(user.id, management);
      expect(await server.scene.store.operations.get(operation.id)).toEqual(operation);
      await server.scene.users.deactivate(user.id, management);
      expect(await raw.call('decide', raw.approval(answer))).toMatchObject({ status: 403, code: 'device_deactivated' });
    });

    test('a client that was switched off asks nobody any more: no inbox, no challenge, no approval, and no try is spent', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const { operation } = await server.ask(user);
      const other = (await server.ask(user, { clientId: 'demo-tv' })).operation;
      const answer = await raw.answerTo(operation.id);
      const inbox = async () => (await raw.call('inbox')).body.operations.map(({ op }: { op: string }) => op);
      const stateOf = async () =>
        (await raw.call('status', { claims: { op: operation.id } })).body.operation.state as string;
      const stored = () => server.scene.store.operations.get(operation.id);

      switchedOff.add(operation.clientId);
      expect(await inbox()).toEqual([other.id]);
      expect(await stateOf()).toBe('cancelled');
      const cancelled = { status: 409, code: 'operation_cancelled' };
      expect(await raw.call('present', { claims: { op: operation.id } })).toMatchObject(cancelled);
      expect(await raw.call('decide', raw.approval(answer))).toMatchObject(cancelled);
      expect(await raw.call('decide', raw.approval(answer, newEcKey()))).toMatchObject(cancelled);
      expect(await stored()).toEqual(operation);
      expect(await server.scene.store.operations.evidence(operation.id)).toBeUndefined();
      expect(await server.scene.devices.get(raw.id)).toMatchObject({ state: 'active', failures: { pin: 0 } });
      expect(await raw.approve(other.id)).toMatchObject({ status: 200 });

      switchedOff.clear();
      expect([await inbox(), await stateOf()]).toEqual([[operation.id], 'pending']);
      expect(await raw.call('decide', raw.approval(answer))).toMatchObject({ status: 200 });
    });

    test('what the person said of a client that was switched off stands: a denial counts, an approval from before is told again', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const [open, approved] = [await server.ask(user), await server.ask(user, { clientId: 'demo-tv' })];
      const [toDeny, toApprove] = [await raw.answerTo(open.operation.id), await raw.answerTo(approved.operation.id)];
      await raw.call('decide', raw.approval(toApprove));
      switchedOff.add('demo-tv').add(open.operation.clientId);
      expect(await raw.call('decide', raw.denial(toDeny))).toMatchObject({ status: 200, body: { state: 'denied' } });
      expect(await server.scene.store.operations.get(open.operation.id)).toMatchObject({ state: 'denied' });
      expect(await raw.call('decide', raw.approval(toApprove))).toMatchObject({ body: { state: 'approved' } });
    });

    test('who has proved no key learns nothing of any state', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const stranger = newEcKey();
      const asRaw = await raw.call('inbox', { key: stranger });
      await server.scene.devices.lock(raw.id, management);
      const asLocked = await raw.call('inbox', { key: stranger });
      await server.scene.devices.deactivate(raw.id, management);
      const asGone = await raw.call('inbox', { key: stranger });
      const unknown = await raw.call('inbox', { key: stranger, header: { kid: `${raw.id.slice(0, -1)}_` } });
      const shapes = [asRaw, asLocked, asGone, unknown].map(({ status, body }) =>
        JSON.stringify({ status, ...body, problem: { ...body.problem, trace_id: '' } }),
      );
      expect(new Set(shapes).size).toBe(1);
      expect(asRaw).toMatchObject({ status: 401, code: 'device_refused' });
    });
  });

  describe('enrollment under attack', () => {
    const server = deviceServerForEach(options);

    test('a stolen ticket that was redeemed belongs to the first key; the second is refused and reported', async () => {
      const user = await server.alice();
      const { uri, operationId } = await server.ticket(user);
      const [owner, thief] = [newEcKey(), newEcKey()];
      const first = await redeem(server, uri, owner);
      expect(await redeem(server, uri, thief)).toMatchObject({ status: 409, code: 'ticket_bound' });
      const again = await redeem(server, uri, owner);
      expect(again.body).toMatchObject({ device_id: first.body.device_id, nonce: first.body.nonce });
      const events = await server.scene.store.events.ofOperation(operationId);
      expect(events.map(({ type }) => type)).toContain('device.key_refused');
    });

    test('a ticket is good once, for its time, and for nobody without it', async () => {
      const user = await server.alice();
      const { uri } = await server.ticket(user);
      await enrollRaw(server, user);
      server.scene.clock.advance(301);
      expect(await redeem(server, uri, newEcKey())).toMatchObject({ status: 400, code: 'ticket_invalid' });
      const made = `${server.base}/#t=${user.id.slice(0, 2)}${'A'.repeat(43)}&k=x`;
      expect(await redeem(server, made, newEcKey())).toMatchObject({ status: 400, code: 'ticket_invalid' });
      const used = await server.ticket(user);
      const key = newEcKey();
      const raw = await enrollRaw(Object.assign(Object.create(server), { ticket: async () => used }), user, {
        sig: key,
      });
      expect(await server.scene.devices.get(raw.id)).toMatchObject({ state: 'active' });
      expect(await redeem(server, used.uri, key)).toMatchObject({ status: 400, code: 'ticket_invalid' });
    });

    test('an activation code: unknown person, no ticket and wrong code look alike, and five wrong ones end the ticket', async () => {
      const user = await server.alice();
      await newUser(server.scene, { username: 'bob' });
      const { activationCode } = await server.ticket(user);
      const shape = async (name: string, code: string) => {
        const { status, body } = await redeemWith(server, { user: name, activation_code: code }, newEcKey());
        return JSON.stringify({ status, problem: { ...body.problem, trace_id: '' } });
      };
      const other = (await server.ticket(await newUser(server.scene, { username: 'carol' }))).activationCode;
      const shapes = [
        await shape('nobody', activationCode),
        await shape('bob', activationCode),
        await shape('alice', other),
      ];
      expect(new Set(shapes).size).toBe(1);
      for (let wrong = 0; wrong < 4; wrong++) await shape('alice', other);
      expect(await shape('alice', activationCode)).toBe(shapes[0]);
    });

    test('a key that another device has, or that has two uses, is refused and told of', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user);
      const sameSig = await enrollRaw(server, user, { sig: raw.sig, pending: true });
      expect(sameSig.enrolled).toMatchObject({ status: 409, code: 'key_reused' });
      const sameEnc = await enrollRaw(server, user, { enc: raw.enc, pending: true });
      expect(sameEnc.enrolled).toMatchObject({ status: 409, code: 'key_reused' });
      const sig = newEcKey();
      expect((await enrollRaw(server, user, { sig, enc: sig, pending: true })).enrolled).toMatchObject({
        code: 'key_reused',
      });
      const refused = (await server.scene.store.events.ofUser(user.id, 40)).filter(
        ({ type }) => type === 'device.key_refused',
      );
      expect(refused).toHaveLength(2);
      expect(await raw.call('inbox')).toMatchObject({ status: 200 });
    });

    test('a PIN key must be proved by itself, over this very message', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user, { pending: true });
      const keys = { enc: publicJwkOf(newEcKey()), pin: { kid: 'pin-2' } };
      const claims = { nonce: raw.redeemed.body.nonce, keys, device: {} };
      const [key, other] = [newEcKey(), newEcKey()];
      const proofs = {
        'of another key': (hash: string) => [proofBy(other, 'pin-2', hash, { jwk: publicJwkOf(key) })],
        'over something else': () => [proofBy(key, 'pin-2', 'AAAA', { jwk: publicJwkOf(key) })],
        'of another name': (hash: string) => [proofBy(key, 'pin-3', hash, { jwk: publicJwkOf(key) })],
        'without its key': (hash: string) => [proofBy(key, 'pin-2', hash)],
        none: () => [],
      };
      for (const made of Object.values(proofs)) {
        expect(await raw.call('enroll', { claims, proofs: made })).toMatchObject({
          status: 400,
          code: 'message_invalid',
        });
      }
      expect(
        await raw.call('enroll', {
          claims: { ...claims, nonce: 'another' },
          proofs: (hash) => [proofBy(key, 'pin-2', hash, { jwk: publicJwkOf(key) })],
        }),
      ).toMatchObject({ status: 400 });
    });

    test('only who can read what was sent to `enc` becomes active', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user, { pending: true });
      const guess = await raw.call('status', { claims: { confirm: 'A'.repeat(43) } });
      expect(guess).toMatchObject({ status: 400, code: 'confirm_invalid' });
      expect(await server.scene.devices.get(raw.id)).toMatchObject({ state: 'pending' });
      expect((await raw.call('status')).body).toMatchObject({
        device: { state: 'pending' },
        confirm: expect.any(String),
      });
      expect(await raw.activate()).toMatchObject({ status: 200, body: { device: { state: 'active' } } });
    });

    test('TH-13 promise 5: what a device that is taken away, or locked, has begun brings in no other', async () => {
      const ends = {
        deactivate: (id: string) => server.scene.devices.deactivate(id, management),
        lock: (id: string) => server.scene.devices.lock(id, management),
      };
      for (const [how, end] of Object.entries(ends)) {
        const user = await newUser(server.scene, { username: how });
        const thief = await enrollRaw(server, user);
        const proofs = (hash: string) => [proofBy(thief.pin, thief.pinKid, hash)];
        const [begun, kept] = [await thief.call('tickets', { proofs }), await thief.call('tickets', { proofs })];
        const half = await enrollRaw(server, user, { pending: true, uri: begun.body.ticket_uri });
        expect(half.enrolled).toMatchObject({ status: 200 });
        await end(thief.id);
        expect(await half.activate()).toMatchObject({ status: 400, code: 'ticket_invalid' });
        expect(await redeem(server, kept.body.ticket_uri, newEcKey())).toMatchObject({ code: 'ticket_invalid' });
        expect(await server.scene.devices.get(half.id)).toMatchObject({ state: 'pending' });
        const events = await server.scene.store.events.ofOperation(kept.body.operation_id);
        expect(events.at(-1)).toMatchObject({
          type: 'operation.cancelled',
          actor: management.actor,
          deviceId: thief.id,
        });
      }
    });

    test('TH-13 tickets of a device end when its PIN was guessed at too often', async () => {
      const user = await server.alice();
      const thief = await enrollRaw(server, user);
      const proofs = (key: KeyObject) => (hash: string) => [proofBy(key, thief.pinKid, hash)];
      const { body } = await thief.call('tickets', { proofs: proofs(thief.pin) });
      for (let i = 0; i < 3; i++) await thief.call('tickets', { proofs: proofs(newEcKey()) });
      expect(await server.scene.devices.get(thief.id)).toMatchObject({ state: 'locked', lockReason: 'attempts' });
      expect(await redeem(server, body.ticket_uri, newEcKey())).toMatchObject({ code: 'ticket_invalid' });
      expect(await server.scene.operations.get(body.operation_id)).toMatchObject({ endReason: 'device_locked' });
    });

    test('an enrollment that outlives its ticket does not become a device', async () => {
      const user = await server.alice();
      const raw = await enrollRaw(server, user, { pending: true });
      server.scene.clock.advance(301);
      expect(await raw.activate()).toMatchObject({ status: 400, code: 'ticket_invalid' });
      expect(await server.scene.devices.get(raw.id)).toMatchObject({ state: 'pending' });
    });
  });

  describe('what a device changes about itself', () => {
    const server = deviceServerForEach(options);

    /** A PIN change by a key that stands for the old PIN, right or wrong. */
    function changeBy(raw: RawDevice, old = raw.pin) {
      const [key, kid] = [newEcKey(), jti()];
      const message = raw.make('methods', {
        claims: { action: 'change', method: 'pin', key: { kid } },
        proofs: (hash) => [proofBy(old, raw.pinKid, hash), proofBy(key, kid, hash, { jwk: publicJwkOf(key) })],
      });
      return { key, kid, message };
    }
    const ticketBy = (raw: RawDevice, key = raw.pin, kid = raw.pinKid) =>
      raw.make('tickets', { proofs: (hash) => [proofBy(key, kid, hash)] });

    test('a hundred guesses at once get no more tries than a row of them', async () => {
      const raw = await enrollRaw(server, await server.alice());
      const guesses = Array.from({ length: 100 }, () => changeBy(raw, newEcKey()).message);
      const answers = await Promise.all(guesses.map((guess) => raw.post('methods', guess)));
      const refusals = new Set(answers.map(({ status, code }) => `${status} ${code}`));
      // as long as the last ones are being checked, whoever comes is asked to come again
      for (const refusal of refusals)
        expect(refusal).toMatch(/^(403 (attempt_failed|device_locked)|409 attempt_underway)$/);
      const device = await server.scene.devices.get(raw.id);
      expect(device).toMatchObject({ state: 'locked', failures: { pin: 3, pinLifetime: 3 } });
      expect(device.keys.pin).toBeUndefined();
    });

    test('of ten changes at once by who knows the PIN one is made, and its PIN is the one that counts', async () => {
      const raw = await enrollRaw(server, await server.alice());
      const changes = Array.from({ length: 10 }, () => changeBy(raw));
      const answers = await Promise.all(changes.map(({ message }) => raw.post('methods', message)));
      const made = changes.filter((_, i) => answers[i]!.status === 200);
      expect(made).toHaveLength(1);
      expect(await raw.post('tickets', ticketBy(raw, made[0]!.key, made[0]!.kid))).toMatchObject({ status: 200 });
      expect(await raw.post('tickets', ticketBy(raw))).toMatchObject({ code: 'proof_required' });
    });

    test('a process that dies between the try and the change: the same message is looked at again, and counted once', async () => {
      const raw = await enrollRaw(server, await server.alice());
      const { devices } = server.scene.store;
      const { save, failProof } = devices;
      const crash = async () => {
        throw new Error('the process died here');
      };
      const acts = { tickets: ticketBy(raw), methods: changeBy(raw).message };
      for (const [act, message] of Object.entries(acts)) {
        Object.assign(devices, { save: crash, failProof: crash });
        expect(await raw.post(act, message)).toMatchObject({ status: 500 });
        expect(await server.scene.devices.get(raw.id)).toMatchObject({ failures: { pin: 1 } });
        Object.assign(devices, { save, failProof });
        expect(await raw.post(act, message)).toMatchObject({ status: 200 });
        expect(await server.scene.devices.get(raw.id)).toMatchObject({ failures: { pin: 0, pinLifetime: 0 } });
      }
    });

    test('a change takes three round trips to the store, a repetition one', async () => {
      const raw = await enrollRaw(server, await server.alice());
      const { message } = changeBy(raw);
      const calls = countCalls(server.scene.store);
      await raw.post('methods', message);
      expect(calls()).toEqual(['devices.withUser', 'devices.reserveProof', 'devices.save']);
      await raw.post('methods', message);
      expect(calls()).toEqual(['devices.withUser']);
    });
  });
}

const otherThan = (code: string) => String((Number(code) + 1) % 10 ** code.length).padStart(code.length, '0');

/** Names of the calls since the last look. */
function countCalls(store: object) {
  let names: string[] = [];
  for (const [port, calls] of Object.entries(store)) {
    if (!['operations', 'devices', 'users', 'events', 'counters', 'replay'].includes(port)) continue;
    for (const [name, call] of Object.entries(calls as Record<string, unknown>)) {
      if (typeof call !== 'function') continue;
      (calls as Record<string, unknown>)[name] = (...args: unknown[]) => {
        names.push(`${port}.${name}`);
        return call.apply(calls, args);
      };
    }
  }
  return () => {
    const seen = names;
    names = [];
    return seen;
  };
}
