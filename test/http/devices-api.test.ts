import { beginEnrollment, memoryStorage } from '../../src/device-sdk/index.ts';
import { anApplication } from '../domain/scene.ts';
import { managementForEach } from './support/management.ts';

const pin = '483920';
const about = { name: "Alice's phone", model: 'Pixel 12', os: 'Android 18' };

describe('devices over the management API', () => {
  const server = managementForEach();
  const api = (...call: Parameters<typeof server.api>) => server.api(...call);
  const answers = async (device: Awaited<ReturnType<typeof server.devices.enroll>>, user: { id: string }) => {
    const { operation } = await server.devices.ask(user as never);
    return device.decide(await device.present(operation.id), { decision: 'approve', pin });
  };

  test('F017 an operation that was approved yields its user, its device and how surely; no text, and nothing before', async () => {
    const user = await server.devices.alice();
    const device = await server.devices.enroll(user, { pin });
    const { operation } = await server.devices.ask(user as never);
    const read = async () => (await api('GET', `/operations/${operation.id}`)).body;
    expect(await read()).toMatchObject({
      ...{ operation_id: operation.id, kind: 'authentication', state: 'pending', user: { id: user.id } },
      ...{ device: null, method_used: null, acr: null, amr: null, finished_at: null },
    });
    await device.decide(await device.present(operation.id), { decision: 'approve', pin });
    expect(await read()).toEqual({
      operation_id: operation.id,
      kind: 'authentication',
      state: 'approved',
      client_id: operation.clientId,
      user: { id: user.id },
      device: { id: device.deviceId },
      application: null,
      method_used: 'pin',
      acr: 'urn:assent:acr:two-factor',
      amr: ['swk', 'pin', 'mfa'],
      deny_reason: null,
      end_reason: null,
      created_at: expect.any(String),
      expires_at: expect.any(String),
      finished_at: expect.any(String),
    });
    const { operation: other } = await server.devices.ask(user as never);
    await device.decide(await device.present(other.id), { decision: 'deny', reason: 'not_me' });
    const denied = (await api('GET', `/operations/${other.id}`)).body;
    expect(denied).toMatchObject({
      state: 'denied',
      deny_reason: 'not_me',
      device: { id: device.deviceId },
      acr: null,
    });
    const { operation: late } = await server.devices.ask(user as never);
    server.scene.clock.advance(600);
    expect((await api('GET', `/operations/${late.id}`)).body).toMatchObject({ state: 'expired', device: null });
    expect((await api('GET', '/operations/nothing')).status).toBe(404);
  });

  test('F032 a device tells model, system, version, state, lock reason, methods and last use, and no key', async () => {
    const user = await server.devices.alice();
    const device = await server.devices.enroll(user, { pin, device: { ...about, appVersion: '1.4.2' } });
    server.scene.clock.advance(60);
    await answers(device, user);
    const { body } = await api('GET', `/devices/${device.deviceId}`);
    expect(body).toEqual({
      id: device.deviceId,
      user_id: user.id,
      application: 'assent-web',
      state: 'active',
      lock_reason: null,
      methods: ['device', 'pin'],
      ...about,
      app_version: '1.4.2',
      created_at: expect.any(String),
      activated_at: expect.any(String),
      last_used_at: '2030-01-01T00:01:00.000Z',
      attestation: null,
    });
    await api('POST', `/devices/${device.deviceId}/lock`);
    expect((await api('GET', `/devices/${device.deviceId}`)).body).toMatchObject({
      state: 'locked',
      lock_reason: 'admin',
    });
  });

  test('F033 a deactivated device is refused, cannot be unlocked, and operations that name it are closed', async () => {
    const user = await server.devices.alice();
    const device = await server.devices.enroll(user, { pin });
    const { operation } = await server.devices.ask(user, { deviceId: device.deviceId });
    const shown = await device.present(operation.id);
    expect((await api('POST', `/devices/${device.deviceId}/deactivate`)).body).toMatchObject({ state: 'deactivated' });
    expect(await server.scene.operations.get(operation.id)).toMatchObject({
      state: 'cancelled',
      endReason: 'device_deactivated',
    });
    await expect(device.decide(shown, { decision: 'approve', pin })).rejects.toMatchObject({
      code: 'device_deactivated',
    });
    expect(await api('POST', `/devices/${device.deviceId}/unlock`)).toMatchObject({
      status: 409,
      body: { code: 'state_conflict' },
    });
    expect((await api('GET', `/devices/${device.deviceId}`)).body).toMatchObject({ state: 'deactivated' });
  });

  test("F034 a locked device's answers are refused as locked; the user's other device works", async () => {
    const user = await server.devices.alice();
    const locked = await server.devices.enroll(user, { pin });
    const other = await server.devices.enroll(user, { pin });
    const { operation } = await server.devices.ask(user);
    const shown = await locked.present(operation.id);
    await api('POST', `/devices/${locked.deviceId}/lock`);
    await expect(locked.decide(shown, { decision: 'approve', pin })).rejects.toMatchObject({ code: 'device_locked' });
    await expect(locked.inbox()).rejects.toMatchObject({ code: 'device_locked' });
    expect(await server.scene.operations.get(operation.id)).toMatchObject({ state: 'pending' });
    expect(await answers(other, user)).toMatchObject({ state: 'approved' });
  });

  test('F035 an unlocked device works again, and its failures are forgotten', async () => {
    const user = await server.devices.alice();
    const device = await server.devices.enroll(user, { pin });
    const { operation } = await server.devices.ask(user);
    const wrong = device.decide(await device.present(operation.id), { decision: 'approve', pin: '000001' });
    await expect(wrong).rejects.toMatchObject({ code: 'attempt_failed' });
    expect((await server.scene.devices.get(device.deviceId)).failures.pin).toBe(1);
    await api('POST', `/devices/${device.deviceId}/lock`);
    expect((await api('POST', `/devices/${device.deviceId}/unlock`)).body).toMatchObject({
      state: 'active',
      lock_reason: null,
    });
    expect((await server.scene.devices.get(device.deviceId)).failures.pin).toBe(0);
    expect(await answers(device, user)).toMatchObject({ state: 'approved' });
  });

  test('F036 devices of all users are managed without any of them being there', async () => {
    const users = [await server.devices.alice(), await server.devices.alice({ username: 'bob' })];
    const devices = [];
    for (const user of users) devices.push(await server.devices.enroll(user, { pin }));
    const { body } = await api('GET', '/devices');
    const known = body.items.map(({ id }: { id: string }) => id);
    expect(known.sort()).toEqual(devices.map(({ deviceId }) => deviceId).sort());
    const calls = server.devices.exchanges.length;
    // the phone is off: nothing reaches the device API, and yet it holds from the answer on
    expect((await api('POST', `/devices/${known[0]}/lock`)).body).toMatchObject({ state: 'locked' });
    expect((await server.scene.devices.get(known[0])).state).toBe('locked');
    expect(server.devices.exchanges.length).toBe(calls);
  });

  test('what happens to a device stands in the audit trail with the name of the key', async () => {
    const user = await server.devices.alice();
    const device = await server.devices.enroll(user, { pin });
    const { headers } = await api('POST', `/devices/${device.deviceId}/lock`);
    const events = await server.scene.store.events.ofUser(user.id, 5);
    expect(events.find(({ type }) => type === 'device.locked')).toMatchObject({
      actor: 'management:test',
      deviceId: device.deviceId,
      traceId: headers.get('x-trace-id'),
    });
  });

  test('a device that is not there is 404', async () => {
    for (const id of ['aaAAAAAAAAAAAAAAAAAAAAAA', 'x']) {
      expect(await api('GET', `/devices/${id}`)).toMatchObject({ status: 404, body: { code: 'device_not_found' } });
      expect(await api('POST', `/devices/${id}/lock`)).toMatchObject({ status: 404 });
    }
  });
});

