/**
 * RL-15: thousands of token requests that wait in one process. What each takes, how late the event loop is while they wait,
 * and how they are answered when they all wake: their time is over, their operations are decided, the server stops.
 */
import { once } from 'node:events';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchAssent, startAssent } from './assent.ts';
import { asSent, paths, post, start, startMany, tokenForm } from './client.ts';
import type { AllAnswered, AllSent, Holding } from './holders.ts';
import type { LoopDelay } from './loop-delay.ts';
import { possibleConnections } from './memory.ts';
import type { Options } from './options.ts';
import { flags, type Measured, startBeside } from './processes.ts';
import { startRedis } from './redis.ts';
import { most, type Report } from './report.ts';
import { seed } from './seed.ts';
import { percentile } from './statistics.ts';

const MiB = 2 ** 20;
const users = 500;
const now = () => performance.timeOrigin + performance.now();

export async function measureHeld({ size, profile }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  await using assent = await startAssent({ store, profile, meter: 'loop-delay' });
  await using seeded = await seed(store, assent, users);
  const { possible: holds, why } = possibleConnections(size.holds);
  const holder = createHolder(assent);
  const good = createGoodClient(assent, await start(assent, seeded.names[0]!));
  const line = (what: string, value: number, text: string, budget?: ReturnType<typeof most>, details?: object) =>
    report({
      section: 'held',
      what: `held: ${what}`,
      value,
      text,
      ...(budget && { budget }),
      ...(details && { details: { holds, ...details } }),
    });

  let ids = await startMany(assent, seeded.names, holds);
  await sleep(2_000); // what the starts left behind is collected
  const before = assent.process.residentBytes();
  // opening so many takes a while, and nobody waits longer than 25 s
  const endsAt = now() + 1000 * Math.min(24, 8 + Math.ceil(holds / 750));
  const arrival = await during(assent, good, () => holder.hold(ids, endsAt));
  let answered = arrival.result;
  line('event loop, p99 while they come', arrival.loop.p99, inWords(arrival), most(30, ' ms'), { loop: arrival.loop });
  const calm = await during(assent, good, () => sleep(2_000));
  const grown = assent.process.residentBytes() - before;
  line(
    `${holds} requests, memory`,
    grown / MiB,
    `${Math.round(grown / MiB)} MiB, ${(grown / holds / 1024).toFixed(1)} KiB each, on top of ${Math.round(before / MiB)} MiB${why}`,
    most(350, ' MiB for 10 000'),
  );
  line('event loop, p99 while they wait', calm.loop.p99, inWords(calm), most(30, ' ms'), calm);

  await sleep(Math.max(0, endsAt - now() - 1_000));
  const over = await during(assent, good, () => answered.all);
  const unexpected: Unexpected = {};
  note(unexpected, 'authorization_pending', over.result);
  const late = over.result.answeredAt.map((at, index) => at - over.result.overAt[index]!);
  const longest = Math.max(...late);
  const lateness = `p50 ${percentile(late, 50).toFixed(0)} ms, p99 ${percentile(late, 99).toFixed(0)} ms, last ${longest.toFixed(0)} ms after its time`;
  line('time over for all at once', longest, lateness, most(1000, ' ms'), { late: percentile(late, 99) });
  line('event loop, p99 then', over.loop.p99, inWords(over), most(30, ' ms'), { loop: over.loop });

  answered = await holder.hold(ids);
  await assent.loopDelay();
  const decided = await during(assent, good, async () => {
    const startedAt = now();
    await seeded.approve(ids);
    const decidedAt = now();
    return { startedAt, decidedAt, ...(await answered.all) };
  });
  note(unexpected, '200', decided.result);
  const { startedAt, decidedAt, answeredAt } = decided.result;
  const last = Math.max(...answeredAt);
  const rate = Math.round((holds * 1000) / (last - startedAt));
  line(
    'all approved',
    last - decidedAt,
    `last tokens ${Math.round(last - decidedAt)} ms after the last decision; decided in ${Math.round(decidedAt - startedAt)} ms, ${rate} redeemed/s`,
  );
  line('event loop, p99 then', decided.loop.p99, inWords(decided), most(30, ' ms'), { loop: decided.loop });

  ids = await startMany(assent, seeded.names, holds);
  answered = await holder.hold(ids);
  const stoppedAt = now();
  const exited = once(assent.process.child, 'exit');
  assent.process.child.kill('SIGTERM');
  const told = await answered.all;
  note(unexpected, 'authorization_pending', told);
  const [status] = await exited;
  const toldMs = Math.max(...told.answeredAt) - stoppedAt;
  const text = `all ${holds} answered in ${Math.round(toldMs)} ms, process gone in ${Math.round(now() - stoppedAt)} ms, exit ${status}`;
  line('the server stops', toldMs, text, most(1000, ' ms'));
  const others = Object.entries(unexpected).map(([answer, count]) => `${count} ${answer}`);
  const count = Object.values(unexpected).reduce((sum, each) => sum + each, 0);
  line('answered otherwise than they should', count, [`${count} of ${3 * holds}`, ...others].join(', '), most(0));
  await holder.process.stop();
}

