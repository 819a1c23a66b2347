import type { UserStore } from '../../src/domain/ports/users.ts';
import type { IdentifierKind, StoredUser } from '../../src/domain/user.ts';
import { type Claim, createClaims, ownerOf } from './claims.ts';
import type { Context } from './context.ts';
import { answered } from './failures.ts';
import { idPart, partitionFor } from './keys.ts';
import { createPages } from './pages.ts';
import { readHash } from './read-hash.ts';
import { changedUserFields, fieldsJson, toUser, userFields } from './records.ts';

type Identifiers = StoredUser['identifiers'];

interface Claimed {
  taken?: IdentifierKind;
  held: Claim[];
}

// A claim may be taken over after 30 s. What took this long is claimed anew before the record is written.
const CLAIMS_TRUSTED_MS = 5_000;

export function createUserStore(context: Context): UserStore {
  const { client, keys, scripts, changes } = context;
  const claims = createClaims(scripts, keys);

  const entryKey = (kind: IdentifierKind, hmac: string) => keys.hashed('identifier', kind, hmac);
  const readPart = (part: string) => readRecord(keys.ofPart('user', part));
  const readRecord = async (key: string) => {
    const fields = await readHash(client, key);
    return fields && toUser(fields);
  };
  const get = (id: string) => readRecord(keys.of('user', id));

  function claimOne(kind: IdentifierKind, hmac: string, userId: string, now: number): Promise<Claim | undefined> {
    return claims.claim(entryKey(kind, hmac), userId, now, async (owner) =>
      (await readPart(owner))?.identifiers[kind] === hmac ? 'confirmed' : 'unconfirmed',
    );
  }

  /** One after the other, in one order for all: two callers who want the same ones do not each keep half. */
  async function claimAll(userId: string, identifiers: Identifiers, now: number): Promise<Claimed> {
    const started = performance.now();
    const held: Claim[] = [];
    try {
      for (const [kind, hmac] of entriesOf(identifiers)) {
        const claim = await claimOne(kind, hmac, userId, now);
        if (!claim) {
          await claims.release(held);
          return { taken: kind, held: [] };
        }
        held.push(claim);
      }
    } catch (error) {
      await claims.release(held).catch(() => {});
      throw error;
    }
    if (performance.now() - started < CLAIMS_TRUSTED_MS) return { held };
    await claims.release(held);
    return claimAll(userId, identifiers, now);
  }

  return {
    list: createPages(context, 'users', 'user', (_id, fields) => toUser(fields)),

    get,

    async findByIdentifier(kind, hmac) {
      const entry = await answered(client.get(entryKey(kind, hmac)));
      const user = entry === null ? undefined : await readPart(ownerOf(entry));
      return user?.identifiers[kind] === hmac ? user : undefined;
    },

    async create(user, now, events) {
      const { taken } = await claimAll(user.id, user.identifiers, now);
      if (taken) return { result: 'taken', kind: taken };
      const at = partitionFor(user.id);
      await scripts.run(
        'createUser',
        [keys.root(at), keys.of('user', user.id), keys.at(at, 'users')],
        [idPart(user.id), fieldsJson(userFields(user)), changes(events)],
      );
      return { result: 'created' };
    },

    async update(user, now, events) {
      const before = await get(user.id);
      if (!before) return { result: 'missing' };
      if (before.version !== user.version) return { result: 'stale' };
      const [added, dropped] = [difference(user, before), difference(before, user)];
      // Read before the write: what is claimed anew after it carries another entry, and stays.
      const leaving = await Promise.all(entriesOf(dropped).map(([kind, hmac]) => readEntry(entryKey(kind, hmac))));
      const { taken, held } = await claimAll(user.id, added, now);
      if (taken) return { result: 'taken', kind: taken };
      const reply = await scripts.run(
        'updateUser',
        [keys.root(partitionFor(user.id)), keys.of('user', user.id)],
        [user.version, fieldsJson(changedUserFields(user)), changes(events)],
      );
      if (reply[0] !== 'updated') {
        await claims.release(held);
        return { result: reply[0] };
      }
      const own = leaving.filter(({ entry }) => entry !== null && ownerOf(entry) === idPart(user.id));
      // The change is made; an entry that stays behind is confirmed by nobody and may be taken over.
      await Promise.all(own.map(({ key, entry }) => claims.drop(key, entry!))).catch(() => {});
      return { result: 'updated', user: toUser(reply[1]) };
    },

    async changeState({ id, from, to, closePending, now, events }) {
      const reply = await scripts.run(
        'changeUser',
        [keys.root(partitionFor(id)), keys.of('user', id)],
        [now, idPart(id), JSON.stringify(from), to, closePending ? '1' : '0', changes(events)],
      );
      if (reply[0] === 'missing') return { result: 'missing' };
      if (reply[0] === 'refused') return { result: 'refused', state: reply[1] as StoredUser['state'] };
      return { result: 'changed', user: toUser(reply[1]), closed: reply[2] };
    },
  };

  async function readEntry(key: string) {
    return { key, entry: await answered(client.get(key)) };
  }
}

const ORDER: readonly IdentifierKind[] = ['username', 'external_ref', 'email', 'phone'];

function entriesOf(identifiers: Identifiers): [IdentifierKind, string][] {
  return ORDER.flatMap((kind) => {
    const hmac = identifiers[kind];
    return hmac === undefined ? [] : [[kind, hmac] as [IdentifierKind, string]];
  });
}

/** Identifiers of one that the other does not have. */
function difference(one: StoredUser, other: StoredUser): Identifiers {
  return Object.fromEntries(entriesOf(one.identifiers).filter(([kind, hmac]) => other.identifiers[kind] !== hmac));
}
