import { freePorts } from '../ports.ts';
import { startRedis, type TestRedis } from '../redis.ts';
import { startServer, type TestServer } from '../server.ts';
import type { History } from './history.ts';
import { now } from './history.ts';

export type StoreKind = 'embedded' | 'redis';

/** One server on one file, or two servers on one Redis behind one address. */
export interface Deployment extends AsyncDisposable {
  kind: StoreKind;
  servers: TestServer[];
  redis: TestRedis | undefined;
  /** Where the next request goes: to the servers in turn, as a balancer would send it. */
  next(): TestServer;
  /** SIGKILL to one server, and the same again at once. The history gets the outage. */
  crash(server?: TestServer): Promise<void>;
}

export interface DeployOptions {
  config?: Record<string, unknown>;
  /** Redis that is there already, and stays. */
  store?: string;
  /** Beside the suite's own. */
  moreClients?: Record<string, unknown>[];
  history?: History;
  /** Embedded only: a program to run the server under. */
  wrapper?: string[];
  /** Of the servers' processes. */
  env?: Record<string, string>;
}

export const clientIds = ['shop', 'bank', 'cafe'] as const;

const ciba = 'urn:openid:params:grant-type:ciba';

/** Clients of their own: no number to match, so that a phone can answer without anybody looking at the client. */
const clients = clientIds.map((client_id) => ({
  client_id,
  client_secret: `${client_id}-secret-of-the-reliability-suite-0123456789`,
  client_name: `The ${client_id}`,
  grant_types: [ciba, 'refresh_token'],
  backchannel_token_delivery_mode: 'poll',
  assent_match: 'none',
}));

export async function deploy(
  kind: StoreKind,
  { config = {}, moreClients = [], history, wrapper = [], env = {}, store }: DeployOptions = {},
): Promise<Deployment> {
  // whoever died while it issued tokens is waited for this long; the shortest that the settings allow
  const common = { redemption: { leaseMs: 500 }, ...config, clients: [...clients, ...moreClients] };
  if (kind === 'embedded')
    return deploymentOf(kind, [await startServer({ config: common, wrapper, env })], undefined, history);

  const redis = store === undefined ? await startRedis() : undefined;
  // both answer under the address of the balancer that this suite plays
  const [publicPort, authenticatorPort] = await freePorts(2);
  const address = {
    issuer: `http://localhost:${publicPort}`,
    authenticator: { origin: `http://localhost:${authenticatorPort}` },
  };
  const starts = [0, 1].map(() => startServer({ store: store ?? redis!.url, config: { ...common, ...address }, env }));
  const started = await Promise.allSettled(starts);
  const servers = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const failed = started.find((each) => each.status === 'rejected');
  const deployment = deploymentOf(kind, servers, redis, history);
  if (!failed) return deployment;
  await deployment[Symbol.asyncDispose]();
  throw failed.reason;
}

function deploymentOf(
  kind: StoreKind,
  servers: TestServer[],
  redis: TestRedis | undefined,
  history: History | undefined,
): Deployment {
  let turn = 0;
  return {
    kind,
    servers,
    redis,
    next: () => servers[turn++ % servers.length]!,
    async crash(server = servers[0]!) {
      const from = now();
      await server.kill();
      await server.restart();
      history?.append({ kind: 'outage', from, until: now() });
    },
    async [Symbol.asyncDispose]() {
      const ends = servers.map((server) => server[Symbol.asyncDispose]());
      await Promise.allSettled(ends);
      await redis?.stop();
      await Promise.all(ends);
    },
  };
}
