import { openOperationContext } from '../../src/domain/context.ts';
import { contextHash } from '../../src/domain/device-messages/context.ts';
import { isMatch } from '../../src/domain/match.ts';
import { createOperations } from '../../src/domain/operations.ts';
import { newHandle, operationIdOf } from '../../src/support/ids.ts';
import {
  anApplication,
  approved,
  asked,
  by,
  codeOf,
  enroll,
  newUser,
  openScene,
  sceneForEach,
  startOf,
  watched,
} from './scene.ts';

describe('starting an operation', () => {
  const scene = sceneForEach();

  test('what is shown is kept byte for byte, sealed, and nothing of it can be read in the store', async () => {
    const user = await newUser(scene);
    await enroll(scene, user);
    const shown = {
      client: { id: 'demo-helpdesk', name: 'Demo <b>help</b> desk' },
      purpose: 'authentication',
      bindingMessage: 'Zahlung ✅ "5,00"\\EUR e\u0301 支払い',
      context: { title: 'Title', text: 'line one\nline two' },
      transaction: { amount: '5.00', currency: 'EUR' },
      origin: { ip: '192.0.2.1', browser: 'Firefox' },
    };
    const { operation } = await scene.operations.start(startOf(user, { shown }));
    const stored = (await scene.store.operations.get(operation.id))!;
    const ctx = openOperationContext(scene.secrets, stored)!;
    expect(JSON.parse(ctx)).toMatchObject({
      op: operation.id,
      kind: 'authentication',
      client: shown.client,
      binding_message: shown.bindingMessage,
      context: shown.context,
      transaction: shown.transaction,
      origin: shown.origin,
    });
    expect(stored.context?.hash).toBe(contextHash(ctx));
    expect(JSON.stringify(stored)).not.toMatch(/Zahlung|line one|5\.00/);
  });

  test('the handle finds the operation and is stored nowhere', async () => {
    const { authReqId, operation } = await asked(scene);
    expect(operation.id).toBe(operationIdOf(authReqId));
    expect(JSON.stringify(await scene.store.operations.get(operation.id))).not.toContain(authReqId);
  });

  test('the answer is due one interval before the end, so that the last one can still be redeemed', async () => {
    const { operation } = await asked(scene, { lifetimeSeconds: 120, intervalSeconds: 5 });
    expect(operation.expiresAt - operation.createdAt).toBe(120_000);
    expect(operation.answerBy).toBe(operation.expiresAt - 5_000);
    const short = await asked(scene, { lifetimeSeconds: 10, intervalSeconds: 60 });
    expect(short.operation.answerBy - short.operation.createdAt).toBe(5_000);
    const unpolled = await asked(scene, { intervalSeconds: undefined });
    expect(unpolled.operation.answerBy).toBe(unpolled.operation.expiresAt);
    expect(unpolled.operation.poll).toBeUndefined();
  });

  test('tries follow from the number to match, else from the application of the devices', async () => {
    const strict = anApplication({ id: 'strict', pin: { length: 6, maxFailures: 2, lifetimeFailures: 100 } });
    const both = await openScene({ applications: [anApplication(), strict] });
    const user = await newUser(both);
    await enroll(both, user);
    const max = async (overrides: object) =>
      (await both.operations.start(startOf(user, overrides))).operation.tries.max;
    expect(await max({ match: 'none' })).toBe(3);
    expect(await max({ match: 'choose' })).toBe(1);
    expect(await max({ match: 'type2' })).toBe(1);
    expect(await max({ match: 'type6' })).toBe(3);
    await enroll(both, user, { applicationId: 'strict' });
    expect(await max({ match: 'none' })).toBe(2);
    expect(await max({ match: 'none', applicationId: 'assent-web' })).toBe(3);
    await both.close();
  });

  test('the number is given once and fits; the record does not hold it', async () => {
    const user = await newUser(scene);
    await enroll(scene, user);
    const { operation, matchCode } = await scene.operations.start(startOf(user, { match: 'type6' }));
    const stored = (await scene.store.operations.get(operation.id))!;
    expect(isMatch(scene.secrets, stored, matchCode!)).toBe(true);
    expect(JSON.stringify(stored.match)).not.toContain(matchCode);
    const chosen = await scene.operations.start(startOf(user, { match: 'choose' }));
    expect(scene.operations.matchCodeOf(chosen.operation)).toBe(chosen.matchCode);
    expect((await scene.operations.start(startOf(user))).matchCode).toBeUndefined();
  });

  test('F054 a method that is not activated is refused, and no operation hangs', async () => {
    const user = await newUser(scene);
    await enroll(scene, user, { methods: ['device'] });
    expect(await codeOf(scene.operations.start(startOf(user, { method: 'pin' })))).toBe('method_not_available');
    expect(await codeOf(scene.operations.start(startOf(user)))).toBe('no_usable_device');
    expect(await scene.store.operations.pendingOf(user.id, scene.clock.now())).toEqual([]);
    const { operation } = await scene.operations.start(startOf(user, { possessionOnly: true }));
    expect(operation.methods).toEqual(['device']);
  });

  test('a user without a device is not asked', async () => {
    const user = await newUser(scene);
    expect(await codeOf(scene.operations.start(startOf(user)))).toBe('no_usable_device');
    expect(await scene.store.operations.pendingOf(user.id, scene.clock.now())).toEqual([]);
  });

  test('locked and deactivated users are answered alike', async () => {
    const { user } = await asked(scene);
    await scene.users.lock(user.id, by);
    const locked = await scene.operations.start(startOf(user)).catch((error) => error);
    await scene.users.deactivate(user.id, by);
    const deactivated = await scene.operations.start(startOf(user)).catch((error) => error);
    expect(locked).toMatchObject({ code: 'user_unknown', message: deactivated.message, members: {} });
    expect(deactivated).toMatchObject({ code: 'user_unknown', members: {} });
  });

  test('a handle serves once', async () => {
    const { user } = await asked(scene);
    const handle = newHandle(user.id.slice(0, 2));
    await scene.operations.start(startOf(user, { handle }));
    expect(await codeOf(scene.operations.start(startOf(user, { handle })))).toBe('state_conflict');
  });

  test('devices are told through the outbox, which names nothing but the operation', async () => {
    const { operation, user } = await asked(scene);
    const [claimed] = await scene.store.outbox.claimDue({
      partitions: [operation.id.slice(0, 2)],
      now: scene.clock.now(),
      limit: 10,
      holder: 'test',
      leaseMs: 1000,
    });
    expect(claimed?.entry).toMatchObject({
      kind: 'inbox',
      operationId: operation.id,
      userId: user.id,
      expiresAt: operation.expiresAt,
    });
    expect(JSON.parse(claimed!.entry.payload)).toEqual({ op: operation.id, state: 'pending' });
  });

  test('two round trips: the devices of the user, then the start', async () => {
    const user = await newUser(scene);
    await enroll(scene, user);
    const { secrets, applications } = scene;
    const { store, calls } = watched(scene.store);
    const operations = createOperations({
      secrets,
      applications,
      store,
      clock: scene.clock.now,
      options: { cap: { perClient: 1, policy: 'replace', perUser: 0 }, retentionMs: 0 },
    });
    await operations.start(startOf(user));
    expect(calls).toEqual(['devices.ofUser', 'operations.start']);
  });
});

