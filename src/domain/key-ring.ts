import { type Clock, SECOND } from '../support/clock.ts';
import {
  createMasterKey,
  createRootedSecrets,
  type MasterKey,
  masterKeyIdIn,
  type Root,
  rootIdIn,
  rootIdOf,
  type Secrets,
} from '../support/secrets.ts';
import { DomainError } from './errors.ts';
import { bySystem, newEvent } from './new-event.ts';
import type { KeyRingStore, KeySlot, KeyStore, StoredKeyRing } from './ports/records.ts';
import type { By } from './users.ts';

/**
 * What everything secret hangs on: the data root, random, kept in the store, and closed by the master key in a *slot*, as
 * LUKS has them. A master key opens its slot and nothing else, so another one can take its place without a record moving.
 *
 *     master key A ──┐                     ┌── generation 1: look-ups for ever; sealed until there was a second
 *                    ├─ opens its slot ─> root ── generation 2: sealed since
 *     master key B ──┘                     └── …
 *
 *     slot:        added by the first start with a new key ──> forgotten when told
 *     generation:  made ──some seconds, until every process has read it──> seals ──a next one──> opens only
 */
export interface KeyRing {
  secrets: Secrets;
  status(): KeyRingStatus;
  /** What is sealed from now on (some seconds) is under new key material. Idempotent while a generation waits. */
  rotate(by: By): Promise<void>;
  /** A master key opens the store no longer, by whichever of its slots. @throws DomainError master_key_not_found | master_key_in_use */
  forget(slotId: string, by: By): Promise<void>;
  /** What other processes have changed. @throws Error once, where they forgot the master key of this one */
  reload(): Promise<void>;
}

export interface KeyRingStatus {
  /** Slot of the master key that this process was started with. */
  inUse: string;
  /** One for each master key. */
  slots: { id: string; createdAt: number }[];
  /** Oldest first. */
  generations: { id: string; createdAt: number; sealsFrom: number }[];
}

export interface KeyRingDeps {
  store: { keyRing: KeyRingStore; keys: Pick<KeyStore, 'list'> };
  clock: Clock;
  random: (length: number) => Buffer;
  masterKey: Buffer;
  /** They open the store where the one in use does not yet. */
  formerMasterKeys?: readonly Buffer[];
}

/** The store belongs to another master key. Nothing was written. */
export class MasterKeyRefused extends Error {
  constructor() {
    super(
      'is not the master key of this store. Give the one that it was made with; after a change, as the former one.',
    );
    this.name = 'MasterKeyRefused';
  }
}

/** Processes read the ring once a second; a generation is used when even a busy one has. */
const settleMs = 3 * SECOND;

interface Generation extends Root {
  createdAt: number;
}

