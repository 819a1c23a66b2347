import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePorts, type Measured, startBeside, until } from './processes.ts';

export interface BenchRedis extends AsyncDisposable {
  port: number;
  process: Measured;
  usedMemory(): Promise<number>;
}

/** A Redis of its own, as production would have it: append-only file, synced every second, nothing evicted. */
export async function startRedis(): Promise<BenchRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'assent-bench-redis-'));
  const [port] = await freePorts(1);
  const persistence = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec'];
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--maxmemory-policy', 'noeviction'];
  const running = startBeside('redis-server', [...place, ...persistence], { stdio: 'ignore' });
  const client = new Redis({ port: port!, host: '127.0.0.1', retryStrategy: () => 20, maxRetriesPerRequest: null });
  client.on('error', () => {}); // until it listens
  await until('redis-server', async () => (await client.ping()) === 'PONG');
  return {
    port: port!,
    process: running,
    usedMemory: async () => Number(/used_memory:(\d+)/.exec(await client.info('memory'))![1]),
    async [Symbol.asyncDispose]() {
      client.disconnect();
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
