/**
 * An embedded store's thread takes longer to start than most tests to run: the scenes of a file use those that earlier
 * ones have given back, emptied.
 */
import { join } from 'node:path';
import { type EmbeddedStore, openEmbeddedStore } from '../../adapters/embedded/index.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { empty } from '../support/embedded.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';

interface Kept {
  folder: TemporaryFolder;
  store: EmbeddedStore;
}

export interface Lent extends Kept {
  /** Instead of `store.close()`, which ends it as that of a process does: its file can be opened again. */
  giveBack(): Promise<void>;
}

const kept: Kept[] = [];
/** Those that are lent as well: a test that fails gives nothing back, and Jest would wait for the thread for ever. */
const open = new Set<Kept>();
let isFileOver = false;

afterAll(async () => {
  isFileOver = true;
  await Promise.all([...open].map(end));
});

/** An empty store in a folder of its own. */
export async function lendStore(): Promise<Lent> {
  const own = kept.pop() ?? (await openNew());
  const { store, settle } = forOneScene(own.store);
  let isClosed = false;
  return {
    folder: own.folder,
    store: {
      ...store,
      close: async () => {
        isClosed = true;
        await own.store.close();
      },
    },
    async giveBack() {
      await settle();
      if (isClosed || isFileOver) return end(own);
      empty(join(own.folder.path, 'assent.db'));
      kept.push(own);
    },
  };
}

async function openNew(): Promise<Kept> {
  const folder = await temporaryFolder('assent-domain');
  const own = { folder, store: await openEmbeddedStore({ file: join(folder.path, 'assent.db') }) };
  open.add(own);
  return own;
}

async function end(own: Kept): Promise<void> {
  if (!open.delete(own)) return;
  await own.store.close();
  await own.folder.remove();
}

type Method = (...args: unknown[]) => Promise<unknown>;

/** What is left running of a scene that is over finds the store closed, and hears of nothing. */
function forOneScene(store: EmbeddedStore) {
  const underWay = new Set<Promise<unknown>>();
  const subscriptions: (() => void)[] = [];
  let isOver = false;

  const guarded =
    (method: Method): Method =>
    (...args) => {
      if (isOver) return Promise.reject(new StoreUnavailable('the store is closed'));
      const answer = method(...args);
      underWay.add(answer);
      const forget = () => underWay.delete(answer);
      answer.then(forget, forget);
      return answer;
    };
  const entries = Object.entries(store).map(([name, member]: [string, object | Method]) => {
    if (typeof member === 'function') return [name, guarded(member as Method)];
    const methods = Object.entries(member as Record<string, Method>);
    return [name, Object.fromEntries(methods.map(([method, call]) => [method, guarded(call)]))];
  });
  const subscribe: EmbeddedStore['wakeups']['subscribe'] = async (...args) => {
    const stop = await store.wakeups.subscribe(...args);
    subscriptions.push(stop);
    return stop;
  };
  return {
    store: { ...Object.fromEntries(entries), wakeups: { subscribe } } as EmbeddedStore,
    async settle() {
      isOver = true;
      for (const stop of subscriptions) stop();
      await Promise.allSettled(underWay);
    },
  };
}
