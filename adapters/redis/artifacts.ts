import type { ArtifactStore } from '../../src/protocol/ports.ts';
import { lifetimeMs } from './changes.ts';
import type { Context } from './context.ts';
import { answered } from './failures.ts';

export function createArtifactStore({ client, keys, scripts, replicated }: Context): ArtifactStore {
  return {
    async write(artifacts, now) {
      await Promise.all(
        artifacts.map(({ model, id, payload, expiresAt }) =>
          scripts.run('writeArtifact', [keys.artifact(model, id)], [payload, expiresAt, lifetimeMs(expiresAt, now)]),
        ),
      );
    },

    async read(model, id, now) {
      const { p, x, c } = await answered(client.hgetall(keys.artifact(model, id)));
      if (p === undefined || now >= Number(x)) return undefined;
      const artifact = { model, id, payload: p, expiresAt: Number(x) };
      return c === undefined ? artifact : { ...artifact, consumedAt: Number(c) };
    },

    async consume(model, id, now) {
      return (await scripts.run('consumeArtifact', [keys.artifact(model, id)], [now])) === 1;
    },

    async destroy(model, id) {
      const key = keys.artifact(model, id);
      await (replicated ? replicated(key, (on) => on.del(key)) : answered(client.del(key)));
    },
  };
}
