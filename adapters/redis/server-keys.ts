import type { KeyState, KeyStore, ServerKey } from '../../src/domain/ports/records.ts';
import type { Context } from './context.ts';
import { answered } from './failures.ts';

const PARTITION = '00';

/**
 * All keys in one hash: `b:<kid>` the key as JSON, `s:` its state, `v:` version, `p:` private half, `r:` retiredAt, and
 * `a:` activatedAt, `c:<use>:<alg>` the current kid, `n:<use>:<alg>` the one that waits. A kid is part of a field's name only, never of a key.
 */
export function createKeyStore({ client, keys, scripts, changes }: Context): KeyStore {
  const table = [keys.root(PARTITION), keys.at(PARTITION, 'serverKeys')];

  return {
    async list() {
      const fields = await answered(client.hgetall(table[1]!));
      const kids = Object.keys(fields).flatMap((name) => (name.startsWith('b:') ? [name.slice(2)] : []));
      return kids.map((kid) => toKey(kid, fields)).sort((a, b) => a.createdAt - b.createdAt);
    },

    async add({ key, replaces = '', now, events }) {
      const { kid, use, alg, state, version, sealed = '', retiredAt: _none, ...rest } = key;
      const args = [
        kid,
        `${use}:${alg}`,
        JSON.stringify({ kid, use, alg, ...rest }),
        sealed,
        replaces,
        state,
        now,
        changes(events),
        version,
      ];
      const [result] = await scripts.run('addKey', table, args);
      return { result };
    },

    async promote({ kid, replaces = '', now, events }) {
      return (await scripts.run('promoteKey', table, [kid, replaces, now, changes(events)])) === 1;
    },

    async destroy({ kid, events }) {
      return (await scripts.run('destroyKey', table, [kid, changes(events)])) === 1;
    },
  };
}

function toKey(kid: string, fields: Record<string, string>): ServerKey {
  const [sealed, retiredAt, activatedAt] = [fields[`p:${kid}`], fields[`r:${kid}`], fields[`a:${kid}`]];
  return {
    ...JSON.parse(fields[`b:${kid}`]!),
    version: Number(fields[`v:${kid}`]),
    state: fields[`s:${kid}`] as KeyState,
    ...(sealed !== undefined && { sealed }),
    ...(activatedAt !== undefined && { activatedAt: Number(activatedAt) }),
    ...(retiredAt !== undefined && { retiredAt: Number(retiredAt) }),
  };
}
