/** Storage of the browser: keys stay CryptoKey objects, which IndexedDB clones without ever showing their private half. */
import type { DeviceStorage, DeviceTrace, Slot, StoredRecords } from './storage.ts';

export interface IndexedDbOptions {
  /** one device per name; several users of one browser have several */
  name?: string;
  indexedDB?: IdbFactory;
  /** holds the trace; `undefined` where there is none */
  localStorage?: Pick<TraceStore, 'getItem' | 'setItem' | 'removeItem'> | undefined;
}

interface TraceStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

// The few members of the DOM's types that are used here, so that the file also compiles where there is no DOM.
interface IdbRequest<T> {
  result: T;
  error: unknown;
  onsuccess: unknown;
  onerror: unknown;
}
interface IdbObjectStore {
  get(key: string): IdbRequest<unknown>;
  put(value: unknown, key: string): unknown;
  delete(key: string): unknown;
}
interface IdbTransaction {
  objectStore(name: string): IdbObjectStore;
  error: unknown;
  oncomplete: unknown;
  onerror: unknown;
  onabort: unknown;
}
interface IdbDatabase {
  createObjectStore(name: string): unknown;
  transaction(store: string, mode: 'readonly' | 'readwrite', options?: { durability: 'strict' }): IdbTransaction;
  close(): void;
}
interface IdbFactory {
  open(name: string, version: number): IdbRequest<IdbDatabase> & { onupgradeneeded: unknown };
}

const store = 'records';

export function indexedDbStorage(options: IndexedDbOptions = {}): DeviceStorage {
  const { name = 'assent-device' } = options;
  const surroundings = globalThis as { indexedDB?: IdbFactory; localStorage?: TraceStore };
  const factory = options.indexedDB ?? surroundings.indexedDB;
  if (!factory) throw new TypeError('no IndexedDB here');
  const traces = 'localStorage' in options ? options.localStorage : surroundings.localStorage;
  return {
    exportable: false,
    load: async <S extends Slot>(slot: S) => (await read(factory, name, slot)) as StoredRecords[S] | undefined,
    save: (slot, record) => write(factory, name, (records) => records.put(record, slot)),
    update: async <S extends Slot>(slot: S, change: (held: StoredRecords[S]) => StoredRecords[S]) => {
      let changed: StoredRecords[S] | undefined;
      await write(factory, name, (records) => {
        const reading = records.get(slot);
        reading.onsuccess = () => {
          if (reading.result === undefined) return;
          changed = change(reading.result as StoredRecords[S]);
          records.put(changed, slot);
        };
      });
      return changed;
    },
    erase: (slot) => write(factory, name, (records) => records.delete(slot)),
    ...(traces && { trace: traceIn(traces, name) }),
  };
}

/** Local storage is cleared separately from IndexedDB in most browsers: what is left there tells of a loss. */
function traceIn(traces: TraceStore, key: string): NonNullable<DeviceStorage['trace']> {
  return {
    recall: async () => readTrace(traces.getItem(key)),
    remember: async (trace) => traces.setItem(key, JSON.stringify(trace)),
    forget: async () => traces.removeItem(key),
  };
}

function readTrace(text: string | null): DeviceTrace | undefined {
  try {
    return text === null ? undefined : (JSON.parse(text) as DeviceTrace);
  } catch {
    return undefined;
  }
}

async function read(factory: IdbFactory, name: string, key: string): Promise<unknown> {
  const database = await open(factory, name);
  try {
    return await settled(database.transaction(store, 'readonly').objectStore(store).get(key));
  } finally {
    database.close();
  }
}

/** `strict`: a device that the server believes to be enrolled must not be lost to a power cut. */
async function write(factory: IdbFactory, name: string, change: (records: IdbObjectStore) => unknown): Promise<void> {
  const database = await open(factory, name);
  try {
    const transaction = database.transaction(store, 'readwrite', { durability: 'strict' });
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
      change(transaction.objectStore(store));
    });
  } finally {
    database.close();
  }
}

async function open(factory: IdbFactory, name: string): Promise<IdbDatabase> {
  const request = factory.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(store);
  return settled(request);
}

function settled<T>(request: IdbRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
