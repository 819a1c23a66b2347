import { type Cluster, Command, Redis } from 'ioredis';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { answered } from './failures.ts';
import type { Keys } from './keys.ts';

export interface ReplicaWait {
  /** So many replicas must have it. */
  count: number;
  /** And have said so within this time. */
  withinMs: number;
}

/**
 * Sends one write, as one command that nobody sends again by itself, and answers when enough replicas have it.
 * @throws StoreUnavailable; it may have been done then
 */
export type Replicated = <T>(key: string, send: (client: Redis | Cluster) => Promise<T>) => Promise<T>;

/**
 * Acknowledgements that a lost master cannot take back. In one turn of the event loop:
 *
 *     script  script  script  SET beacon  WAIT   ──one system call──> the node of the slot ──> its replicas
 *     answer  answer  answer  OK          count  <──one round trip──
 *
 * On connections of their own, for WAIT holds up whatever comes after it: a poll waits for no replica. The beacon is a
 * write that always happens, so that WAIT covers all that the master has until then: a repetition writes nothing, and what
 * it repeats may have reached nobody.
 */
export function createReplicated(client: Redis | Cluster, keys: Keys, { count, withinMs }: ReplicaWait): Replicated {
  const leaving = new Map<Redis, Promise<boolean>>();

  /** What has been sent to the node until the end of this turn is where it must be. */
  function held(node: Redis, key: string): Promise<boolean> {
    let waiting = leaving.get(node);
    if (!waiting) {
      waiting = atEndOfTurn(node, keys.beaconBeside(key));
      leaving.set(node, waiting);
    }
    return waiting;
  }

  async function atEndOfTurn(node: Redis, beacon: string): Promise<boolean> {
    await new Promise(setImmediate);
    leaving.delete(node);
    const [, replicas] = await Promise.all([node.set(beacon, 1, 'PX', 1), node.wait(count, withinMs)]);
    return replicas >= count;
  }

  /** Slots move: whoever it was that did it, over these very connections, has handed it on. */
  async function heldByAll(cluster: Cluster): Promise<boolean> {
    const replicas = await Promise.all(cluster.nodes('master').map((node) => node.wait(count, withinMs)));
    return replicas.every((each) => each >= count);
  }

  async function isHeld(key: string, node: Redis, sent: Promise<unknown>): Promise<boolean> {
    const waiting = held(node, key);
    if (client instanceof Redis) return waiting;
    const [isSafe] = await Promise.all([waiting.catch(() => undefined), sent]);
    return isSafe === undefined || nodeOf(client, key) !== node ? heldByAll(client) : isSafe;
  }

  return async (key, send) => {
    const node = nodeOf(client, key);
    if (!node) throw new StoreUnavailable('no node of the cluster is known for this at the moment');
    const sent = send(client);
    const [reply, isSafe] = await answered(Promise.all([sent, isHeld(key, node, sent)]));
    if (!isSafe) throw new StoreUnavailable('not enough replicas have it in time');
    return reply;
  };
}

/** The master of the key's slot, as far as it is known here. */
function nodeOf(client: Redis | Cluster, key: string): Redis | undefined {
  if (client instanceof Redis) return client;
  const address = client.slots[new Command('get', [key]).getSlot()]?.[0];
  return client.nodes('master').find(({ options }) => `${options.host}:${options.port}` === address);
}