interface Holder {
  process: Measured;
  /** Resolves when the server holds them all; `all` when all are answered. */
  hold(ids: string[], endsAt?: number): Promise<{ all: Promise<AllAnswered> }>;
}

function createHolder(assent: BenchAssent): Holder {
  const script = join(import.meta.dirname, 'holders.ts');
  const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as ('ignore' | 'inherit' | 'ipc')[];
  const holder = startBeside(process.execPath, [...flags, script], { stdio });
  const { hostname, port } = new URL(assent.url);
  const told = async <T>(): Promise<T> => {
    const [message] = await Promise.race([once(holder.child, 'message'), once(holder.child, 'exit')]);
    if (typeof message !== 'object') throw new Error('requests could not be held');
    return message;
  };
  return {
    process: holder,
    async hold(ids, endsAt) {
      const before = await assent.metric('assent_holds_total');
      const requests = ids.map((id) => requestOf(assent, id));
      holder.child.send({ host: hostname, port: Number(port), requests, ...(endsAt && { endsAt }) } satisfies Holding);
      await told<AllSent>();
      const all = told<AllAnswered>();
      all.catch(() => {}); // whoever waits for it says so
      // what was refused does not come any more, and nobody waits for it
      for (let held = 0, last = -1; held < ids.length && held !== last; await sleep(500)) {
        last = held;
        held = (await assent.metric('assent_holds_total')) - before;
      }
      return { all };
    },
  };
}

function requestOf(assent: BenchAssent, authReqId: string): Holding['requests'][number] {
  const { headers, body } = asSent(assent, paths.token, tokenForm(authReqId));
  const lines = Object.entries({ host: new URL(assent.url).host, ...headers, 'content-length': body.length });
  return {
    head: `POST ${paths.token} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}`,
    body,
  };
}

const isNormal = (error: unknown) => ['authorization_pending', 'slow_down', 'server_error'].includes(String(error));

interface GoodClient {
  /** Polls of its own, one after the other, until `work` is done. */
  beside<T>(work: () => Promise<T>): Promise<{ result: T; times: number[] }>;
}

function createGoodClient(assent: BenchAssent, authReqId: string): GoodClient {
  const agent = new Agent({ keepAlive: true });
  const form = tokenForm(authReqId);
  return {
    async beside(work) {
      let isDone = false;
      const times: number[] = [];
      const polling = (async () => {
        while (!isDone) {
          const sentAt = performance.now();
          const { body } = await post(assent, paths.token, form, { agent });
          times.push(performance.now() - sentAt);
          // the server is asked for more than a client would, and tells it so; where the machine is too busy, that
          if (!isNormal(body['error'])) throw new Error(JSON.stringify(body));
          await sleep(5);
        }
      })();
      const result = await work().finally(() => {
        isDone = true;
      });
      await polling;
      return { result, times };
    },
  };
}

interface During<T> {
  result: T;
  loop: LoopDelay;
  good: { p50: number; p99: number };
}

async function during<T>(assent: BenchAssent, client: GoodClient, work: () => Promise<T>): Promise<During<T>> {
  await assent.loopDelay();
  const { result, times } = await client.beside(work);
  return {
    result,
    loop: await assent.loopDelay(),
    good: { p50: percentile(times, 50), p99: percentile(times, 99) },
  };
}

const inWords = ({ loop, good }: During<unknown>) =>
  `p99 ${loop.p99.toFixed(1)} ms, longest ${loop.max.toFixed(0)} ms; polls beside it p50 ${good.p50.toFixed(1)} ms, p99 ${good.p99.toFixed(1)} ms`;

type Unexpected = Record<string, number>;

/** A machine that has much else to do makes the store's answers late, and these 503. */
function note(unexpected: Unexpected, expected: string, { answers }: AllAnswered): void {
  for (const [answer, count] of Object.entries(answers)) {
    if (answer !== expected) unexpected[answer] = (unexpected[answer] ?? 0) + count;
  }
}
