// The process: configuration, store, server, drain. The only reader of process.*.
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import type { EmbeddedOptions } from '../adapters/embedded/index.ts';
import type { RedisStoreOptions } from '../adapters/redis/index.ts';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { formerMasterKeysOf, masterKeyOf } from './master-key.ts';
import { createLog, type Log } from './observability/log.ts';
import { loadPlugins } from './plugins.ts';
import type { Storage } from './server.ts';
import { HOUR, systemClock } from './support/clock.ts';
import { welcome } from './welcome.ts';

// sysexits.h: what a supervisor should not restart at once (78), and what it should (70)
const EX_CONFIG = 78;
const EX_SOFTWARE = 70;

process.umask(0o077);

try {
  const config = loadConfig({ file: process.env.ASSENT_CONFIG, env: process.env });
  await run(config, createLog({ level: config.log.level }));
} catch (error) {
  // One sentence for a person who starts it; a stack says nothing that they could act on.
  process.stderr.write(`assent: ${explain(error)}\n`);
  process.exit(error instanceof ConfigError ? EX_CONFIG : EX_SOFTWARE);
}

async function run(config: Config, log: Log): Promise<void> {
  const embeddedFile = config.store.startsWith('embedded:') ? config.store.slice('embedded:'.length) : undefined;
  const keyFile = embeddedFile ? `${embeddedFile}.key` : join('data', 'master.key');
  const masterKey = masterKeyOf(config.masterKey, keyFile);
  const formerMasterKeys = formerMasterKeysOf(config.masterKeyPrevious);
  const plugins = await loadPlugins(config);
  // The store opens (in its own thread, or over the network) while the server's modules are still being loaded.
  const [storage, { createServer }] = await Promise.all([
    openStorage(config, embeddedFile, log),
    import('./server.ts'),
  ]);
  const server = await createServer(config, {
    ...storage,
    masterKey,
    formerMasterKeys,
    plugins,
    clock: systemClock,
    log,
  });

  const stop = once(async (reason: string) => {
    log.info('process.stopping', { reason });
    // SIGKILL comes after the supervisor's own patience; leave before it with whatever is acknowledged on disk.
    setTimeout(() => process.exit(0), config.drainSeconds * 1000 + 1000).unref();
    await server.stop();
    await storage.store.close();
    process.exit(0);
  });
  process.on('SIGTERM', () => void stop('SIGTERM'));
  process.on('SIGINT', () => void stop('SIGINT'));
  // Without TLS it keeps its usual meaning: the terminal is gone, and so is what ran in it.
  if (config.tls) process.on('SIGHUP', () => server.reload());
  process.on('uncaughtException', (error) => fault(log, 'uncaughtException', error));
  process.on('unhandledRejection', (error) => fault(log, 'unhandledRejection', error));

  const addresses = await server.start();
  log.info('process.ready', { ...addresses, environment: config.environment, ms: Math.round(performance.now()) });
  if (config.environment === 'development') process.stdout.write(welcome(config, addresses));
  // node writes it at a regular exit; who is killed would leave nothing for the next start, which takes twice as long without
  flushCompileCache();
}

/** Only the adapter that is used is loaded. */
async function openStorage(config: Config, embeddedFile: string | undefined, log: Log): Promise<Storage> {
  const outsideNotices = config.plugins.notice !== undefined;
  const common = { log, eventRetentionMs: config.retention.auditHours * HOUR, outsideNotices };
  const store = embeddedFile
    ? await openEmbedded({ ...common, file: embeddedFile })
    : await openRedis({
        ...common,
        url: config.store,
        commandTimeoutMs: config.redis.commandTimeoutMs,
        waitForReplicas: { count: config.redis.waitReplicas, withinMs: config.redis.waitMs },
      });
  return { store, artifacts: store.artifacts };
}

async function openEmbedded(options: EmbeddedOptions) {
  const { openEmbeddedStore } = await import('../adapters/embedded/index.ts');
  return openEmbeddedStore(options);
}

async function openRedis(options: RedisStoreOptions) {
  const { openRedisStore } = await import('../adapters/redis/index.ts');
  return openRedisStore(options);
}

function explain(error: unknown): string {
  const { code, port, message } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE')
    return `port ${port} is in use. Stop what listens there, or choose another (ASSENT_PORT, ASSENT_MANAGEMENT_PORT, ASSENT_AUTHENTICATOR_PORT).`;
  if (code === 'EACCES' && port !== undefined)
    return `port ${port} may not be used by this account. Choose one above 1023.`;
  return message ?? String(error);
}

/** A state that nobody thought of: nothing in memory can be trusted, everything acknowledged is in the store. */
function fault(log: Log, event: string, error: unknown): void {
  log.error(`process.${event}`, { cause: error });
  process.exit(EX_SOFTWARE);
}

function once(work: (reason: string) => Promise<void>): (reason: string) => Promise<void> {
  let running: Promise<void> | undefined;
  return (reason) => {
    running ??= work(reason);
    return running;
  };
}
