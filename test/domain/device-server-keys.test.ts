import { createDeviceServerKeys } from '../../src/domain/device-server-keys.ts';
import { newEcKey, publicJwkOf } from '../../src/support/jose/index.ts';
import { sceneForEach } from './scene.ts';

describe('key sets for devices', () => {
  const scene = sceneForEach();
  const made = () =>
    createDeviceServerKeys({ issuer: 'https://id.example.test', serverKeys: scene.serverKeys, clock: scene.clock.now });
  const ownBox = (kid: string, createdAt = scene.clock.now()) => ({ ...publicJwkOf(newEcKey()), kid, createdAt });

  test('are signed once for everybody, and once for each device with a box of its own', () => {
    const keys = made();
    const [one, other] = [ownBox('one'), ownBox('other')];
    const first = [keys.keySets(), keys.keySets(one), keys.keySets(other)];
    expect(new Set(first).size).toBe(3);
    expect([keys.keySets(), keys.keySets(one), keys.keySets(other)].map((set, i) => set === first[i])).toEqual([
      true,
      true,
      true,
    ]);
  });

  test('are signed again when a key is another one', async () => {
    const keys = made();
    const own = ownBox('own');
    const before = [keys.keySets(), keys.keySets(own)];
    scene.clock.advance(60);
    await scene.serverKeys.rotateSigning({ use: 'seal' }, { actor: 'management:test' });
    expect(keys.keySets()).not.toBe(before[0]);
    expect(keys.keySets(own)).not.toBe(before[1]);
    expect(keys.keySets(own).sets).toHaveLength(2);
  });

  test('of devices are forgotten where there are many, those that were asked for least recently first', () => {
    const keys = made();
    const [busy, idle] = [ownBox('busy'), ownBox('idle')];
    const [ofBusy, ofIdle] = [keys.keySets(busy), keys.keySets(idle)];
    const template = ownBox('many');
    for (let i = 0; i < 1_000; i++) {
      keys.keySets({ ...template, kid: `many-${i}` });
      keys.keySets(busy);
    }
    expect(keys.keySets(busy)).toBe(ofBusy);
    expect(keys.keySets(idle)).not.toBe(ofIdle);
  });
});

describe('keys that are read again', () => {
  const scene = sceneForEach();

  test('at most once a second, together for all who wait, and by a clock that was set back too', async () => {
    let reads = 0;
    const serverKeys = { ...scene.serverKeys, reload: async () => void (reads += 1) };
    const keys = createDeviceServerKeys({ issuer: 'https://id.example.test', serverKeys, clock: scene.clock.now });
    const all = () => Promise.all(Array.from({ length: 10 }, () => keys.reread()));
    await all();
    await all();
    expect(reads).toBe(1);
    scene.clock.advance(1);
    await all();
    expect(reads).toBe(2);
    scene.clock.advance(-3600);
    await all();
    expect(reads).toBe(3);
  });

  test('a store that is away is told of, and asked again a second later', async () => {
    const away = new Error('away');
    let isAway = true;
    const reload = async () => {
      if (isAway) throw away;
    };
    const serverKeys = { ...scene.serverKeys, reload };
    const keys = createDeviceServerKeys({ issuer: 'https://id.example.test', serverKeys, clock: scene.clock.now });
    const outcomes = await Promise.allSettled([keys.reread(), keys.reread()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    isAway = false;
    scene.clock.advance(1);
    await expect(keys.reread()).resolves.toBeUndefined();
  });
});