/** @throws MasterKeyRefused */
export async function openKeyRing(deps: KeyRingDeps): Promise<KeyRing> {
  const { store, clock, random } = deps;
  const inUse = createMasterKey(deps.masterKey);
  const masters = [deps.masterKey, ...(deps.formerMasterKeys ?? [])].flatMap((secret) => [
    createMasterKey(secret),
    createMasterKey(secret, 'former'),
  ]);
  let ring = await found();
  let generations = opened(ring, masters) ?? refuse();
  const secrets = createRootedSecrets(generations, clock);

  /** Of all processes that start on an empty store, one makes the root. */
  async function found(): Promise<StoredKeyRing> {
    const stored = await store.keyRing.read();
    if (stored) return stored;
    const before = await masterKeyBefore();
    // read again: keys are sealed only when there is a ring, so whoever has made keys meanwhile has made it
    const meanwhile = await store.keyRing.read();
    if (meanwhile) return meanwhile;
    const now = clock();
    const first = [{ key: before ?? random(32), sealsFrom: 0, createdAt: now }];
    const owner = before ? createMasterKey(before) : inUse;
    const made = { version: 1, slots: [slotOf(owner, first, now)] };
    const isSaved = await store.keyRing.save({ ring: made, events: [event('key.master_added', bySystem, owner.id)] });
    return isSaved ? made : ((await store.keyRing.read()) ?? refuse());
  }

  /** Before there were slots, the master key was the root: it stays the first generation, and every record as it is. */
  async function masterKeyBefore(): Promise<Buffer | undefined> {
    const sealed = (await store.keys.list()).flatMap((key) => key.sealed ?? [])[0];
    if (sealed === undefined) return undefined;
    const given = [deps.masterKey, ...(deps.formerMasterKeys ?? [])];
    const root = given.find((secret) => rootIdOf(secret) === rootIdIn(sealed));
    // unless another process has just made both ring and keys
    return root ?? ((await store.keyRing.read()) ? undefined : refuse());
  }

  function event(type: 'key.master_added' | 'key.master_forgotten' | 'key.master_rotated', by: By, id: string) {
    return newEvent(type, clock(), by, { partition: '00', data: { id } });
  }

  /** Reads, changes, writes; again where somebody was faster. `undefined`: there is nothing to change. */
  async function change(next: () => { slots: KeySlot[]; event: ReturnType<typeof event> } | undefined): Promise<void> {
    for (;;) {
      await reload();
      const changed = next();
      if (!changed) return;
      const wanted = { version: ring.version + 1, slots: changed.slots };
      if (await store.keyRing.save({ ring: wanted, events: [changed.event] })) return reload();
    }
  }

  async function reload(): Promise<void> {
    const stored = await store.keyRing.read();
    if (!stored || stored.version === ring.version) return;
    ring = stored;
    const readable = opened(ring, masters);
    // what it has, it has: it goes on, and only cannot start again
    if (!readable) throw new Error('the store has forgotten the master key that this process was started with');
    generations = readable;
    secrets.replaceRoots(generations);
  }

  /** The first start with a new master key gives it its slot. */
  async function addOwnSlot(): Promise<void> {
    if (ring.slots.some(({ id }) => id === inUse.id)) return;
    await change(() => {
      if (ring.slots.some(({ id }) => id === inUse.id)) return undefined;
      const slots = [...ring.slots, slotOf(inUse, generations, clock())];
      return { slots, event: event('key.master_added', bySystem, inUse.id) };
    });
  }
  await addOwnSlot();

  return {
    secrets,
    reload,
    status: () => ({
      inUse: inUse.id,
      slots: onePerKey(ring.slots).map(({ id, createdAt }) => ({ id, createdAt })),
      generations: generations.map(({ key, createdAt, sealsFrom }) => ({ id: rootIdOf(key), createdAt, sealsFrom })),
    }),

    async rotate(by) {
      await change(() => {
        if (generations.at(-1)!.sealsFrom > clock()) return undefined;
        const other = onePerKey(ring.slots).find(({ id }) => !masters.some((master) => master.id === id));
        if (other) throw new DomainError('master_key_others', { members: { master_key_id: other.id } });
        const next = { key: random(32), createdAt: clock(), sealsFrom: clock() + settleMs };
        const slots = ring.slots.map(({ id, createdAt }) => {
          const master = masters.find((each) => each.id === id)!;
          return slotOf(master, [...generations, next], createdAt);
        });
        return { slots, event: event('key.master_rotated', by, rootIdOf(next.key)) };
      });
    },

    async forget(slotId, by) {
      const forgotten = masterKeyIdIn(slotId);
      if (forgotten === inUse.id) throw new DomainError('master_key_in_use');
      await change(() => {
        const isThere = ring.slots.some(({ id }) => id === slotId || masterKeyIdIn(id) === slotId);
        if (!isThere) throw new DomainError('master_key_not_found');
        const slots = ring.slots.filter(({ id }) => masterKeyIdIn(id) !== forgotten);
        return { slots, event: event('key.master_forgotten', by, slotId) };
      });
    },
  };
}

function refuse(): never {
  throw new MasterKeyRefused();
}

function slotOf(master: MasterKey, generations: readonly Generation[], createdAt: number): KeySlot {
  const content = generations.map(({ key, ...rest }) => ({ key: key.toString('base64url'), ...rest }));
  return { id: master.id, createdAt, sealed: master.close(JSON.stringify(content)) };
}

/** A slot under an id of the former form is left out where the same master key has one beside it. */
function onePerKey(slots: readonly KeySlot[]): KeySlot[] {
  const ids = new Set(slots.map(({ id }) => id));
  return slots.filter(({ id }) => masterKeyIdIn(id) === id || !ids.has(masterKeyIdIn(id)));
}

/** By the first master key that has a slot. @throws Error where the slot was changed */
function opened({ slots }: StoredKeyRing, masters: readonly MasterKey[]): Generation[] | undefined {
  for (const master of masters) {
    const slot = slots.find(({ id }) => id === master.id);
    if (!slot) continue;
    const content: (Omit<Generation, 'key'> & { key: string })[] = JSON.parse(contentOf(slot, master));
    return content.map(({ key, ...rest }) => ({ key: Buffer.from(key, 'base64url'), ...rest }));
  }
  return undefined;
}

function contentOf({ id, sealed }: KeySlot, master: MasterKey): string {
  try {
    return master.open(sealed);
  } catch (cause) {
    throw new Error(`The slot ${id} of the master key was changed in the store, or is damaged.`, { cause });
  }
}
