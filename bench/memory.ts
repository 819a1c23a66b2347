/** What an operation takes in Redis, and what the process takes with nobody and with thousands of devices listening. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchAssent, startAssent } from './assent.ts';
import { enrollDevice } from './bench-device.ts';
import { inParallel, start } from './client.ts';
import type { Options } from './options.ts';
import { flags, startBeside } from './processes.ts';
import { startRedis } from './redis.ts';
import { most, type Report } from './report.ts';
import { seed } from './seed.ts';
import type { Held, Holding } from './streams.ts';

const MiB = 2 ** 20;

export async function measureMemory(options: Options, report: Report): Promise<void> {
  await measureOperations(options, report);
  await measureStreams(options, report);
}

/** One pending operation of each user, the user and the device not counted. */
async function measureOperations({ size: { pendingOperations } }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  const url = `redis://127.0.0.1:${redis.port}`;
  await using assent = await startAssent({ store: url });
  await using seeded = await seed(url, assent, pendingOperations);
  const before = await redis.usedMemory();
  await inParallel(seeded.names, 32, (name) => start(assent, name));
  const bytes = ((await redis.usedMemory()) - before) / pendingOperations;
  report({
    section: 'memory',
    what: 'memory: Redis, one pending operation',
    value: bytes,
    text: `${Math.round(bytes)} bytes, of ${pendingOperations}`,
    budget: most(4096, ' bytes'),
  });
}

const streamsPerDevice = 20;

async function measureStreams({ size }: Options, report: Report): Promise<void> {
  await using assent = await startAssent();
  await sleep(2_000); // what the start left behind is collected
  const idle = assent.process.residentBytes();
  report({ section: 'memory', what: 'memory: process, idle', value: idle, text: `${Math.round(idle / MiB)} MiB` });

  const { possible: streams, why } = possibleConnections(size.streams);
  const opened = await holdStreams(assent, streams, async () => {
    await sleep(2_000);
    return assent.process.residentBytes();
  });
  const each = Math.round((opened - idle) / streams / 1024);
  report({
    section: 'memory',
    what: `memory: process, ${streams} event streams`,
    value: opened / MiB,
    text: `${Math.round(opened / MiB)} MiB, ${each} KiB each${why}`,
    budget: most(1024, ' MiB for 10 000'),
    details: { streams },
  });
}

/** Each takes a descriptor here and one there; some are needed for other things. */
export function possibleConnections(wanted: number): { possible: number; why: string } {
  const limit = Number(spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout);
  const possible = Number.isNaN(limit) ? wanted : Math.min(wanted, limit - 500);
  return { possible, why: possible < wanted ? ` (ulimit -Hn ${limit} allows no more)` : '' };
}

async function holdStreams<T>(assent: BenchAssent, streams: number, whileHeld: () => Promise<T>): Promise<T> {
  const count = Math.ceil(streams / streamsPerDevice);
  const names = Array.from({ length: count }, (_, i) => `listener-${i}`);
  const devices = await inParallel(names, 4, (name) => enrollDevice(assent, name, { withPin: false }));
  const sessions = await inParallel(devices, 4, (device) => device.session());
  const script = join(import.meta.dirname, 'streams.ts');
  const holder = startBeside(process.execPath, [...flags, script], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const holding: Holding = { url: assent.authenticator, sessions, streams };
  holder.child.send(holding);
  const [held] = (await Promise.race([once(holder.child, 'message'), once(holder.child, 'exit')])) as [Held];
  if (held.opened !== streams) throw new Error(`only ${held.opened} of ${streams} streams were opened: ${held.error}`);
  const result = await whileHeld();
  await holder.stop();
  return result;
}
