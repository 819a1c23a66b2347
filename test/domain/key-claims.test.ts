import type { Device, PublicJwk } from '../../src/domain/device.ts';
import { claimOf, createKeyClaims } from '../../src/domain/key-claims.ts';
import { createSweeper } from '../../src/domain/sweeper.ts';
import { ALL_PARTITIONS } from '../../src/support/ids.ts';
import { newEcKey, publicJwkOf } from '../../src/support/jose/index.ts';
import { aDevice, aHash, aUser } from '../support/records.ts';
import { by, enroll, newUser, sceneForEach } from './scene.ts';

describe('claims of public keys', () => {
  const scene = sceneForEach();
  const aKey = () => publicJwkOf(newEcKey()) as PublicJwk;
  const claim = (jwk: PublicJwk, device: Pick<Device, 'id'>) =>
    scene.store.devices.claimKey(claimOf(scene.secrets, jwk), device.id, scene.clock.now());
  /** Whether another device that comes with the key would be refused. */
  const isRefused = async (jwk: PublicJwk) => {
    const claims = await scene.store.devices.claimsDue({ partitions: ALL_PARTITIONS, now: Infinity, limit: 99 });
    return claims.some(({ thumbprint }) => thumbprint === claimOf(scene.secrets, jwk));
  };
  const sweeperOf = () =>
    createSweeper({
      store: scene.store,
      serverKeys: scene.serverKeys,
      clock: scene.clock.now,
      keyClaims: createKeyClaims({ store: scene.store, secrets: scene.secrets, clock: scene.clock.now }),
      onError: (_job, error) => {
        throw error;
      },
    });
  /** Time passes, with a round after an hour, after a day, and then every five days. */
  async function pass(days: number) {
    const sweeper = sweeperOf();
    for (let [passed, step] = [0, 1]; passed < days * 24; step = passed < 24 ? 23 : 5 * 24) {
      step = Math.min(step, days * 24 - passed);
      scene.clock.advance(step * 3600);
      await sweeper.claims();
      passed += step;
    }
  }
  /** An active device with claimed keys. */
  async function aDeviceInUse(): Promise<{ device: Device; sig: PublicJwk; enc: PublicJwk }> {
    const enrolled = await enroll(scene, await newUser(scene));
    const [sig, enc] = [aKey(), aKey()];
    for (const jwk of [sig, enc]) await claim(jwk, enrolled);
    return { device: await save({ ...enrolled, keys: { ...enrolled.keys, sig, enc } }), sig, enc };
  }
  async function save(device: Device): Promise<Device> {
    const saved = await scene.store.devices.save({ device, states: ['active'], now: scene.clock.now(), events: [] });
    if (saved.result !== 'saved') throw new Error(saved.result);
    return saved.device;
  }

  test('of a device in use stay as long as it, locked or not, however long nobody comes', async () => {
    const { device, sig, enc } = await aDeviceInUse();
    await scene.devices.lock(device.id, by);
    await pass(400);
    expect([await isRefused(sig), await isRefused(enc)]).toEqual([true, true]);
    expect(await claim(sig, aDevice(aUser()))).toBe(false);
  });

  test('of keys that were replaced go a month after they were seen without their device, not before', async () => {
    const { device, sig, enc } = await aDeviceInUse();
    const next = { sig: aKey(), enc: aKey() };
    const staged = await save({ ...device, rotation: { ...next, at: scene.clock.now() } });
    for (const jwk of [next.sig, next.enc]) await claim(jwk, device);
    await pass(3);
    // keys that wait are the device's own
    expect([await isRefused(next.sig), await isRefused(next.enc)]).toEqual([true, true]);
    const { rotation: _over, ...rotated } = { ...staged, keys: { ...staged.keys, ...next } };
    await save(rotated);
    await pass(30);
    expect([await isRefused(sig), await isRefused(enc)]).toEqual([true, true]);
    await pass(32);
    expect([await isRefused(sig), await isRefused(enc)]).toEqual([false, false]);
    expect([await isRefused(next.sig), await isRefused(next.enc)]).toEqual([true, true]);
  });

  test('a key that the device takes into use again is its own again', async () => {
    const { device, sig, enc } = await aDeviceInUse();
    const other = await save({ ...device, keys: { ...device.keys, sig: aKey() } });
    await pass(20);
    await save({ ...other, keys: { ...other.keys, sig, enc } });
    await pass(100);
    expect([await isRefused(sig), await isRefused(enc)]).toEqual([true, true]);
  });

  test('of a deactivated device, and of one that never came, are nobody’s at once and go with the next review', async () => {
    const { device, sig, enc } = await aDeviceInUse();
    const lost = aKey();
    await claim(lost, aDevice(aUser()));
    await scene.devices.deactivate(device.id, by);
    expect(await isRefused(sig)).toBe(true);
    await pass(1);
    expect([await isRefused(sig), await isRefused(enc), await isRefused(lost)]).toEqual([false, false, false]);
  });

  test('of an enrollment that was given up go when its device goes', async () => {
    const user = await newUser(scene);
    const { operationId } = await scene.tickets.create({ userId: user.id, applicationId: 'assent-web' }, by);
    const [sig, enc] = [aKey(), aKey()];
    const device = aDevice(user, { operationId, keys: { sig }, createdAt: scene.clock.now() });
    const now = scene.clock.now();
    await scene.store.operations.bindTicket({ operationId, thumbprint: aHash(), device, now, events: [] });
    // the second key is not in the record yet
    for (const jwk of [sig, enc]) await claim(jwk, device);
    await pass(1);
    expect([await isRefused(sig), await isRefused(enc)]).toEqual([true, true]);
    const sweeper = sweeperOf();
    await sweeper.expire();
    scene.clock.advance(2 * 3600);
    await sweeper.collect();
    await sweeper.claims();
    expect(await scene.store.devices.ofUser(user.id)).toEqual([]);
    expect([await isRefused(sig), await isRefused(enc)]).toEqual([false, false]);
  });

  test('RL-16 fifty claims are looked at in one call, and a round looks at all that are due', async () => {
    const keys = Array.from({ length: 120 }, aHash);
    const device = aDevice(aUser());
    await Promise.all(keys.map((key) => scene.store.devices.claimKey(key, device.id, scene.clock.now())));
    scene.clock.advance(3600);
    const sweeper = sweeperOf();
    expect(await sweeper.claims()).toBe(120);
    expect(await sweeper.claims()).toBe(0);
  });
});
