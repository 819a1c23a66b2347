import type { Redis } from 'ioredis';
import type { Wake, Wakeups } from '../../src/domain/ports/store.ts';
import type { Partition } from '../../src/support/ids.ts';
import { answered } from './failures.ts';
import type { Keys } from './keys.ts';

type Listener = (wake: Wake) => void;

interface Topic {
  listeners: Set<Listener>;
  /** Resolves when Redis has confirmed the subscription of the current connection. */
  confirmed: Promise<unknown>;
}

// A subscriber sends nothing by itself, so nobody would notice that the other side is gone.
const HEARTBEAT_MS = 5_000;
const RETRY_MS = 250;

/**
 * Wake-ups by pub/sub: published by the scripts themselves, one channel per partition; heard on one connection of its
 * own, which subscribes to a partition while somebody listens to it. A connection that ends is replaced, and subscribes
 * again to all that is listened to; what was published in between is lost, as wake-ups may be.
 */
export function createWakeups(keys: Keys, newSubscriber: () => Redis): Wakeups & { close(): void } {
  const topics = new Map<Partition | '*', Topic>();
  let connection: Promise<Redis> | undefined;
  let heartbeat: NodeJS.Timeout | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  async function connect(): Promise<Redis> {
    const redis = newSubscriber();
    redis.on('error', () => {}); // its end is what matters
    redis.on('message', (channel: string, message: string) => hear(keys.partitionOfChannel(channel), channel, message));
    redis.on('pmessage', (_pattern: string, channel: string, message: string) => hear('*', channel, message));
    await redis.connect();
    redis.once('end', lost);
    clearInterval(heartbeat);
    heartbeat = setInterval(() => redis.ping().catch(() => redis.disconnect()), HEARTBEAT_MS).unref();
    return redis;
  }

  function connected(): Promise<Redis> {
    connection ??= connect().catch((error) => {
      connection = undefined;
      throw error;
    });
    return connection;
  }

  function lost(): void {
    clearInterval(heartbeat);
    connection = undefined;
    if (!closed && topics.size > 0) retry ??= setTimeout(resume, RETRY_MS).unref();
  }

  async function resume(): Promise<void> {
    retry = undefined;
    if (closed) return;
    try {
      await connected();
      for (const [name, topic] of topics) topic.confirmed = listenTo(name);
      await Promise.all([...topics.values()].map(({ confirmed }) => confirmed));
    } catch {
      const failed = connection;
      connection = undefined;
      failed?.then((redis) => redis.disconnect()).catch(() => {});
      retry ??= setTimeout(resume, RETRY_MS).unref();
    }
  }

  async function listenTo(name: Partition | '*'): Promise<void> {
    const redis = await connected();
    await (name === '*' ? redis.psubscribe(keys.channels) : redis.subscribe(keys.channel(name)));
  }

  async function leave(name: Partition | '*'): Promise<void> {
    topics.delete(name);
    const redis = await connection;
    await (name === '*' ? redis?.punsubscribe(keys.channels) : redis?.unsubscribe(keys.channel(name)));
  }

  function hear(name: Partition | '*', channel: string, message: string): void {
    const [operationId, state, userId] = message.split(' ') as [string, Wake['state'], string];
    const partition = keys.partitionOfChannel(channel);
    for (const listener of [...(topics.get(name)?.listeners ?? [])])
      listener({ partition, operationId, userId, state });
  }

  function topicOf(name: Partition | '*'): Topic {
    const known = topics.get(name);
    if (known) return known;
    const topic: Topic = { listeners: new Set(), confirmed: listenTo(name) };
    topics.set(name, topic);
    return topic;
  }

  return {
    async subscribe(partition, listener) {
      // An own function each time: the same listener may be given twice.
      const own: Listener = (wake) => listener(wake);
      const topic = topicOf(partition);
      topic.listeners.add(own);
      const stop = () => {
        if (topic.listeners.delete(own) && topic.listeners.size === 0 && topics.get(partition) === topic) {
          leave(partition).catch(() => {});
        }
      };
      try {
        await answered(topic.confirmed);
      } catch (error) {
        stop();
        throw error;
      }
      return stop;
    },

    close() {
      closed = true;
      clearInterval(heartbeat);
      clearTimeout(retry);
      connection?.then((redis) => redis.disconnect()).catch(() => {});
    },
  };
}
