import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import type { RedisUrl } from './url.ts';

/** What this adapter tells of itself; the server's log fits. */
export interface StoreLog {
  info(event: string, fields?: Record<string, unknown>): void;
  warn(event: string, fields?: Record<string, unknown>): void;
}

export interface ConnectOptions {
  log: StoreLog;
  /** For `rediss`: certificates beyond the system's own. */
  tls?: ConnectionOptions;
  /** How long a first connection may take. */
  openWithinMs: number;
  /** The caller's patience with one command. One that timed out may have been done: all scripts bear a repetition. */
  commandTimeoutMs: number;
}

export interface Connection {
  client: Redis | Cluster;
  /** Connections to the masters: one, or one for each node of a cluster. */
  masters(): Redis[];
  /** A further connection for subscriptions; not connected yet, and never again once it has ended. */
  newSubscriber(): Redis;
  close(): Promise<void>;
}

/**
 * Every figure was measured (requirements, reliability): with these and a patience of 500 ms a black hole costs an error after
 * 500 ms and service is back 0.2 s after it heals; with the defaults a command hangs for the whole outage.
 */
const profile = {
  connectTimeout: 1_000,
  /** The default of 10 s is how long ioredis sleeps after a restart, however soon Redis has loaded its data. */
  maxLoadingRetryTime: 200,
  /** Refuse at once while there is no connection; the caller answers 503 and comes back. */
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
  /** Sending again is for the caller to decide, who knows what the call means. */
  autoResendUnfulfilledCommands: false,
  /** A master that has become a replica: find the new one. */
  reconnectOnError: (error: Error) => error.message.includes('READONLY'),
  connectionName: 'assent',
  disableClientInfo: true,
  lazyConnect: true,
} satisfies RedisOptions;

const profileWith = (commandTimeout: number) => ({
  ...profile,
  commandTimeout,
  /** No answer for so long means that nobody is there (a stopped master after a failover): connect anew. */
  socketTimeout: 3 * commandTimeout,
});

const retryDelayMs = (times: number) => Math.min(50 * times, 500);

/** @throws StoreUnavailable when there is no connection within `openWithinMs` */
export async function connect(url: RedisUrl, options: ConnectOptions): Promise<Connection> {
  const connection = url.kind === 'cluster' ? toCluster(url, options) : toSingle(url, options);
  reportOutages(connection.client, options.log);
  try {
    await firstConnection(connection, options.openWithinMs);
  } catch (error) {
    connection.client.disconnect();
    throw error;
  }
  return connection;
}

function toSingle(url: RedisUrl, { tls, commandTimeoutMs }: ConnectOptions): Connection {
  const options: RedisOptions = {
    ...profileWith(commandTimeoutMs),
    ...credentialsOf(url),
    db: url.db,
    ...(url.kind === 'sentinel'
      ? {
          sentinels: url.hosts,
          name: url.master!,
          enableTLSForSentinelMode: url.tls,
          sentinelCommandTimeout: 500,
          // After a planned failover the old master goes on taking writes, for seconds, that nobody will ever see: leave it
          // when the sentinels say so, not when it does.
          failoverDetector: true,
        }
      : url.hosts[0]),
    ...(url.tls && { tls: { ...tls } }),
  };
  const client = new Redis({ ...options, retryStrategy: retryDelayMs });
  gatherWrites(client);
  return {
    client,
    masters: () => [client],
    newSubscriber: () => new Redis({ ...options, retryStrategy: () => null, autoResubscribe: false }),
    close: () => close(client),
  };
}

function toCluster(url: RedisUrl, { tls, commandTimeoutMs }: ConnectOptions): Connection {
  const redisOptions: RedisOptions = {
    ...profileWith(commandTimeoutMs),
    ...credentialsOf(url),
    ...(url.tls && { tls: { ...tls } }),
  };
  const options: ClusterOptions = {
    redisOptions,
    enableOfflineQueue: false,
    lazyConnect: true,
    clusterRetryStrategy: retryDelayMs,
    // Would send a command again whose connection broke, done or not.
    retryDelayOnFailover: 0,
    slotsRefreshInterval: 5_000,
    // Certificates name hosts; resolving first would leave only addresses to check.
    ...(url.tls && { dnsLookup: (address, callback) => callback(null, address) }),
  };
  const client = new Cluster(url.hosts, options);
  keepNodesConnected(client);
  client.on('+node', gatherWrites);
  const masters = () => client.nodes('master');
  return {
    client,
    masters,
    newSubscriber() {
      const nodes = masters();
      const node = nodes[Math.floor(Math.random() * nodes.length)];
      if (!node) throw new StoreUnavailable('no node of the cluster is known at the moment');
      const { host, port } = node.options;
      return new Redis({ ...redisOptions, host, port, retryStrategy: () => null, autoResubscribe: false });
    },
    close: () => close(client),
  };
}

function credentialsOf({ username, password }: RedisUrl): RedisOptions {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

/**
 * Commands of one turn of the event loop leave in one system call: under load, writing each by itself is the dearest part
 * of a poll. Order, answers, errors and deadlines stay those of each command, which an automatic pipeline would change.
 */
function gatherWrites(client: Redis): void {
  client.on('connect', () => {
    const { stream } = client;
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
    stream.write = (...args: unknown[]) => {
      if (stream.writableCorked === 0) {
        stream.cork();
        setImmediate(() => stream.uncork());
      }
      return write(...args);
    };
  });
}

/**
 * ioredis connects to a node with its first command and refuses the others meanwhile; so connect as soon as the node is
 * known, but not before its own ready check, which it would refuse just the same. When a node is lost, ask soon who
 * serves its slots; not at once, for it may be lost again and again.
 */
function keepNodesConnected(client: Cluster): void {
  let isDue = false;
  const connectWaiting = () => {
    if (client.status !== 'ready') return;
    for (const node of client.nodes()) if (node.status === 'wait') node.connect().catch(() => {});
  };
  client.on('ready', connectWaiting);
  client.on('+node', () => setImmediate(connectWaiting));
  client.on('-node', () => {
    if (isDue) return;
    isDue = true;
    setTimeout(() => {
      isDue = false;
      if (client.status === 'ready') client.refreshSlotsCache();
    }, 200).unref();
  });
}

async function firstConnection({ client, masters }: Connection, withinMs: number): Promise<void> {
  let cause: unknown;
  const remember = (error: unknown) => {
    cause = error;
  };
  client.on('error', remember);
  client.on('node error', remember);
  const deadline = performance.now() + withinMs;
  client.connect().catch(remember);
  while (client.status !== 'ready' || masters().length === 0 || masters().some(({ status }) => status !== 'ready')) {
    if (performance.now() > deadline) {
      throw new StoreUnavailable(`Redis could not be reached within ${withinMs / 1000} s`, { cause });
    }
    await sleep(10);
  }
  client.off('error', remember);
  client.off('node error', remember);
}

/** One line when the connection is lost, one when it is back; not one for each attempt. */
function reportOutages(client: Redis | Cluster, log: StoreLog): void {
  let lost = false;
  client.on('error', () => {}); // every failure reaches the call that it concerns
  client.on('close', () => {
    if (!lost && client.status !== 'end') log.warn('store.connection_lost');
    lost = true;
  });
  client.on('ready', () => {
    if (lost) log.info('store.connection_restored');
    lost = false;
  });
}

async function close(client: Redis | Cluster): Promise<void> {
  // QUIT is answered after everything before it.
  await client.quit().catch(() => {});
  client.disconnect();
}