describe('enrollment tickets over the management API', () => {
  const enrollment = { confirm: 'code', approveByExistingDevice: 'off', attestation: 'off' } as const;
  const server = managementForEach({
    applications: [anApplication(), anApplication({ id: 'with-digits', enrollment })],
  });
  const api = (...call: Parameters<typeof server.api>) => server.api(...call);

  test('a ticket is shown once, with a QR code, and its state tells what became of it', async () => {
    const { id } = await server.user({ username: 'alice' });
    const created = await api('POST', `/users/${id}/enrollment-tickets`, { body: { ttl_seconds: 60 } });
    expect(created).toMatchObject({ status: 201, body: { expires_at: '2030-01-01T00:01:00.000Z' } });
    expect(created.body.ticket_uri).toMatch(/^http:\/\/localhost:3002\/#t=[\w-]+&k=[\w-]+$/);
    expect(created.body.activation_code).toMatch(/^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]$/);
    expect(created.body.qr_svg).toMatch(/^<svg .*<\/svg>\s*$/s);
    const path = created.headers.get('location')!.replace('/management/v1', '');
    expect((await api('GET', path)).body).toMatchObject({
      operation_id: created.body.operation_id,
      state: 'pending',
      device_id: null,
    });
    expect(JSON.stringify((await api('GET', path)).body)).not.toContain(created.body.activation_code);
    server.scene.clock.advance(60);
    expect((await api('GET', path)).body).toMatchObject({ state: 'expired' });
  });

  test('what is to be shown after the enrollment is checked, taken, and shown by no answer', async () => {
    const { id } = await server.user({ username: 'alice' });
    const create = (body: unknown) => api('POST', `/users/${id}/enrollment-tickets`, { body });
    for (const [wrong, name] of [
      [{}, 'post_context.text'],
      [{ text: 'a'.repeat(2001) }, 'post_context.text'],
      [{ text: 'a\tb' }, 'post_context.text'],
      [{ text: ' ' }, 'post_context.text'],
      [{ text: 'a', title: 'a\nb' }, 'post_context.title'],
      [{ text: 'a', mime: 'text/html' }, 'post_context.mime'],
      [{ text: 'a', html: 'b' }, 'post_context.html'],
      ['a', 'post_context'],
    ] as const) {
      expect(await create({ post_context: wrong })).toMatchObject({
        status: 400,
        body: { code: 'invalid_request', invalid_params: [{ name }] },
      });
    }
    const made = await create({
      post_context: { title: 'Welcome', text: 'At the desk.\nBring it.', mime: 'text/plain' },
    });
    expect(made.status).toBe(201);
    const path = made.headers.get('location')!.replace('/management/v1', '');
    expect(JSON.stringify([made.body, (await api('GET', path)).body])).not.toContain('At the desk');
  });

  test('a device enrolled with it is named in its state', async () => {
    const user = await server.devices.alice();
    const device = await server.devices.enroll(user, { pin });
    const { operationId } = await server.scene.devices.get(device.deviceId);
    const path = `/users/${user.id}/enrollment-tickets/${operationId}`;
    expect((await api('GET', path)).body).toMatchObject({
      state: 'approved',
      device_id: device.deviceId,
      application: 'assent-web',
    });
    const { id } = await server.user();
    expect(await api('GET', `/users/${id}/enrollment-tickets/${operationId}`)).toMatchObject({ status: 404 });
  });

  test('what a new device shows is typed here; the answer tells what came of it', async () => {
    const user = await server.devices.alice();
    const { body: ticket } = await api('POST', `/users/${user.id}/enrollment-tickets`, {
      body: { application: 'with-digits' },
    });
    expect(ticket.confirm).toBe('code');
    const path = `/users/${user.id}/enrollment-tickets/${ticket.operation_id}/confirm`;
    const confirm = (code: unknown) => api('POST', path, { body: { code } });
    expect(await confirm('123456')).toMatchObject({ status: 409, body: { code: 'state_conflict' } });
    for (const code of ['12345', '1234567', 'abcdef', 123456]) {
      expect(await confirm(code)).toMatchObject({ status: 400, body: { invalid_params: [{ name: 'code' }] } });
    }
    const uri = ticket.ticket_uri.replace('http://localhost:3002', server.devices.base);
    const enrollment = await beginEnrollment(memoryStorage(), uri, server.devices.sdk);
    let shown: (code: string) => void = () => {};
    const digits = new Promise<string>((resolve) => {
      shown = resolve;
    });
    const finished = enrollment.finish({ device: {}, onProgress: ({ code }) => shown(code!) });
    const code = await digits;
    const wrong = code === '000000' ? '000001' : '000000';
    expect(await confirm(wrong)).toMatchObject({ status: 403, body: { code: 'code_wrong', attempts_left: 2 } });
    const right = await confirm(code);
    expect(right).toMatchObject({ status: 200, body: { confirmed_at: '2030-01-01T00:00:00.000Z' } });
    const { deviceId } = await finished;
    expect(await confirm(code)).toMatchObject({ status: 200, body: { state: 'approved', device_id: deviceId } });
    const elsewhere = path.replace(user.id, (await server.user()).id);
    expect(await api('POST', elsewhere, { body: { code } })).toMatchObject({ status: 404 });
    expect(await api('GET', `/devices/${deviceId}`)).toMatchObject({ body: { attestation: null } });
  });

  test('F013 a device cannot be added before the user is there', async () => {
    const refused = await api('POST', '/users/aaAAAAAAAAAAAAAAAAAAAAAA/enrollment-tickets');
    expect(refused).toMatchObject({ status: 404, body: { code: 'user_not_found' } });
  });

  test('a locked or deactivated user and an unknown application get no ticket', async () => {
    const { id } = await server.user();
    expect(await api('POST', `/users/${id}/enrollment-tickets`, { body: { application: 'nope' } })).toMatchObject({
      status: 404,
      body: { code: 'application_not_found' },
    });
    for (const ttl of [29, 601, 60.5, '60']) {
      expect(await api('POST', `/users/${id}/enrollment-tickets`, { body: { ttl_seconds: ttl } })).toMatchObject({
        status: 400,
        body: { invalid_params: [{ name: 'ttl_seconds' }] },
      });
    }
    await api('POST', `/users/${id}/lock`);
    expect(await api('POST', `/users/${id}/enrollment-tickets`)).toMatchObject({
      status: 409,
      body: { code: 'state_conflict' },
    });
  });
});
