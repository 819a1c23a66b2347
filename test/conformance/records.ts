import { randomBytes } from 'node:crypto';
import { DAY, HOUR, MINUTE, SECOND } from '../../src/support/clock.ts';
import { ALL_PARTITIONS, partitionOf } from '../../src/support/ids.ts';
import { aHash, anArtifact, anEvent, anOperation, aReceipt, aServerKey, aUser, T0 } from '../support/records.ts';
import { HUNDRED, type Suite, storeForEach, tally } from './harness.ts';
import { approved, asked, decideOf } from './scenes.ts';

export const recordStoreSuite: Suite = (name, open, { knownDifferences = {} } = {}) => {
  describe(`${name}: replay records`, () => {
    const at = storeForEach(open);
    const use = (overrides = {}) => ({
      scope: 'client_assertion:demo',
      id: 'jti',
      now: T0,
      until: T0 + MINUTE,
      ...overrides,
    });

    test('RL-03 TH-10 a jti is used once, by one of a thousand', async () => {
      const answers = await at.race(1000, (store) => store.replay.once(use()));
      expect(tally(answers)).toEqual({ true: 1, false: 999 });
    });

    test('scope and id together make the use', async () => {
      expect(await at.store.replay.once(use())).toBe(true);
      expect(await at.store.replay.once(use({ id: 'other' }))).toBe(true);
      expect(await at.store.replay.once(use({ scope: 'dpop' }))).toBe(true);
      expect(await at.store.replay.once(use({ now: T0 + MINUTE - 1 }))).toBe(false);
      // its time is over, whether a sweep has come by or not
      expect(await at.store.replay.once(use({ now: T0 + MINUTE, until: T0 + HOUR }))).toBe(true);
      expect(await at.store.replay.once(use({ now: T0 + MINUTE, until: T0 + HOUR }))).toBe(false);
    });

    test('where scope ends and id begins is not ambiguous', async () => {
      expect(await at.store.replay.once(use({ scope: 'a:', id: 'b' }))).toBe(true);
      expect(await at.store.replay.once(use({ scope: 'a', id: ':b' }))).toBe(true);
      expect(await at.store.replay.once(use({ scope: 'a\0', id: 'b' }))).toBe(true);
      expect(await at.store.replay.once(use({ scope: 'a', id: '\0b' }))).toBe(true);
    });
  });

  describe(`${name}: counters (promise 6)`, () => {
    const at = storeForEach(open);
    const reserve = (overrides = {}) => ({ key: 'codes:1.2.3.4', limit: 5, windowMs: HOUR, now: T0, ...overrides });

    test('of a hundred at once as many are let through as the limit says, and none is counted beyond', async () => {
      const answers = await at.race(HUNDRED, (store) => store.counters.reserve(reserve()));
      expect(
        answers
          .filter(({ allowed }) => allowed)
          .map(({ count }) => count)
          .sort(),
      ).toEqual([1, 2, 3, 4, 5]);
      for (const { allowed, count } of answers) if (!allowed) expect(count).toBe(5);
    });

    test('the window ends when it said, and not before', async () => {
      const { resetAt } = await at.store.counters.reserve(reserve({ limit: 1 }));
      expect(resetAt).toBeGreaterThan(T0);
      expect(resetAt).toBeLessThanOrEqual(T0 + HOUR);
      expect(await at.store.counters.reserve(reserve({ limit: 1, now: resetAt - 1 }))).toEqual({
        allowed: false,
        count: 1,
        resetAt,
      });
      expect(await at.store.counters.reserve(reserve({ limit: 1, now: resetAt }))).toMatchObject({
        allowed: true,
        count: 1,
      });
    });

    test('TH-14 after the clock was set back nobody is stopped for longer than the window', async () => {
      const back = T0 - 300 * SECOND;
      const few = (now: number) => at.store.counters.reserve(reserve({ limit: 2, now }));
      for (let i = 0; i < 3; i++) await few(T0);
      const refused = { allowed: false, count: 2, resetAt: back + HOUR };
      expect(await few(back)).toEqual(refused);
      expect(await few(back + HOUR - 1)).toEqual(refused);
      expect(await few(back + HOUR)).toMatchObject({ allowed: true, count: 1 });
    });

    test('TH-14 setting the clock back gives nobody a share anew', async () => {
      const shared = (of: string, now: number) =>
        at.store.counters.reserve(reserve({ share: { of, limit: 1 }, now })).then(({ allowed }) => allowed);
      for (const who of ['a', 'b', 'c:"]']) expect(await shared(who, T0)).toBe(true);
      const back = T0 - 300 * SECOND;
      for (const who of ['a', 'b', 'c:"]', 'a']) expect([who, await shared(who, back)]).toEqual([who, false]);
      expect([await shared('d', back), await shared('a', back + HOUR)]).toEqual([true, true]);
    });

    test('TH-06 who has used up a share takes nothing from the others, and all shares together have the limit', async () => {
      const of = (of: string, overrides = {}) => reserve({ share: { of, limit: 2 }, ...overrides });
      const taken = async (...reserves: ReturnType<typeof of>[]) =>
        (await Promise.all(reserves.map((each) => at.store.counters.reserve(each)))).map(({ allowed }) => allowed);
      const greedy = await at.race(HUNDRED, (store) => store.counters.reserve(of('a')));
      expect(greedy.filter(({ allowed }) => allowed)).toHaveLength(2);
      expect(Math.max(...greedy.map(({ count }) => count))).toBe(2);
      expect(await taken(of('b'), of('b'))).toEqual([true, true]);
      const last = await at.store.counters.reserve(of('c:"]'));
      expect(last).toMatchObject({ allowed: true, count: 5 });
      expect(await taken(of('d'), reserve())).toEqual([false, false]);
      const later = { now: last.resetAt };
      expect(await taken(of('a', later), of('a', later), of('a', later))).toEqual([true, true, false]);
    });

    test('each key counts for itself', async () => {
      await at.store.counters.reserve(reserve());
      expect(await at.store.counters.reserve(reserve({ key: 'codes:1.2.3.5' }))).toMatchObject({ count: 1 });
    });
  });

  describe(`${name}: idempotency keys`, () => {
    const at = storeForEach(open);
    const begin = (overrides = {}) => ({
      scope: 'management:users',
      key: 'key-1',
      requestHash: 'request-1',
      now: T0,
      leaseUntil: T0 + 10 * SECOND,
      until: T0 + HOUR,
      ...overrides,
    });
    const finish = (overrides = {}) => ({
      scope: 'management:users',
      key: 'key-1',
      requestHash: 'request-1',
      response: 'sealed.response',
      now: T0,
      until: T0 + HOUR,
      ...overrides,
    });

    test('of a hundred first calls at once, one goes on', async () => {
      const answers = await at.race(HUNDRED, (store) => store.idempotency.begin(begin()));
      expect(tally(answers)).toEqual({ fresh: 1, busy: HUNDRED - 1 });
    });

    test('a repeat gets the stored response until its end', async () => {
      await at.store.idempotency.begin(begin());
      await at.store.idempotency.finish(finish());
      const done = { result: 'done', response: 'sealed.response' };
      expect(await at.store.idempotency.begin(begin({ now: T0 + 1 }))).toEqual(done);
      expect(await at.store.idempotency.begin(begin({ now: T0 + HOUR - 1 }))).toEqual(done);
      expect(await at.store.idempotency.begin(begin({ now: T0 + HOUR, until: T0 + 2 * HOUR }))).toEqual({
        result: 'fresh',
      });
    });

    test('the key is refused to another request, while the first runs and after it', async () => {
      await at.store.idempotency.begin(begin());
      const other = begin({ requestHash: 'request-2' });
      expect(await at.store.idempotency.begin(other)).toEqual({ result: 'mismatch' });
      await at.store.idempotency.finish(finish());
      expect(await at.store.idempotency.begin(other)).toEqual({ result: 'mismatch' });
    });

    test('a call that died gives its key free when its lease runs out, for the same request', async () => {
      await at.store.idempotency.begin(begin());
      const late = { now: T0 + 10 * SECOND, leaseUntil: T0 + 20 * SECOND };
      expect(await at.store.idempotency.begin(begin({ now: T0 + 10 * SECOND - 1 }))).toEqual({ result: 'busy' });
      expect(await at.store.idempotency.begin(begin({ ...late, requestHash: 'request-2' }))).toEqual({
        result: 'mismatch',
      });
      expect(await at.store.idempotency.begin(begin(late))).toEqual({ result: 'fresh' });
      expect(await at.store.idempotency.begin(begin(late))).toEqual({ result: 'busy' });
    });

    test('TH-14 after the clock was set back a call that died keeps its key no longer than a lease', async () => {
      await at.store.idempotency.begin(begin());
      const back = (seconds: number) => {
        const now = T0 + (seconds - 300) * SECOND;
        return at.store.idempotency.begin(begin({ now, leaseUntil: now + 10 * SECOND, until: now + HOUR }));
      };
      expect(await back(0)).toEqual({ result: 'busy' });
      expect(await back(9)).toEqual({ result: 'busy' });
      expect(await back(10)).toEqual({ result: 'fresh' });
    });

    test('a refused call gives its key free at once; a finished one keeps its response', async () => {
      const key = { scope: 'management:users', key: 'key-1' };
      await at.store.idempotency.begin(begin());
      await at.store.idempotency.abandon(key);
      expect(await at.store.idempotency.begin(begin({ requestHash: 'request-2' }))).toEqual({ result: 'fresh' });
      await at.store.idempotency.finish(finish({ requestHash: 'request-2' }));
      await at.store.idempotency.abandon(key);
      expect(await at.store.idempotency.begin(begin({ requestHash: 'request-2' }))).toMatchObject({ result: 'done' });
    });

    test('scope and key together name the call', async () => {
      await at.store.idempotency.begin(begin({ scope: 'a:', key: 'b' }));
      expect(await at.store.idempotency.begin(begin({ scope: 'a', key: ':b' }))).toEqual({ result: 'fresh' });
    });
  });

  describe(`${name}: server keys`, () => {
    const at = storeForEach(open);
    const add = (key = aServerKey(), overrides = {}) => ({ key, now: T0 + 1, events: [], ...overrides });

    test('of a hundred servers that make the first key, one does', async () => {
      const answers = await at.race(HUNDRED, (store) => {
        const key = aServerKey();
        return store.keys.add(add(key, { events: [anEvent({ id: `00${key.kid}` }, 'key.created')] }));
      });
      expect(tally(answers)).toEqual({ added: 1, exists: HUNDRED - 1 });
      expect(await at.store.keys.list()).toHaveLength(1);
    });

    test('a key comes back as it was added; another use or algorithm has its own current key', async () => {
      const keys = [aServerKey(), aServerKey({ use: 'oidc' }), aServerKey({ use: 'oidc', alg: 'RS256' })];
      for (const key of keys) expect(await at.store.keys.add(add(key))).toEqual({ result: 'added' });
      const byKid = (a: { kid: string }, b: { kid: string }) => (a.kid < b.kid ? -1 : 1);
      expect((await at.store.keys.list()).sort(byKid)).toEqual(keys.sort(byKid));
    });

    test('a successor retires the current key in the same step, once', async () => {
      const old = aServerKey();
      await at.store.keys.add(add(old));
      const answers = await at.race(HUNDRED, (store) => store.keys.add(add(aServerKey(), { replaces: old.kid })));
      expect(tally(answers)).toEqual({ added: 1, exists: HUNDRED - 1 });
      const keys = await at.store.keys.list();
      expect(keys.find(({ kid }) => kid === old.kid)).toEqual({
        ...old,
        state: 'retired',
        retiredAt: T0 + 1,
        version: 2,
      });
      expect(keys.filter(({ state }) => state === 'current')).toHaveLength(1);
    });

    test('a key that waits stands beside the current one, takes over once, and retires it in the same step', async () => {
      const current = aServerKey({ use: 'oidc' });
      await at.store.keys.add(add(current));
      const waiting = await at.race(HUNDRED, (store) =>
        store.keys.add(add(aServerKey({ use: 'oidc', state: 'next', activatesAt: T0 + 5 }))),
      );
      expect(tally(waiting)).toEqual({ added: 1, exists: HUNDRED - 1 });
      const next = (await at.store.keys.list()).find(({ state }) => state === 'next')!;
      expect(next).toMatchObject({ activatesAt: T0 + 5, version: 1 });
      const promote = { kid: next.kid, replaces: current.kid, now: T0 + 6, events: [] };
      expect(await at.store.keys.promote({ ...promote, replaces: 'another' })).toBe(false);
      expect(await at.store.keys.promote({ ...promote, kid: current.kid })).toBe(false);
      const promoted = await at.race(HUNDRED, (store) => store.keys.promote(promote));
      expect(tally(promoted)).toEqual({ true: 1, false: HUNDRED - 1 });
      const keys = await at.store.keys.list();
      expect(keys.find(({ kid }) => kid === next.kid)).toMatchObject({
        state: 'current',
        activatedAt: T0 + 6,
        version: 2,
      });
      expect(keys.find(({ kid }) => kid === current.kid)).toMatchObject({ state: 'retired', retiredAt: T0 + 6 });
      expect(await at.store.keys.add(add(aServerKey({ use: 'oidc', state: 'next' })))).toEqual({ result: 'added' });
    });

    test('only a retired key is destroyed: its private half goes, its public half stays', async () => {
      const old = aServerKey();
      await at.store.keys.add(add(old));
      const destroy = { kid: old.kid, now: T0 + 2, events: [] };
      expect(await at.store.keys.destroy(destroy)).toBe(false);
      await at.store.keys.add(add(aServerKey(), { replaces: old.kid }));
      expect(await at.store.keys.destroy(destroy)).toBe(true);
      expect(await at.store.keys.destroy(destroy)).toBe(false);
      expect(await at.store.keys.destroy({ ...destroy, kid: 'unknown' })).toBe(false);
      const destroyed = (await at.store.keys.list()).find(({ kid }) => kid === old.kid)!;
      expect(destroyed).toMatchObject({ state: 'destroyed', publicJwk: old.publicJwk });
      expect(destroyed).not.toHaveProperty('sealed');
    });
  });

  describe(`${name}: the key ring`, () => {
    const at = storeForEach(open);
    const ringOf = (version: number, id: string = aHash()) => ({
      version,
      slots: [{ id, createdAt: T0, sealed: `sealed.${id}` }],
    });
    const save = (ring = ringOf(1)) => ({ ring, events: [anEvent({ id: `00${aHash()}` }, 'key.master_added')] });

    test('of a hundred servers on an empty store, one makes the ring, and all read the same', async () => {
      expect(await at.store.keyRing.read()).toBeUndefined();
      const answers = await at.race(HUNDRED, async (store) => {
        const given = save();
        return (await store.keyRing.save(given)) ? given.ring : undefined;
      });
      const made = answers.filter((ring) => ring !== undefined);
      expect(made).toHaveLength(1);
      expect(await at.store.keyRing.read()).toEqual(made[0]);
    });

    test('a ring takes the place of the version before its own, and of no other', async () => {
      await at.store.keyRing.save(save());
      const answers = await at.race(HUNDRED, (store) => store.keyRing.save(save(ringOf(2))));
      expect(tally(answers)).toEqual({ true: 1, false: HUNDRED - 1 });
      for (const version of [1, 2, 4]) expect(await at.store.keyRing.save(save(ringOf(version)))).toBe(false);
      const third = ringOf(3, 'third');
      expect(await at.store.keyRing.save(save(third))).toBe(true);
      expect(await at.store.keyRing.read()).toEqual(third);
    });
  });

  describe(`${name}: events`, () => {
    const at = storeForEach(open);

    test('of an operation oldest first, of a user newest first and no more than asked for', async () => {
      const user = aUser();
      const operation = anOperation(user);
      const about = { userId: user.id, operationId: operation.id };
      const events = [0, 1, 2].map((i) =>
        anEvent(user, 'operation.attempt_failed', { ...about, at: T0 + i, data: { i } }),
      );
      await at.store.events.write(partitionOf(user.id), events);
      const neighbour = { id: `${partitionOf(user.id)}${aHash().slice(0, 22)}` };
      await at.store.events.write(partitionOf(user.id), [anEvent(user, 'user.locked', { userId: neighbour.id })]);
      expect(await at.store.events.ofOperation(operation.id)).toEqual(events);
      expect(await at.store.events.ofUser(user.id, 2)).toEqual([events[2], events[1]]);
      expect(await at.store.events.ofUser(user.id, 10)).toHaveLength(3);
      expect(await at.store.events.ofOperation(anOperation(user).id)).toEqual([]);
    });

    test('an event is written once, however often it is given', async () => {
      const user = aUser();
      const event = anEvent(user, 'device.key_refused', { userId: user.id });
      for (let i = 0; i < 3; i++) await at.store.events.write(partitionOf(user.id), [event]);
      expect(await at.store.events.ofUser(user.id, 10)).toEqual([event]);
    });
  });

  describe(`${name}: artifacts`, () => {
    const at = storeForEach(open);

    test('artifacts come back as they were written, replaced ones as they were written last', async () => {
      const [one, two] = [anArtifact(), anArtifact({ model: 'Grant' })];
      await at.store.artifacts.write([one, two], T0);
      expect(await at.store.artifacts.read(one.model, one.id, T0)).toEqual(one);
      const replaced = { ...two, payload: 'sealed.other', expiresAt: T0 + HOUR };
      await at.store.artifacts.write([replaced], T0);
      expect(await at.store.artifacts.read(two.model, two.id, T0 + HOUR - 1)).toEqual(replaced);
      expect(await at.store.artifacts.read('RefreshToken', one.id, T0)).toBeUndefined();
      expect(await at.store.artifacts.read(one.model, anArtifact().id, T0)).toBeUndefined();
    });

    test('an artifact is missing from its end on, and cannot be consumed', async () => {
      const artifact = anArtifact();
      await at.store.artifacts.write([artifact], T0);
      expect(await at.store.artifacts.read(artifact.model, artifact.id, artifact.expiresAt - 1)).toEqual(artifact);
      expect(await at.store.artifacts.read(artifact.model, artifact.id, artifact.expiresAt)).toBeUndefined();
      expect(await at.store.artifacts.consume(artifact.model, artifact.id, artifact.expiresAt)).toBe(false);
    });

    test('RL-03 of a hundred refresh rotations, one consumes', async () => {
      const artifact = anArtifact({ model: 'RefreshToken' });
      await at.store.artifacts.write([artifact], T0);
      const answers = await at.race(HUNDRED, (store) => store.artifacts.consume(artifact.model, artifact.id, T0 + 1));
      expect(tally(answers)).toEqual({ true: 1, false: HUNDRED - 1 });
      const consumed = { ...artifact, consumedAt: T0 + 1 };
      expect(await at.store.artifacts.read(artifact.model, artifact.id, T0 + 2)).toEqual(consumed);
      expect(await at.store.artifacts.consume('AccessToken', artifact.id, T0)).toBe(false);
    });

    test('a write does not make a consumed artifact fresh again', async () => {
      const artifact = anArtifact({ model: 'RefreshToken' });
      await at.store.artifacts.write([artifact], T0);
      await at.store.artifacts.consume(artifact.model, artifact.id, T0 + 1);
      await at.store.artifacts.write([artifact], T0 + 2);
      expect(await at.store.artifacts.consume(artifact.model, artifact.id, T0 + 3)).toBe(false);
    });

    test('a destroyed artifact is gone', async () => {
      const grant = anArtifact({ model: 'Grant' });
      await at.store.artifacts.write([grant], T0);
      await at.store.artifacts.destroy(grant.model, grant.id);
      expect(await at.store.artifacts.read(grant.model, grant.id, T0)).toBeUndefined();
      await at.store.artifacts.destroy(grant.model, grant.id);
    });
  });

  describe(`${name}: collection of garbage`, () => {
    const at = storeForEach(open);
    const collect = async (now: number, limit = 1000) => {
      let total = 0;
      for (let isLeft = true; isLeft; ) {
        const { deleted, more } = await at.store.collectGarbage({ partitions: ALL_PARTITIONS, now, limit });
        expect(deleted).toBeLessThanOrEqual(limit);
        total += deleted;
        isLeft = more;
      }
      return total;
    };

    test('nothing goes before its end and an hour', async () => {
      const scene = await asked(at.store);
      const evidence = { sealed: 'sealed.evidence', retainUntil: T0 + HOUR };
      const receipt = aReceipt(scene.device, { until: T0 + HOUR });
      const decide = decideOf(scene, { evidence, receipt });
      await at.store.operations.decide(decide);
      const artifact = anArtifact({ expiresAt: T0 + HOUR });
      await at.store.artifacts.write([artifact], T0);
      await at.store.replay.once({ scope: 's', id: 'i', now: T0, until: T0 + HOUR });
      await collect(T0 + 2 * HOUR - 1);
      expect(await at.store.operations.evidence(scene.operation.id)).toBe('sealed.evidence');
      expect(await at.store.operations.decide({ ...decide, now: T0 })).toMatchObject({ result: 'repeated' });
      expect(await at.store.artifacts.read(artifact.model, artifact.id, T0)).toEqual(artifact);
      expect(await at.store.replay.once({ scope: 's', id: 'i', now: T0, until: T0 + HOUR })).toBe(false);
      await collect(scene.operation.retainUntil + HOUR - 1);
      expect(await at.store.operations.get(scene.operation.id)).toMatchObject({ state: 'approved' });
    });

    test('users, devices and keys stay', async () => {
      const scene = await approved(at.store);
      const key = aServerKey();
      await at.store.keys.add({
        key,
        now: T0,
        events: [anEvent({ id: '00' }, 'key.created', { userId: scene.user.id })],
      });
      await collect(T0 + 1e6 * HOUR);
      expect(await at.store.users.get(scene.user.id)).toEqual(scene.user);
      expect(await at.store.devices.get(scene.device.id)).toMatchObject({ state: 'active' });
      expect(await at.store.keys.list()).toEqual([key]);
    });

    test('audit events go when they are older than they are kept, oldest first, and not before', async () => {
      const user = aUser();
      const about = { userId: user.id };
      const events = [0, 1, 2].map((i) => anEvent(user, 'user.updated', { ...about, at: T0 + i * HOUR }));
      for (const event of events) await at.store.events.write(partitionOf(user.id), [event]);
      const keepMs = 400 * DAY;
      await collect(T0 + keepMs + HOUR - 1);
      expect(await at.store.events.ofUser(user.id, 9)).toHaveLength(3);
      expect(await collect(T0 + keepMs + 2 * HOUR, 1)).toBe(2);
      expect(await at.store.events.ofUser(user.id, 9)).toEqual([events[2]]);
      expect(await collect(T0 + keepMs + 2 * HOUR)).toBe(0);
    });

    if (!knownDifferences.garbageByExpiry) {
      test('everything with an end goes an hour after it, in batches', async () => {
        const scene = await asked(at.store);
        const evidence = { sealed: 'sealed.evidence', retainUntil: T0 + HOUR };
        await at.store.operations.decide(decideOf(scene, { evidence }));
        const artifact = anArtifact();
        await at.store.artifacts.write([artifact], T0);
        await at.store.replay.once({ scope: 's', id: 'i', now: T0, until: T0 + MINUTE });
        await at.store.counters.reserve({ key: 'k', limit: 1, windowMs: HOUR, now: T0 });
        const begin = { scope: 's', key: 'k', requestHash: 'h', now: T0, leaseUntil: T0 + 1, until: T0 + MINUTE };
        await at.store.idempotency.begin(begin);

        const late = scene.operation.retainUntil + HOUR;
        // Operation, ticket of the device, evidence, receipt, artifact, replay, counter, idempotency key.
        expect(await collect(late, 3)).toBe(8);
        expect(await at.store.operations.get(scene.operation.id)).toBeUndefined();
        expect(await at.store.operations.evidence(scene.operation.id)).toBeUndefined();
        expect(await at.store.artifacts.read(artifact.model, artifact.id, T0)).toBeUndefined();
        expect(await at.store.operations.poll({ ...pollAt(scene.operation), now: late })).toEqual({
          result: 'missing',
        });
        expect(await collect(late)).toBe(0);
      });
    }
  });

  describe(`${name}: TH-27 ids that others choose do no harm`, () => {
    const at = storeForEach(open);
    const hostile = [
      '{}',
      '{x}abc',
      '{x}zzz',
      ':',
      ':a:',
      '*',
      '[a-z]?',
      '\0',
      'a\0b',
      '\n',
      '"\\',
      '%s',
      "';--",
      'é😀',
    ];
    const ids = [...hostile, randomBytes(7500).toString('base64'), ''];

    test('TH-27 replay, counter, idempotency, artifact: each id is itself and nobody else', async () => {
      for (const id of ids) {
        expect(await at.store.replay.once({ scope: id, id, now: T0, until: T0 + 1 })).toBe(true);
        expect(await at.store.replay.once({ scope: id, id, now: T0, until: T0 + 1 })).toBe(false);
        const reserve = { key: id, limit: 9, windowMs: HOUR, now: T0 };
        expect(await at.store.counters.reserve(reserve)).toMatchObject({ count: 1 });
        const begin = { scope: id, key: id, requestHash: id, now: T0, leaseUntil: T0 + 9, until: T0 + 9 };
        expect(await at.store.idempotency.begin(begin)).toEqual({ result: 'fresh' });
        const artifact = anArtifact({ model: `M${id}`, id: `00${id}`, payload: id });
        await at.store.artifacts.write([artifact], T0);
        expect(await at.store.artifacts.read(artifact.model, artifact.id, T0)).toEqual(artifact);
      }
      for (const id of ids) {
        const artifact = { model: `M${id}`, id: `00${id}` };
        expect(await at.store.artifacts.read(artifact.model, artifact.id, T0)).toMatchObject({ payload: id });
        await at.store.artifacts.destroy(artifact.model, artifact.id);
      }
    });

    test('TH-27 user, device, operation, client, holder, identifier: a whole flow under each id', async () => {
      for (const id of ids) {
        const user = aUser({ id: `7f${id}`, identifiers: { username: id } });
        expect(await at.store.users.create(user, T0, [])).toEqual({ result: 'created' });
        expect(await at.store.users.findByIdentifier('username', id)).toEqual(user);
        const operation = anOperation(user, { id: `7fo${id}`, clientId: id });
        const start = { operation, cap: { perClient: 1, policy: 'refuse' as const, perUser: 1 }, now: T0 };
        expect(await at.store.operations.start({ ...start, events: [], outbox: [] })).toMatchObject({
          result: 'started',
        });
        expect(await at.store.operations.poll({ ...pollAt(operation), clientId: `${id}x` })).toEqual({
          result: 'missing',
        });
        expect(await at.store.operations.poll(pollAt(operation))).toEqual({ result: 'pending' });
        expect(await at.store.operations.pendingOf(user.id, T0)).toEqual([operation]);
        const ask = { operationId: operation.id, deviceId: `7fd${id}` };
        expect((await at.store.operations.forDevice(ask.operationId, ask.deviceId)).operation).toEqual(operation);
        expect(await at.store.devices.claimKey(id, ask.deviceId, T0)).toBe(true);
      }
    });

    test('TH-27 ids that name no partition find nothing and break nothing', async () => {
      for (const id of ['', 'z', 'zz', '{}', '\0', ':', '00', 'FF-not-lower-case']) {
        expect(await at.store.users.get(id)).toBeUndefined();
        expect(await at.store.devices.get(id)).toBeUndefined();
        expect(await at.store.devices.ofUser(id)).toEqual([]);
        expect(await at.store.operations.get(id)).toBeUndefined();
        expect(await at.store.operations.forDevice(id, id)).toEqual({});
        expect(await at.store.operations.evidence(id)).toBeUndefined();
        expect(await at.store.operations.poll({ ...pollAt(anOperation({ id })), operationId: id })).toEqual({
          result: 'missing',
        });
        expect(await at.store.events.ofOperation(id)).toEqual([]);
        expect(await at.store.outbox.complete(id, 1)).toBe(false);
      }
    });
  });

  const pollAt = (operation: { id: string; clientId: string }) => ({
    operationId: operation.id,
    clientId: operation.clientId,
    now: T0,
    holder: 'h',
    leaseMs: SECOND,
    pacing: { toleranceMs: SECOND, stepSeconds: 5, maxSeconds: 60 },
  });
};
