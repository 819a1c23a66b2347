import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type EmbeddedStore, openEmbeddedStore } from '../../adapters/embedded/index.ts';
import { type KeyRing, openKeyRing } from '../../src/domain/key-ring.ts';
import { createServerKeys } from '../../src/domain/server-keys.ts';
import { createUsers } from '../../src/domain/users.ts';
import { pairwiseSubject, userOfPairwise } from '../../src/protocol/subjects.ts';
import { createMasterKey, createSecrets, rootIdIn, type Secrets } from '../../src/support/secrets.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { createClock, type TestClock } from '../support/clock.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';
import { by, codeOf } from './scene.ts';

const [A, B, C] = [1, 2, 3].map(() => randomBytes(32)) as [Buffer, Buffer, Buffer];
const email = 'ada@example.test';

describe('the key ring', () => {
  let folder: TemporaryFolder;
  let store: EmbeddedStore;
  let clock: TestClock;
  beforeEach(async () => {
    [folder, clock] = [await temporaryFolder('assent-ring'), createClock()];
    store = await openEmbeddedStore({ file: join(folder.path, 'assent.db') });
  });
  afterEach(async () => {
    await store.close();
    await folder.remove();
  });

  /** A process that starts. */
  const start = (masterKey: Buffer, ...formerMasterKeys: Buffer[]): Promise<KeyRing> =>
    openKeyRing({ store, clock: clock.now, random: randomBytes, masterKey, formerMasterKeys });
  const usersOf = (secrets: Secrets) => createUsers({ store, clock: clock.now, secrets });
  const sealed = (ring: KeyRing) => ring.secrets.seal('label', 'text', 'row');
  const text = (ring: KeyRing, value: string) => ring.secrets.open('label', value, 'row').toString();
  const settle = () => clock.advance(3);

  test('two processes that start at once on an empty store agree on one root', async () => {
    const [one, other] = await Promise.all([start(A), start(A)]);
    expect(text(other, sealed(one))).toBe('text');
    expect(other.status()).toEqual(one.status());
  });

  test('of two that start at once with different master keys one is refused, and what the other has made stays', async () => {
    const [one, other] = await Promise.allSettled([start(A), start(B)]);
    expect([one.status, other.status].sort()).toEqual(['fulfilled', 'rejected']);
    const [winner, ring] = one.status === 'fulfilled' ? [A, one] : [B, other as PromiseFulfilledResult<KeyRing>];
    expect(text(await start(winner), sealed(ring.value))).toBe('text');
  });

  test('the root is random: not the master key, and of each store its own', async () => {
    const ring = await start(A);
    expect(() => createSecrets(A).open('label', sealed(ring), 'row')).toThrow(StoreUnavailable);
    expect(JSON.stringify(await store.keyRing.read())).not.toContain(A.toString('base64url'));
  });

  test('a wrong master key is refused in one sentence, and nothing is written', async () => {
    await start(A);
    const before = await store.keyRing.read();
    await expect(start(B)).rejects.toThrow('is not the master key of this store');
    await expect(start(B, C)).rejects.toThrow('is not the master key of this store');
    expect(await store.keyRing.read()).toEqual(before);
  });

  test('a new master key takes over while the former one still opens; forgotten, that one opens nothing', async () => {
    const one = await start(A);
    const value = sealed(one);
    const other = await start(B, A);
    expect(text(other, value)).toBe('text');
    // the process with the former key notices nothing
    await one.reload();
    expect(text(one, sealed(other))).toBe('text');
    expect(text(await start(A), value)).toBe('text');
    expect(text(await start(B), value)).toBe('text');

    const { inUse } = one.status();
    await other.forget(inUse, by);
    await expect(start(A)).rejects.toThrow('is not the master key of this store');
    expect(text(await start(B), value)).toBe('text');
    // one that runs is told once, and goes on
    await expect(one.reload()).rejects.toThrow('has forgotten the master key');
    await one.reload();
    expect(text(one, value)).toBe('text');
  });

  test('the slot of the key in use cannot be forgotten, nor one that is not there', async () => {
    const ring = await start(A);
    expect(await codeOf(ring.forget(ring.status().inUse, by))).toBe('master_key_in_use');
    expect(await codeOf(ring.forget('nobody', by))).toBe('master_key_not_found');
    expect(ring.status().slots).toHaveLength(1);
  });

  test('a generation seals when every process has read it; what was sealed before stays readable', async () => {
    const [one, other] = [await start(A), await start(A)];
    const before = sealed(one);
    await one.rotate(by);
    // again while it waits: nothing
    await one.rotate(by);
    expect(one.status().generations).toHaveLength(2);
    expect(rootIdIn(sealed(one))).toBe(rootIdIn(before));
    await other.reload();
    settle();
    const after = sealed(one);
    expect(rootIdIn(after)).toBe(one.status().generations[1]!.id);
    expect(rootIdIn(sealed(other))).toBe(rootIdIn(after));
    for (const ring of [one, other, await start(A)])
      expect([before, after].map((value) => text(ring, value))).toEqual(['text', 'text']);
  });

  test('a process that has not read a generation yet says "not now", not "broken"', async () => {
    const [one, other] = [await start(A), await start(A)];
    await one.rotate(by);
    settle();
    expect(() => text(other, sealed(one))).toThrow(StoreUnavailable);
    await other.reload();
    expect(text(other, sealed(one))).toBe('text');
  });

  test('a generation is made for every master key that opens the store, or not at all', async () => {
    await start(A);
    await start(B, A);
    const alone = await start(B);
    expect(await codeOf(alone.rotate(by))).toBe('master_key_others');
    const both = await start(B, A);
    await both.rotate(by);
    settle();
    expect(text(await start(A), sealed(both))).toBe('text');
    await alone.reload();
    await alone.forget((await start(A)).status().inUse, by);
    await alone.rotate(by);
    expect(alone.status().generations).toHaveLength(3);
  });

  test('TH-29 people are found by e-mail and known to clients under the same subject after every rotation', async () => {
    const one = await start(A);
    const { id } = await usersOf(one.secrets).create({ username: 'ada', email }, by);
    const sector = 'client.example';
    const subject = pairwiseSubject(one.secrets, sector, id);
    const other = await start(B, A);
    await other.rotate(by);
    settle();
    await usersOf(other.secrets).update(id, { name: 'Ada' }, by);
    await other.forget(one.status().inUse, by);
    for (const ring of [other, await start(B)]) {
      expect(await usersOf(ring.secrets).find('email', email)).toMatchObject({ id, name: 'Ada' });
      expect(pairwiseSubject(ring.secrets, sector, id)).toBe(subject);
      expect(userOfPairwise(ring.secrets, sector, subject)).toBe(id);
    }
  });

  test('TH-29 the ciphertexts of two rows that were swapped do not open, under any generation', async () => {
    const ring = await start(A);
    const users = usersOf(ring.secrets);
    const one = await users.create({ username: 'one' }, by);
    await ring.rotate(by);
    settle();
    const other = await users.create({ username: 'other' }, by);
    const rows = [(await store.users.get(one.id))!, (await store.users.get(other.id))!] as const;
    for (const [to, from] of [rows, [rows[1], rows[0]] as const]) {
      const swapped = { ...to, sealed: from.sealed };
      expect(await store.users.update(swapped, clock.now(), [])).toMatchObject({ result: 'updated' });
      await expect(users.get(to.id)).rejects.toThrow();
    }
  });

  describe('on a store from before there were slots', () => {
    /** As it was made then: everything hangs on the master key itself. */
    async function storeOfBefore() {
      const secrets = createSecrets(A);
      const serverKeys = await createServerKeys({ store, clock: clock.now, secrets });
      const { id } = await usersOf(secrets).create({ username: 'ada', email }, by);
      return { id, secrets, kid: serverKeys.current('seal').kid };
    }

    test('the master key stays the root: every record opens, and none is written anew', async () => {
      const { id, secrets, kid } = await storeOfBefore();
      const records = [await store.users.get(id), await store.keys.list()];
      const ring = await start(A);
      expect(await usersOf(ring.secrets).find('email', email)).toMatchObject({ id });
      const serverKeys = await createServerKeys({ store, clock: clock.now, secrets: ring.secrets });
      expect(serverKeys.current('seal').kid).toBe(kid);
      expect([await store.users.get(id), await store.keys.list()]).toEqual(records);
      expect(rootIdIn(sealed(ring))).toBe(rootIdIn(secrets.seal('label', 'text', 'row')));
    });

    test('its first start may bring a new master key at once', async () => {
      const { id } = await storeOfBefore();
      const ring = await start(B, A);
      await ring.forget((await start(A)).status().inUse, by);
      await ring.rotate(by);
      settle();
      expect(await usersOf((await start(B)).secrets).find('email', email)).toMatchObject({ id });
      // what is new is out of the reach of the former key
      expect(() => createSecrets(A).open('label', sealed(ring), 'row')).toThrow();
      await expect(start(A)).rejects.toThrow('is not the master key of this store');
    });

    test('a wrong master key is refused, and no ring is made', async () => {
      await storeOfBefore();
      await expect(start(B)).rejects.toThrow('is not the master key of this store');
      expect(await store.keyRing.read()).toBeUndefined();
    });
  });

  describe('with a slot under an id of the former form', () => {
    const [former, own] = [createMasterKey(A, 'former'), createMasterKey(A)];
    beforeEach(async () => {
      const content = [{ key: C.toString('base64url'), createdAt: clock.now(), sealsFrom: 0 }];
      const slot = { id: former.id, createdAt: clock.now(), sealed: former.close(JSON.stringify(content)) };
      await store.keyRing.save({ ring: { version: 1, slots: [slot] }, events: [] });
    });
    const stored = async () => (await store.keyRing.read())!.slots;
    const listed = (ring: KeyRing) => ring.status().slots.map(({ id }) => id);

    test('it opens the store, and stays for programs that know no other: two slots, one master key', async () => {
      const ring = await start(A);
      expect((await stored()).map(({ id }) => id)).toEqual([former.id, own.id]);
      expect(listed(ring)).toEqual([own.id]);
      await ring.rotate(by);
      const contents = (await stored()).map(({ sealed }, i) => JSON.parse([former, own][i]!.open(sealed)));
      expect(contents.map(({ length }) => length)).toEqual([2, 2]);
      for (const { id } of [former, own]) expect(await codeOf(ring.forget(id, by))).toBe('master_key_in_use');
      expect(await stored()).toHaveLength(2);
    });

    test.each([
      ['hexadecimal', own.id],
      ['former', former.id],
    ])('forgotten by its %s id, the master key opens the store by neither slot', async (_form, id) => {
      await start(A);
      const ring = await start(B, A);
      expect(listed(ring)).toEqual([own.id, createMasterKey(B).id]);
      const alone = await start(B);
      await expect(alone.rotate(by)).rejects.toMatchObject({ members: { master_key_id: own.id } });
      await alone.forget(id, by);
      expect((await stored()).map((slot) => slot.id)).toEqual([createMasterKey(B).id]);
      await expect(start(A)).rejects.toThrow('is not the master key of this store');
      expect(await codeOf(alone.forget(id, by))).toBe('master_key_not_found');
      await alone.rotate(by);
      expect(alone.status().generations).toHaveLength(2);
    });

    test.each([
      ['former', former.id],
      ['hexadecimal', own.id],
    ])('where the master key has that slot alone, its %s id forgets it too', async (_form, id) => {
      const ring = await start(B, A);
      expect(listed(ring)).toEqual([former.id, createMasterKey(B).id]);
      await ring.forget(id, by);
      await expect(start(A)).rejects.toThrow('is not the master key of this store');
    });
  });

  test('a slot that somebody has changed is told as that', async () => {
    await start(A);
    const { version, slots } = (await store.keyRing.read())!;
    const [slot] = slots;
    const changed = { ...slot!, sealed: `${slot!.sealed.slice(0, -4)}AAAA` };
    await store.keyRing.save({ ring: { version: version + 1, slots: [changed] }, events: [] });
    await expect(start(A)).rejects.toThrow('was changed in the store, or is damaged');
  });
});
