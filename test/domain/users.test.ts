import { createUsers } from '../../src/domain/users.ts';
import { asked, by, codeOf, decide, enroll, newUser, sceneForEach, startOf } from './scene.ts';

describe('users', () => {
  const scene = sceneForEach();

  test('F003 a user is created with an id; the same external reference a second time is a conflict', async () => {
    const user = await newUser(scene, { externalRef: 'crm-1042', name: 'Alice' });
    expect(user).toMatchObject({ state: 'active', version: 1, externalRef: 'crm-1042', attributes: {}, proofing: [] });
    expect(user.id).toMatch(/^[0-9a-f]{2}[\w-]{22}$/);
    await expect(newUser(scene, { externalRef: 'crm-1042' })).rejects.toMatchObject({
      code: 'identifier_taken',
      members: { invalid_params: [{ name: 'external_ref' }] },
    });
    expect((await scene.users.list({ limit: 10 })).items).toHaveLength(1);
  });

  test('of a hundred who want the same e-mail address at once one gets it', async () => {
    const wishes = Array.from({ length: 100 }, (_, i) =>
      newUser(scene, { username: `u${i}`, email: 'a@example.test' }),
    );
    const outcomes = await Promise.all(wishes.map(codeOf));
    expect(outcomes.filter((code) => code === 'resolved')).toHaveLength(1);
    expect(outcomes.filter((code) => code === 'identifier_taken')).toHaveLength(99);
  });

  test('F004 a user is read back with state and all attributes', async () => {
    const wanted = {
      username: 'Alice',
      externalRef: 'crm-1',
      email: 'Alice@Example.test',
      phone: '+31 6 12345678',
      name: 'Älice 愛',
      language: 'nl-BE',
      attributes: { address: 'Main St 1', age: 42, vip: true },
    };
    const { id } = await newUser(scene, wanted);
    expect(await scene.users.get(id)).toMatchObject({
      ...wanted,
      state: 'active',
      username: 'alice',
      email: 'alice@example.test',
      phone: '+31612345678',
    });
  });

  test('F005 an update adds, changes and deletes one attribute each; the others stay', async () => {
    const { id } = await newUser(scene, { name: 'Alice', attributes: { a: 1, b: 2, c: 3 } });
    const updated = await scene.users.update(id, { attributes: { b: 'two', c: null, d: true } }, by);
    expect(updated).toMatchObject({ version: 2, name: 'Alice', attributes: { a: 1, b: 'two', d: true } });
    expect(updated.attributes).not.toHaveProperty('c');
    expect(await scene.users.get(id)).toEqual(updated);
  });

  test('an update that changes nothing writes nothing', async () => {
    const { id } = await newUser(scene, { name: 'Alice', attributes: { a: 1 } });
    expect(await scene.users.update(id, { name: 'Alice', attributes: { a: 1, b: null } }, by)).toMatchObject({
      version: 1,
    });
  });

  test('a version that is not the current one is refused, and nothing is changed', async () => {
    const { id } = await newUser(scene);
    await scene.users.update(id, { name: 'first' }, by, 1);
    await expect(scene.users.update(id, { name: 'second' }, by, 1)).rejects.toMatchObject({ code: 'stale_version' });
    expect(await scene.users.get(id)).toMatchObject({ name: 'first', version: 2 });
  });

  test('updates at the same time all arrive', async () => {
    const { id } = await newUser(scene);
    await Promise.all(
      Array.from({ length: 8 }, (_, i) => scene.users.update(id, { attributes: { [`k${i}`]: i } }, by)),
    );
    expect(Object.keys((await scene.users.get(id)).attributes)).toHaveLength(8);
  });

  test('sixty updates of one user at once, by three processes, all arrive; those that name a version fail for that reason', async () => {
    const { id } = await newUser(scene, { name: 'Alice' });
    const { store, secrets } = scene;
    const another = () => createUsers({ store, secrets, clock: scene.clock.now });
    const processes = [scene.users, another(), another()];
    const updates = Array.from({ length: 60 }, (_, i) =>
      processes[i % 3]!.update(id, { attributes: { [`a${i}`]: i } }, by),
    );
    const guarded = processes.map((users) => codeOf(users.update(id, { name: 'Bob' }, by, 1)));
    await Promise.all(updates);
    expect(await Promise.all(guarded)).toEqual(['stale_version', 'stale_version', 'stale_version']);
    const user = await scene.users.get(id);
    expect(Object.keys(user.attributes)).toHaveLength(60);
    expect(user).toMatchObject({ name: 'Alice', version: 61 });
  });

  test('an identifier moves with an update: the new one is found, the old one is free', async () => {
    const { id } = await newUser(scene, { username: 'alice' });
    await scene.users.update(id, { username: 'alicia' }, by);
    expect(await scene.users.find('username', 'alice')).toBeUndefined();
    expect(await scene.users.find('username', 'ALICIA')).toMatchObject({ id });
    await scene.users.update(id, { username: null }, by);
    expect(await scene.users.find('username', 'alicia')).toBeUndefined();
    await newUser(scene, { username: 'alice' });
  });

  test('all that is wrong is told at once, by the names of the wire, and nothing is created', async () => {
    const attempt = newUser(scene, {
      username: 'no spaces',
      email: 'none',
      phone: '06123',
      externalRef: ' ',
      name: 'a\0b',
      language: 'english',
      attributes: { ok: 1, bad: Number.NaN, list: [] as unknown as string },
      proofing: [{ mechanism: '', at: 0 }],
    });
    const names = ['username', 'external_ref', 'email', 'phone', 'name', 'language'];
    await expect(attempt).rejects.toMatchObject({
      code: 'invalid_request',
      members: {
        invalid_params: [...names, 'attributes.bad', 'attributes.list', 'proofing[0]'].map((name) => ({
          name,
          reason: expect.any(String),
        })),
      },
    });
    expect((await scene.users.list({ limit: 10 })).items).toEqual([]);
  });

  test('F009 unknown attributes go round unchanged, within documented kinds and sizes', async () => {
    const attributes = {
      address: 'Rue de l’Été 5\nBrussels',
      'with spaces & 😀': '😀'.repeat(1024),
      constructor: 'a name like any other',
      zero: 0,
      no: false,
    };
    const { id } = await newUser(scene, { attributes });
    expect((await scene.users.get(id)).attributes).toEqual(attributes);
    const tooMany = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, i]));
    const refused = [
      { long: 'x'.repeat(1025) },
      { nested: { a: 1 } },
      { infinite: Number.POSITIVE_INFINITY },
      { '': 1 },
      { broken: '\ud83d' },
      tooMany,
      JSON.parse('{"__proto__": "x"}'),
    ];
    for (const each of refused) {
      expect(await codeOf(newUser(scene, { attributes: each as Record<string, string> }))).toBe('invalid_request');
    }
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  test('F011 proofing by two mechanisms on two users is kept; none is mandatory', async () => {
    const at = scene.clock.now();
    const passport = { mechanism: 'passport-chip', reference: 'ref-7', level: 'high', at };
    const branch = { mechanism: 'branch-visit', at };
    const first = await newUser(scene, { proofing: [passport] });
    const second = await newUser(scene, { proofing: [branch] });
    expect((await scene.users.get(first.id)).proofing).toEqual([passport]);
    expect((await scene.users.get(second.id)).proofing).toEqual([branch]);
    expect((await newUser(scene)).proofing).toEqual([]);
  });

  test('a locked user cannot be asked; locking twice is locking once', async () => {
    const { user, operation, device } = await asked(scene);
    const locked = await scene.users.lock(user.id, by);
    expect(locked.state).toBe('locked');
    expect(await scene.users.lock(user.id, by)).toEqual(locked);
    expect(await codeOf(scene.operations.start(startOf(user)))).toBe('user_unknown');
    expect(await decide(scene, operation, device)).toEqual({ result: 'user_not_active' });
  });

  test('F008 after unlocking, a new operation succeeds with the same device', async () => {
    const { user, device } = await asked(scene);
    await scene.users.lock(user.id, by);
    expect(await scene.users.unlock(user.id, by)).toMatchObject({ state: 'active' });
    const { operation } = await scene.operations.start(startOf(user));
    expect(await decide(scene, operation, device)).toMatchObject({ result: 'decided' });
  });

  test('F006 deactivation is final: pending operations are cancelled, new ones refused, no unlock brings it back', async () => {
    const { user, operation } = await asked(scene);
    expect(await scene.users.deactivate(user.id, by)).toMatchObject({ state: 'deactivated' });
    expect(await scene.operations.get(operation.id)).toMatchObject({
      state: 'cancelled',
      endReason: 'user_deactivated',
    });
    expect(await codeOf(scene.operations.start(startOf(user)))).toBe('user_unknown');
    expect(await codeOf(scene.users.unlock(user.id, by))).toBe('state_conflict');
    expect(await codeOf(scene.users.lock(user.id, by))).toBe('state_conflict');
    expect(await scene.users.deactivate(user.id, by)).toMatchObject({ state: 'deactivated' });
  });

  test('F010 a user can have two devices, and each of them can approve', async () => {
    const { user, device } = await asked(scene);
    const tablet = await enroll(scene, user);
    expect((await scene.devices.ofUser(user.id)).map(({ id }) => id)).toEqual([device.id, tablet.id]);
    for (const each of [device, tablet]) {
      const { operation } = await scene.operations.start(startOf(user));
      expect(await decide(scene, operation, each)).toMatchObject({ result: 'decided' });
    }
  });

  test('whoever is not there is not found, whatever the id looks like', async () => {
    for (const id of ['', 'nobody', '../../etc', '00aaaaaaaaaaaaaaaaaaaaaa', '{}:*\0', 'x'.repeat(10_000)]) {
      expect(await codeOf(scene.users.get(id))).toBe('user_not_found');
      expect(await codeOf(scene.users.lock(id, by))).toBe('user_not_found');
      expect(await codeOf(scene.users.update(id, { name: 'x' }, by))).toBe('user_not_found');
    }
  });

  test('every change of a user tells who made it', async () => {
    const { id } = await newUser(scene, { name: 'Alice' });
    await scene.users.update(id, { name: 'Alicia' }, by);
    await scene.users.lock(id, { ...by, traceId: 'trace-1' });
    const events = await scene.store.events.ofUser(id, 10);
    expect(events.map(({ type }) => type).sort()).toEqual(['user.created', 'user.locked', 'user.updated']);
    expect(events.every(({ actor, userId }) => actor === 'management:test' && userId === id)).toBe(true);
    expect(events.find(({ type }) => type === 'user.locked')).toMatchObject({ traceId: 'trace-1' });
    expect(JSON.stringify(events)).not.toContain('Alic');
  });

  test('nothing of a profile can be read in the store', async () => {
    const { id } = await newUser(scene, { username: 'canary-name', attributes: { note: 'canary-note' } });
    expect(JSON.stringify(await scene.store.users.get(id))).not.toContain('canary');
  });
});