describe('the cap of pending operations (ruling 12): one, replaced', () => {
  const scene = sceneForEach();

  test('by default a new operation of the same client takes the place of the old one', async () => {
    const { user, operation } = await asked(scene);
    const other = await scene.operations.start(startOf(user, { clientId: 'demo-tv' }));
    const second = await scene.operations.start(startOf(user));
    expect(second.superseded).toEqual([operation.id]);
    expect(await scene.operations.get(operation.id)).toMatchObject({ state: 'cancelled', endReason: 'superseded' });
    expect(await scene.operations.get(other.operation.id)).toMatchObject({ state: 'pending' });
    const types = (await scene.store.events.ofOperation(operation.id)).map(({ type }) => type);
    expect(types).toEqual(['operation.started', 'operation.superseded']);
  });
});

describe('the cap of pending operations (ruling 12): two, then refused', () => {
  const scene = sceneForEach({ cap: { perClient: 2, policy: 'refuse', perUser: 3 } });

  test('or it is refused until one of them has ended', async () => {
    const { user, operation } = await asked(scene);
    await scene.operations.start(startOf(user));
    await expect(scene.operations.start(startOf(user))).rejects.toMatchObject({
      code: 'too_many_pending',
      members: { retry_after: expect.any(Number) },
    });
    await scene.operations.cancel({ operationId: operation.id, clientId: operation.clientId, by });
    await scene.operations.start(startOf(user));
  });

  test('all clients together have a limit of their own', async () => {
    const { user } = await asked(scene);
    await scene.operations.start(startOf(user, { clientId: 'demo-tv' }));
    await scene.operations.start(startOf(user, { clientId: 'demo-agent' }));
    expect(await codeOf(scene.operations.start(startOf(user, { clientId: 'demo-backend' })))).toBe('too_many_pending');
    scene.clock.advance(300);
    await scene.operations.start(startOf(user, { clientId: 'demo-backend' }));
  });

  test('tickets are not counted', async () => {
    const { user } = await asked(scene);
    for (let i = 0; i < 5; i++) {
      await scene.tickets.create({ userId: user.id, applicationId: 'assent-web' }, by);
    }
    await scene.operations.start(startOf(user));
  });
});

