import { enroll, poll, startOf } from '../domain/scene.ts';
import { managementForEach } from './support/management.ts';

const pin = '483920';
const alice = {
  username: 'alice',
  external_ref: 'crm-20417',
  email: 'alice@example.test',
  phone: '+31 6 12345678',
  name: 'Alice Jansen',
  language: 'nl',
  attributes: { address: 'Keizersgracht 1', floor: 3, newsletter: false },
};

describe('users over the management API', () => {
  const server = managementForEach();
  const api = (...call: Parameters<typeof server.api>) => server.api(...call);

  test('F003 a user is created, has an id and an address; the same external reference again is a conflict', async () => {
    const created = await api('POST', '/users', { body: alice });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      state: 'active',
      username: 'alice',
      phone: '+31612345678',
      external_ref: 'crm-20417',
    });
    expect(created.headers.get('location')).toBe(`/management/v1/users/${created.body.id}`);
    expect((await api('GET', `/users/${created.body.id}`)).body).toEqual(created.body);

    const again = await api('POST', '/users', { body: { external_ref: 'crm-20417' } });
    expect(again).toMatchObject({
      status: 409,
      body: { code: 'identifier_taken', invalid_params: [{ name: 'external_ref' }] },
    });
    expect((await api('GET', '/users')).body.items).toHaveLength(1);
  });

  test.each(['username', 'email', 'phone'] as const)('F003 so is the same %s, in any spelling', async (member) => {
    await server.user(alice);
    const spelling = { username: 'ALICE', email: 'Alice@Example.Test', phone: '+31612345678' }[member];
    expect(await api('POST', '/users', { body: { [member]: spelling } })).toMatchObject({ status: 409 });
  });

  test('F004 a user comes with its state and all attributes', async () => {
    const { id } = await server.user(alice);
    const { body } = await api('GET', `/users/${id}`);
    expect(body).toMatchObject({
      id,
      state: 'active',
      attributes: alice.attributes,
      name: 'Alice Jansen',
      language: 'nl',
    });
    expect((await api('GET', `/users/${id}/attributes`)).body).toEqual(alice.attributes);
  });

  test('F005 attributes are added, changed and deleted one by one; the others stay', async () => {
    const { id } = await server.user(alice);
    const patch = (body: object) => api('PATCH', `/users/${id}/attributes`, { body });
    expect((await patch({ city: 'Amsterdam' })).body).toEqual({ ...alice.attributes, city: 'Amsterdam' });
    expect((await patch({ floor: 4 })).body).toEqual({ ...alice.attributes, city: 'Amsterdam', floor: 4 });
    expect((await patch({ newsletter: null })).body).toEqual({
      address: 'Keizersgracht 1',
      city: 'Amsterdam',
      floor: 4,
    });
    expect((await api('GET', `/users/${id}`)).body).toMatchObject({ username: 'alice', email: 'alice@example.test' });
  });

  test('F005 members are changed and removed; what is not named stays', async () => {
    const { id } = await server.user(alice);
    const changed = await api('PATCH', `/users/${id}`, {
      body: { email: null, name: 'Alice de Vries', attributes: { floor: null } },
    });
    expect(changed.body).toMatchObject({
      email: null,
      name: 'Alice de Vries',
      username: 'alice',
      phone: '+31612345678',
    });
    expect(changed.body.attributes).toEqual({ address: 'Keizersgracht 1', newsletter: false });
    // the address is free again, and no longer finds her
    expect((await api('GET', '/users?email=alice%40example.test')).body.items).toEqual([]);
    expect(await api('POST', '/users', { body: { email: 'alice@example.test' } })).toMatchObject({ status: 201 });
  });

  test('F006 a deactivated user gets no new operation, pending ones are cancelled, and nothing undoes it', async () => {
    const user = await server.devices.alice();
    await server.devices.enroll(user, { pin });
    const { operation } = await server.devices.ask(user);
    expect((await api('POST', `/users/${user.id}/deactivate`)).body).toMatchObject({ state: 'deactivated' });
    expect(await server.scene.operations.get(operation.id)).toMatchObject({
      state: 'cancelled',
      endReason: 'user_deactivated',
    });
    await expect(server.devices.ask(user)).rejects.toMatchObject({ code: 'user_unknown' });
    expect(await api('POST', `/users/${user.id}/unlock`)).toMatchObject({
      status: 409,
      body: { code: 'state_conflict' },
    });
    expect(await api('POST', `/users/${user.id}/deactivate`)).toMatchObject({ status: 200 });
    expect((await api('GET', `/users/${user.id}`)).body).toMatchObject({ state: 'deactivated' });
  });

  test('F007 while a user is locked nothing is started, answered or redeemed, also what was approved before', async () => {
    const user = await server.devices.alice();
    const device = await server.devices.enroll(user, { pin });
    const approved = startOf(user);
    const { operation } = await server.scene.operations.start(approved);
    await device.decide(await device.present(operation.id), { decision: 'approve', pin });
    const pending = await server.devices.ask(user, { clientId: 'another-client' });
    const shown = await device.present(pending.operation.id);

    expect((await api('POST', `/users/${user.id}/lock`)).body).toMatchObject({ state: 'locked' });
    await expect(server.devices.ask(user)).rejects.toMatchObject({ code: 'user_unknown' });
    await expect(device.decide(shown, { decision: 'approve', pin })).rejects.toMatchObject({ code: 'device_locked' });
    expect((await poll(server.scene, approved.handle)).outcome).toBe('denied');
  });

  test('F008 after the unlock a new operation succeeds with the same device', async () => {
    const user = await server.devices.alice();
    const device = await server.devices.enroll(user, { pin });
    await api('POST', `/users/${user.id}/lock`);
    expect((await api('POST', `/users/${user.id}/unlock`)).body).toMatchObject({ state: 'active' });
    const { operation } = await server.devices.ask(user);
    await device.decide(await device.present(operation.id), { decision: 'approve', pin });
    expect(await server.scene.operations.get(operation.id)).toMatchObject({ state: 'approved' });
  });

  test('F009 any attribute comes back as it was given: texts, numbers, booleans', async () => {
    const attributes = {
      address: 'Straße 1, 東京 🗼',
      'x:y/z ~ %': '',
      zero: 0,
      minus: -1.5e-7,
      yes: true,
      constructor: 'x',
      prototype: 'y',
    };
    const { id } = await server.user({ attributes });
    expect((await api('GET', `/users/${id}`)).body.attributes).toEqual(attributes);
    expect((await api('PATCH', `/users/${id}/attributes`, { body: { constructor: null } })).body).not.toHaveProperty(
      'constructor',
      'x',
    );
  });

  test('F010 a user has several devices, and each of them can approve', async () => {
    const user = await server.devices.alice();
    const phone = await server.devices.enroll(user, { pin, device: { name: 'Phone' } });
    const tablet = await server.devices.enroll(user, { pin, device: { name: 'Tablet' } });
    const { body } = await api('GET', `/users/${user.id}/devices`);
    expect(body).toMatchObject({
      items: [
        { id: phone.deviceId, name: 'Phone' },
        { id: tablet.deviceId, name: 'Tablet' },
      ],
      next_cursor: null,
    });
    for (const device of [phone, tablet]) {
      const { operation } = await server.devices.ask(user);
      await device.decide(await device.present(operation.id), { decision: 'approve', pin });
      expect(await server.scene.operations.get(operation.id)).toMatchObject({
        state: 'approved',
        decision: { deviceId: device.deviceId },
      });
    }
  });

  test('F011 how a person was recognised is kept as the operator tells it, by whatever mechanism', async () => {
    const passport = {
      mechanism: 'passport-nfc',
      reference: 'case-7781',
      level: 'eidas-substantial',
      at: '2026-03-01T09:30:00Z',
    };
    const { id } = await server.user({ proofing: [passport] });
    const other = await server.user({ proofing: [{ mechanism: 'bank-branch' }] });
    expect((await api('GET', `/users/${id}`)).body.proofing).toEqual([{ ...passport, at: '2026-03-01T09:30:00.000Z' }]);
    expect((await api('GET', `/users/${other.id}`)).body.proofing).toEqual([
      { mechanism: 'bank-branch', at: '2030-01-01T00:00:00.000Z' },
    ]);
    expect((await server.user()) as object).toMatchObject({ proofing: [] });
  });

  test('a change based on what is no longer there is refused, and nothing is overwritten', async () => {
    const { id } = await server.user(alice);
    const read = await api('GET', `/users/${id}`);
    const etag = read.headers.get('etag')!;
    const first = await api('PATCH', `/users/${id}`, { body: { name: 'First' }, headers: { 'if-match': etag } });
    expect(first.headers.get('etag')).not.toBe(etag);
    const second = await api('PATCH', `/users/${id}`, { body: { name: 'Second' }, headers: { 'if-match': etag } });
    expect(second).toMatchObject({ status: 412, body: { code: 'stale_version' } });
    expect((await api('GET', `/users/${id}`)).body).toMatchObject({ name: 'First' });
    expect(await api('PATCH', `/users/${id}`, { body: { name: 'Any' }, headers: { 'if-match': '*' } })).toMatchObject({
      status: 200,
    });
    for (const tag of ['W/"1"', 'abc', '"a"', '"1", "2"']) {
      expect(await api('PATCH', `/users/${id}`, { body: { name: 'x' }, headers: { 'if-match': tag } })).toMatchObject({
        status: 400,
      });
    }
    expect(await api('POST', `/users/${id}/lock`, { headers: { 'if-match': etag } })).toMatchObject({ status: 400 });
    expect((await api('GET', `/users/${id}`)).body).toMatchObject({ name: 'Any', state: 'active' });
  });

  test('users are found by any identifier, in any spelling, one at a time', async () => {
    const { id } = await server.user(alice);
    for (const query of [
      'username=Alice',
      'email=ALICE%40example.test',
      'phone=%2B31612345678',
      'external_ref=crm-20417',
    ]) {
      expect((await api('GET', `/users?${query}`)).body.items).toEqual([expect.objectContaining({ id })]);
    }
    expect((await api('GET', '/users?username=nobody')).body).toEqual({ items: [], next_cursor: null });
    expect(await api('GET', '/users?username=a&email=b')).toMatchObject({
      status: 400,
      body: { invalid_params: [{ name: 'email' }] },
    });
  });

  test('a list pages through everybody exactly once, with cursors that cannot be made up', async () => {
    const ids = await Promise.all(Array.from({ length: 7 }, async () => (await server.user()).id));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { body } = await api('GET', `/users?limit=3${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
      expect(body.items.length).toBeLessThanOrEqual(3);
      seen.push(...body.items.map((user: { id: string }) => user.id));
      cursor = body.next_cursor;
    } while (cursor);
    expect(seen.sort()).toEqual(ids.sort());
    for (const query of [
      'cursor=made-up',
      'limit=0',
      'limit=201',
      'limit=x',
      'limit=1&limit=2',
      'unknown=1',
      'cursor=',
    ]) {
      expect(await api('GET', `/users?${query}`)).toMatchObject({ status: 400 });
    }
  });
});

describe('limits of starts over the management API', () => {
  const server = managementForEach({
    limits: {
      perClient: { starts: 1, windowMs: 60_000 },
      perUser: { starts: 0, windowMs: 1 },
      backOff: { firstMs: 0, maxMs: 0 },
      notMeMs: 0,
    },
  });
  const api = (...call: Parameters<typeof server.api>) => server.api(...call);

  test('S-02 what keeps clients from asking a user is lifted, of all clients or of one', async () => {
    const { id } = await server.user(alice);
    const user = await server.scene.users.get(id);
    await enroll(server.scene, user);
    const ask = (clientId: string) => server.scene.operations.start(startOf(user, { clientId }));
    for (const query of ['?client_id=a', '']) {
      await ask('a');
      await expect(ask('a')).rejects.toMatchObject({ code: 'rate_limited', members: { retry_after: 60 } });
      expect(await api('DELETE', `/users/${user.id}/limits?client_id=another`)).toMatchObject({ status: 204 });
      await expect(ask('a')).rejects.toMatchObject({ code: 'rate_limited' });
      expect(await api('DELETE', `/users/${user.id}/limits${query}`)).toMatchObject({ status: 204 });
    }
    await ask('a');
    expect(await api('DELETE', `/users/${'0'.repeat(24)}/limits`)).toMatchObject({ status: 404 });
    const events = await server.scene.store.events.ofUser(user.id, 99);
    expect(events.filter(({ type }) => type === 'user.limits_lifted')).toMatchObject([
      { actor: 'management:test' },
      { actor: 'management:test', clientId: 'a' },
    ]);
  });
});
