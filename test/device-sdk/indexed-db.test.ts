import { type IndexedDbOptions, indexedDbStorage, keyHealth, openDevice } from '../../src/device-sdk/index.ts';
import { enrolled, PIN, worldOf } from './enrolled.ts';

/** Of IndexedDB only what a browser's would do to our records: a structured clone in, another one out, asynchronously. */
function browserLike(): {
  indexedDB: NonNullable<IndexedDbOptions['indexedDB']>;
  databases: Map<string, Map<string, unknown>>;
} {
  const databases = new Map<string, Map<string, unknown>>();
  const later = (run: () => void) => void setTimeout(run, 0);
  const request = <T>(result: T) => {
    const made = {
      result,
      error: null,
      onsuccess: (_: unknown) => {},
      onerror: () => {},
      onupgradeneeded: (_: unknown) => {},
    };
    later(() => made.onsuccess({}));
    return made;
  };
  const transactionOn = (records: Map<string, unknown>) => {
    const made = {
      error: null,
      oncomplete: () => {},
      onerror: () => {},
      onabort: () => {},
      objectStore: () => ({
        get: (key: string) => request(structuredClone(records.get(key))),
        put: (value: unknown, key: string) => records.set(key, structuredClone(value)),
        delete: (key: string) => records.delete(key),
      }),
    };
    // when its requests are done
    later(() => later(() => made.oncomplete()));
    return made;
  };
  const indexedDB = {
    open(name: string) {
      const isNew = !databases.has(name);
      const records = databases.get(name) ?? new Map<string, unknown>();
      databases.set(name, records);
      const made = request({ createObjectStore: () => {}, transaction: () => transactionOn(records), close: () => {} });
      if (isNew) queueMicrotask(() => made.onupgradeneeded({}));
      return made;
    },
  };
  return { indexedDB: indexedDB as unknown as NonNullable<IndexedDbOptions['indexedDB']>, databases };
}

function textStore() {
  const texts = new Map<string, string>();
  return {
    getItem: (key: string) => texts.get(key) ?? null,
    setItem: (key: string, value: string) => void texts.set(key, value),
    removeItem: (key: string) => void texts.delete(key),
  };
}

test('a device in IndexedDB survives a reload with keys that were never extractable', async () => {
  const { indexedDB } = browserLike();
  const localStorage = textStore();
  const { server } = await enrolled({ storage: indexedDbStorage({ indexedDB, localStorage }) });
  const reloaded = indexedDbStorage({ indexedDB, localStorage });
  const device = (await openDevice(reloaded, worldOf(server)))!;
  expect(await device.decide(await device.present(server.start()), { decision: 'approve', pin: PIN })).toMatchObject({
    state: 'approved',
  });
  expect(await reloaded.load('enrolling')).toBeUndefined();
});

test('two users of one browser have two devices', async () => {
  const { indexedDB } = browserLike();
  const storages = ['alice', 'bob'].map((name) => indexedDbStorage({ indexedDB, localStorage: undefined, name }));
  const devices = [];
  for (const storage of storages) devices.push((await enrolled({ storage, pin: '' })).device.deviceId);
  expect((await storages[0]!.load('device'))?.deviceId).toBe(devices[0]);
  expect((await storages[1]!.load('device'))?.deviceId).toBe(devices[1]);
});

test('a cleared IndexedDB beside a local storage that was not is a loss, until it is forgotten by unenrolling', async () => {
  const { indexedDB, databases } = browserLike();
  const storage = indexedDbStorage({ indexedDB, localStorage: textStore() });
  const { device } = await enrolled({ storage, pin: '' });
  const records = [...databases.values()][0]!;
  const saved = records.get('device');
  records.clear();
  expect(await keyHealth(storage)).toMatchObject({ state: 'lost', missing: 'record' });
  records.set('device', saved);
  await device.unenroll();
  expect(await keyHealth(storage)).toEqual({ state: 'none' });
});

test('where there is no IndexedDB, that is said at once', () => {
  expect(() => indexedDbStorage()).toThrow('no IndexedDB here');
});