describe('the cap of pending operations (ruling 12): none', () => {
  const scene = sceneForEach({ cap: { perClient: 0, policy: 'refuse', perUser: 0 } });

  test('zero means any number', async () => {
    const { user } = await asked(scene);
    for (let i = 0; i < 20; i++) await scene.operations.start(startOf(user));
    expect(await scene.store.operations.pendingOf(user.id, scene.clock.now())).toHaveLength(21);
  });
});

describe('reading and cancelling', () => {
  const scene = sceneForEach();

  test("another client's operation is answered like one that is not there", async () => {
    const { operation } = await asked(scene);
    const { id } = operation;
    const foreign = await scene.operations.get(id, 'demo-tv').catch((error) => error);
    const missing = await scene.operations
      .get(`${id.slice(0, -1)}${id.endsWith('A') ? 'B' : 'A'}`)
      .catch((error) => error);
    expect(foreign).toMatchObject({ code: 'operation_not_found', message: missing.message });
    expect(missing).toMatchObject({ code: 'operation_not_found' });
    expect(await codeOf(scene.operations.cancel({ operationId: id, clientId: 'demo-tv', by }))).toBe(
      'operation_not_found',
    );
    expect(await scene.operations.get(id, 'demo-helpdesk')).toMatchObject({ state: 'pending' });
    for (const odd of ['', '..', 'x'.repeat(10_000), '{}:*\0']) {
      expect(await codeOf(scene.operations.get(odd))).toBe('operation_not_found');
      expect(await codeOf(scene.operations.cancel({ operationId: odd, clientId: 'demo-helpdesk', by }))).toBe(
        'operation_not_found',
      );
    }
  });

  test('past its time it reads as expired, before any sweep', async () => {
    const { operation } = await asked(scene);
    scene.clock.advance(300);
    expect(await scene.operations.get(operation.id)).toMatchObject({
      state: 'expired',
      finishedAt: operation.expiresAt,
    });
  });

  test('cancelling ends it, twice is once, and the devices are told', async () => {
    const { operation, user } = await asked(scene);
    const cancel = () => scene.operations.cancel({ operationId: operation.id, clientId: 'demo-helpdesk', by });
    const cancelled = await cancel();
    expect(cancelled).toMatchObject({ state: 'cancelled', endReason: 'cancelled_by_client' });
    expect(await cancel()).toEqual(cancelled);
    const events = await scene.store.events.ofOperation(operation.id);
    expect(events.filter(({ type }) => type === 'operation.cancelled')).toMatchObject([{ userId: user.id }]);
  });

  test('a decision is not cancelled', async () => {
    const { operation } = await approved(scene);
    const cancel = scene.operations.cancel({ operationId: operation.id, clientId: 'demo-helpdesk', by });
    expect(await codeOf(cancel)).toBe('operation_decided');
    expect(await scene.operations.get(operation.id)).toMatchObject({ state: 'approved' });
  });

  test('cancelling what has expired changes nothing', async () => {
    const { operation } = await asked(scene);
    scene.clock.advance(300);
    const answer = await scene.operations.cancel({ operationId: operation.id, clientId: 'demo-helpdesk', by });
    expect(answer).toMatchObject({ state: 'expired' });
  });
});
