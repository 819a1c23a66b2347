// What a start would refuse, told without one.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from './config.ts';
import { loadPlugins } from './plugins.ts';
import { systemClock } from './support/clock.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Whatever stops a start beside the settings themselves: modules of plug-ins, files of certificates and keys, clients, users of
 * the seed. It is a start up to where it would open ports, on a store that is thrown away, so that nothing is checked in two ways.
 *
 * @throws ConfigError; Error where a plug-in of keys cannot be asked
 */
export async function checkStart(config: Config): Promise<void> {
  const plugins = await loadPlugins(config);
  const [{ openEmbeddedStore }, { createServer }] = await Promise.all([
    import('../adapters/embedded/index.ts'),
    import('./server.ts'),
  ]);
  const folder = await mkdtemp(join(tmpdir(), 'assent-check-'));
  try {
    const store = await openEmbeddedStore({ file: join(folder, 'assent.db'), log });
    const deps = { store, artifacts: store.artifacts, masterKey: randomBytes(32), plugins, clock: systemClock, log };
    await createServer(config, deps).finally(() => store.close());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
