import type { ConnectionOptions } from 'node:tls';
import type { Store } from '../../src/domain/ports/store.ts';
import type { ArtifactStore } from '../../src/protocol/ports.ts';
import { DAY, HOUR } from '../../src/support/clock.ts';
import { createArtifactStore } from './artifacts.ts';
import { createChanges } from './changes.ts';
import { createCheck } from './check.ts';
import { createClientStore } from './clients.ts';
import { type Connection, connect, type StoreLog } from './connect.ts';
import type { Context } from './context.ts';
import { createCounterStore } from './counters.ts';
import { createDeviceStore } from './devices.ts';
import { createEventStore } from './events.ts';
import { answered } from './failures.ts';
import { createIdempotencyStore } from './idempotency.ts';
import { createKeyRingStore } from './key-ring.ts';
import { createKeys } from './keys.ts';
import { createNotificationLogStore } from './notification-log.ts';
import { createOperationStore } from './operations.ts';
import { createOutboxStore } from './outbox.ts';
import { createReplayStore } from './replay.ts';
import { createReplicated, type ReplicaWait } from './replicas.ts';
import { raiseSchema, warnOfLosses } from './schema.ts';
import { createScripts } from './scripts.ts';
import { createKeyStore } from './server-keys.ts';
import { parseRedisUrl } from './url.ts';
import { createUserStore } from './users.ts';
import { createWakeups } from './wakeups.ts';
import { createWalk } from './walk.ts';

export interface RedisStoreOptions {
  /** `redis://`, `redis+sentinel://`, `redis+cluster://`, or `rediss…` for TLS; see url.ts. */
  url: string;
  /** Every key begins with it: several stores may share a server. */
  prefix?: string;
  log?: StoreLog;
  tls?: ConnectionOptions;
  /** How long audit events are kept. */
  eventRetentionMs?: number;
  /** What the user's devices are told of goes into the outbox as well (src/domain/ports/outbox.ts). */
  outsideNotices?: boolean;
  /** How long the first connection may take: Redis may still be starting. */
  openWithinMs?: number;
  /** Whoever asks is told that the store is away when one command takes longer. */
  commandTimeoutMs?: number;
  /** What must not be lost with a master is acknowledged when replicas have it. Without: as soon as the master has it. */
  waitForReplicas?: ReplicaWait;
}

export type RedisStore = Store & { artifacts: ArtifactStore };

/**
 * @throws RangeError when the URL or the prefix cannot be read
 * @throws StoreUnavailable when nobody answers in time
 * @throws Error when the store is of a newer schema version, and not for this program
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<RedisStore> {
  const { prefix = 'assent:', log = silent, eventRetentionMs = 400 * DAY, outsideNotices = false } = options;
  const keys = createKeys(prefix);
  const connections = await openConnections(options, log);
  const [connection, ofReplicated] = connections;
  const { client } = connection;
  const replicated = ofReplicated && createReplicated(ofReplicated.client, keys, options.waitForReplicas!);
  const scripts = createScripts(client, replicated);
  try {
    await raiseSchema(scripts, keys);
    await Promise.all(connection.masters().map((master) => warnOfLosses(master, log)));
  } catch (error) {
    await closeAll(connections);
    throw error;
  }
  const changes = createChanges(eventRetentionMs, outsideNotices);
  const context = {
    client,
    keys,
    scripts,
    changes,
    walk: createWalk(),
    eventRetentionMs,
    outsideNotices,
    ...(replicated && { replicated }),
  };
  return storeOf(context, connection, log, () => closeAll(connections));
}

/** One for all, and one for what waits for replicas, so that nothing else does. */
async function openConnections(
  { url, tls, openWithinMs = 10_000, commandTimeoutMs = 500, waitForReplicas }: RedisStoreOptions,
  log: StoreLog,
): Promise<[Connection, Connection?]> {
  const common = { openWithinMs, commandTimeoutMs, ...(tls && { tls }) };
  const connection = await connect(parseRedisUrl(url), { ...common, log });
  if (!waitForReplicas || waitForReplicas.count === 0) return [connection];
  try {
    // what is lost and found again is told by the first; a command waits for the WAIT before it, and then for its own
    const patience = { commandTimeoutMs: 2 * waitForReplicas.withinMs + commandTimeoutMs };
    return [connection, await connect(parseRedisUrl(url), { ...common, ...patience, log: silent })];
  } catch (error) {
    await connection.close();
    throw error;
  }
}

async function closeAll(connections: (Connection | undefined)[]): Promise<void> {
  await Promise.all(connections.map((each) => each?.close()));
}

function storeOf(context: Context, connection: Connection, log: StoreLog, close: () => Promise<void>): RedisStore {
  const { client, keys, scripts, walk, eventRetentionMs } = context;
  const wakeups = createWakeups(keys, connection.newSubscriber);
  return {
    users: createUserStore(context),
    devices: createDeviceStore(context),
    operations: createOperationStore(context),
    outbox: createOutboxStore(context),
    events: createEventStore(context),
    replay: createReplayStore(context),
    counters: createCounterStore(context),
    idempotency: createIdempotencyStore(context),
    keys: createKeyStore(context),
    keyRing: createKeyRingStore(context),
    clients: createClientStore(context),
    notificationLog: createNotificationLogStore(context),
    artifacts: createArtifactStore(context),
    wakeups: { subscribe: wakeups.subscribe },

    check: createCheck(connection, keys, log),

    async collectGarbage({ partitions, now, limit }) {
      const { taken, more } = await walk(partitions, limit, {
        kind: 'garbage',
        count: (partition) => answered(client.zcount(keys.at(partition, 'garbage'), '-inf', now - HOUR)),
        take: (partition, share) =>
          scripts.run(
            'collectGarbage',
            [keys.root(partition), keys.at(partition, 'garbage')],
            [now, share, eventRetentionMs],
          ),
      });
      return {
        deleted: taken.reduce((sum, [deleted]) => sum + deleted, 0),
        more: more || taken.some(([, isLeft]) => isLeft === 1),
      };
    },

    async close() {
      wakeups.close();
      await close();
    },
  };
}

const silent: StoreLog = { info() {}, warn() {} };
