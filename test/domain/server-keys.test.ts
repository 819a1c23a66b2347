import { randomBytes } from 'node:crypto';
import { createServerKeys } from '../../src/domain/server-keys.ts';
import { DAY, HOUR, SECOND } from '../../src/support/clock.ts';
import { jwkThumbprint } from '../../src/support/jose/index.ts';
import { createSecrets } from '../../src/support/secrets.ts';
import { type Scene, sceneForEach } from './scene.ts';

/** Another process on the same store. */
const another = ({ store, clock, secrets }: Scene) => createServerKeys({ store, clock: clock.now, secrets });
const days = (count: number) => (count * DAY) / SECOND;

describe("the server's keys", () => {
  const scene = sceneForEach({ makesKeys: true });

  test('the first start makes every kind, each named by its thumbprint', () => {
    const { serverKeys } = scene;
    for (const use of ['seal', 'box'] as const) {
      const { kid, publicJwk, privateJwk } = serverKeys.current(use);
      expect(kid).toBe(jwkThumbprint(publicJwk as never));
      expect(publicJwk).toMatchObject({ kty: 'EC', crv: 'P-256' });
      expect(publicJwk).not.toHaveProperty('d');
      expect(privateJwk).toHaveProperty('d');
    }
    expect(serverKeys.current('oidc', 'ES256').publicJwk).toMatchObject({ kty: 'EC' });
    expect(serverKeys.current('oidc', 'RS256').publicJwk).toMatchObject({ kty: 'RSA' });
    expect(serverKeys.secret('cookie')).toHaveLength(32);
    expect(serverKeys.secret('dpop')).not.toEqual(serverKeys.secret('cookie'));
  });

  test('another algorithm for ID tokens has its key where the configuration asks for it', async () => {
    const { store, clock, secrets } = scene;
    const withAlg = (idTokenAlg: string) =>
      createServerKeys({ store, clock: clock.now, secrets, options: { idTokenAlg } });
    expect((await withAlg('EdDSA')).current('oidc', 'EdDSA').publicJwk).toMatchObject({ kty: 'OKP', crv: 'Ed25519' });
    const keys = await withAlg('PS256');
    const published = keys.publicKeys('oidc');
    expect(published.map(({ alg }) => alg).sort()).toEqual(['ES256', 'EdDSA', 'PS256', 'RS256']);
    for (const { jwk, kid, alg } of published) {
      expect(jwk).toMatchObject({ kid, alg, use: 'sig' });
      expect(jwk).not.toHaveProperty('d');
    }
  });

  test('a restart, and another process, have the same keys', async () => {
    const second = await another(scene);
    for (const use of ['seal', 'box', 'oidc'] as const)
      expect(second.current(use)).toEqual(scene.serverKeys.current(use));
    expect(second.secret('cookie')).toEqual(scene.serverKeys.secret('cookie'));
  });

  test('two processes that start at once on an empty store agree on one set', async () => {
    const fresh = createSecrets(randomBytes(32));
    const stored = await scene.store.keys.list();
    const { box } = { box: stored.find(({ use }) => use === 'box')! };
    scene.clock.advance(days(8));
    const both = await Promise.all([another(scene), another(scene), another(scene)]);
    const kids = new Set(both.map((keys) => keys.current('box').kid));
    expect(kids.size).toBe(1);
    expect(kids.has(box.kid)).toBe(false);
    await expect(createServerKeys({ store: scene.store, clock: scene.clock.now, secrets: fresh })).rejects.toThrow(
      'a root that this process does not have',
    );
  });

  test('private halves cannot be read in the store', async () => {
    const stored = JSON.stringify(await scene.store.keys.list());
    for (const use of ['seal', 'box', 'oidc'] as const) {
      expect(stored).not.toContain(scene.serverKeys.current(use).privateJwk.d as string);
    }
    expect(stored).not.toContain(scene.serverKeys.secret('cookie').toString('base64url'));
  });

  test('the box key gets a successor after a week; messages for the old one open for two more days', async () => {
    const { serverKeys, clock } = scene;
    const old = serverKeys.current('box');
    clock.advance(days(7) - 1);
    await serverKeys.maintain();
    expect(serverKeys.current('box').kid).toBe(old.kid);
    clock.advance(1);
    await serverKeys.maintain();
    const next = serverKeys.current('box');
    expect(next.kid).not.toBe(old.kid);
    expect(serverKeys.byKid('box', old.kid)).toEqual(old);
    clock.advance((48 * HOUR) / SECOND - 1);
    await serverKeys.maintain();
    expect(serverKeys.byKid('box', old.kid)).toBeDefined();
    clock.advance(1);
    await serverKeys.maintain();
    expect(serverKeys.byKid('box', old.kid)).toBeUndefined();
    expect(serverKeys.current('box').kid).toBe(next.kid);
    expect(serverKeys.publicKeys('box').map(({ kid }) => kid)).toEqual([next.kid, old.kid]);
    const stored = (await scene.store.keys.list()).find(({ kid }) => kid === old.kid);
    expect(stored).toMatchObject({ state: 'destroyed' });
    expect(stored?.sealed).toBeUndefined();
  });

  test('keys that sign for years are not rotated by the way', async () => {
    const { serverKeys, clock } = scene;
    const before = serverKeys.current('seal').kid;
    clock.advance(days(400));
    await serverKeys.maintain();
    expect(serverKeys.current('seal').kid).toBe(before);
  });

  test('maintaining twice does nothing more, and every change of a key is told', async () => {
    const { serverKeys, clock, store } = scene;
    clock.advance(days(7));
    await Promise.all([serverKeys.maintain(), serverKeys.maintain()]);
    await serverKeys.maintain();
    const stored = await store.keys.list();
    expect(
      stored
        .filter(({ use }) => use === 'box')
        .map(({ state }) => state)
        .sort(),
    ).toEqual(['current', 'retired']);
  });

  test('a key that another process made is known after a reload', async () => {
    const second = await another(scene);
    scene.clock.advance(days(7));
    await second.maintain();
    const { kid } = second.current('box');
    expect(scene.serverKeys.byKid('box', kid)).toBeUndefined();
    await scene.serverKeys.reload();
    expect(scene.serverKeys.byKid('box', kid)).toEqual(second.current('box'));
  });

  test('a use without a pair has no pair, and a pair is no secret', () => {
    expect(() => scene.serverKeys.current('cookie')).toThrow();
    expect(() => scene.serverKeys.secret('seal' as 'cookie')).toThrow();
    expect(() => scene.serverKeys.current('oidc', 'HS256')).toThrow();
  });
});
