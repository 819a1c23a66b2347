import { asked, by, codeOf, decide, enroll, newUser, sceneForEach, startOf } from './scene.ts';

describe('devices', () => {
  const scene = sceneForEach();

  test('a device that is not there is not found, whatever the id looks like', async () => {
    for (const id of ['', 'phone', '00aaaaaaaaaaaaaaaaaaaaaa', '{}:*\0']) {
      expect(await codeOf(scene.devices.get(id))).toBe('device_not_found');
      expect(await codeOf(scene.devices.lock(id, by))).toBe('device_not_found');
    }
  });

  test('F041 a device that redeemed its ticket and is not activated is never able to answer', async () => {
    const user = await newUser(scene);
    const active = await enroll(scene, user);
    const pending = { ...active, id: `${active.id.slice(0, -4)}AAAA`, state: 'pending' as const };
    const { operationId } = await scene.tickets.create({ userId: user.id, applicationId: 'assent-web' }, by);
    const { clock, store } = scene;
    await store.operations.bindTicket({
      operationId,
      thumbprint: 'thumbprint',
      device: { ...pending, operationId },
      now: clock.now(),
      events: [],
    });
    await scene.devices.deactivate(active.id, by);
    expect(await codeOf(scene.operations.start(startOf(user)))).toBe('no_usable_device');
    expect(await codeOf(scene.operations.start(startOf(user, { deviceId: pending.id })))).toBe('no_usable_device');
    expect(await codeOf(scene.devices.lock(pending.id, by))).toBe('state_conflict');
  });

  test('a locked device is refused, another one of the user works', async () => {
    const { user, device, operation } = await asked(scene);
    const tablet = await enroll(scene, user);
    const locked = await scene.devices.lock(device.id, by);
    expect(locked).toMatchObject({ state: 'locked', lockReason: 'admin' });
    expect(await scene.devices.lock(device.id, by)).toEqual(locked);
    expect(await decide(scene, operation, device)).toMatchObject({ result: 'device_not_active', state: 'locked' });
    expect(await decide(scene, operation, tablet)).toMatchObject({ result: 'decided' });
  });

  test('an unlocked device works again, and its counters of failures in a row are zero', async () => {
    const { device, operation } = await asked(scene);
    const attempt = {
      operationId: operation.id,
      deviceId: device.id,
      counts: ['pin' as const],
      limits: { pin: 3, number: 3, pinLifetime: 100 },
      leaseMs: 10_000,
      now: scene.clock.now(),
    };
    await scene.store.operations.reserveAttempt({ ...attempt, jwsHash: 'first' });
    await scene.devices.lock(device.id, by);
    expect((await scene.devices.get(device.id)).failures).toEqual({ pin: 1, number: 0, pinLifetime: 1 });
    const unlocked = await scene.devices.unlock(device.id, by);
    expect(unlocked).toMatchObject({ state: 'active', failures: { pin: 0, number: 0, pinLifetime: 1 } });
    expect(unlocked.lockReason).toBeUndefined();
    expect(await decide(scene, operation, device)).toMatchObject({ result: 'decided' });
  });

  test('unlocking a device that is not locked leaves its counters alone', async () => {
    const { device, operation } = await asked(scene);
    await scene.store.operations.reserveAttempt({
      operationId: operation.id,
      deviceId: device.id,
      jwsHash: 'first',
      counts: ['pin'],
      limits: { pin: 3, number: 3, pinLifetime: 100 },
      leaseMs: 10_000,
      now: scene.clock.now(),
    });
    expect(await scene.devices.unlock(device.id, by)).toMatchObject({ failures: { pin: 1 } });
  });

  test('deactivation is final and closes what waited for this device', async () => {
    const user = await newUser(scene);
    const device = await enroll(scene, user);
    await enroll(scene, user);
    const named = await scene.operations.start(startOf(user, { deviceId: device.id, clientId: 'demo-tv' }));
    const other = await scene.operations.start(startOf(user));
    expect(await scene.devices.deactivate(device.id, by)).toMatchObject({ state: 'deactivated' });
    expect(await scene.operations.get(named.operation.id)).toMatchObject({
      state: 'cancelled',
      endReason: 'device_deactivated',
    });
    expect(await scene.operations.get(other.operation.id)).toMatchObject({ state: 'pending' });
    expect(await codeOf(scene.devices.unlock(device.id, by))).toBe('state_conflict');
    expect(await scene.devices.deactivate(device.id, by)).toMatchObject({ state: 'deactivated' });
  });

  test('management of a device needs nothing from the device and is told as an event of its user', async () => {
    const user = await newUser(scene);
    const device = await enroll(scene, user);
    await scene.devices.lock(device.id, by);
    const events = await scene.store.events.ofUser(user.id, 50);
    expect(events.find(({ type }) => type === 'device.locked')).toMatchObject({
      deviceId: device.id,
      userId: user.id,
      actor: 'management:test',
    });
  });

  test('all devices of all users are listed, page by page', async () => {
    for (let i = 0; i < 3; i++) await enroll(scene, await newUser(scene));
    const seen: string[] = [];
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const page = await scene.devices.list({ limit: 2, cursor });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(new Set(seen).size).toBe(3);
  });
});
