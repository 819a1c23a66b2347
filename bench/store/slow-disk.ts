/** Group commit against one commit for each request, on a disk that takes its time. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { hasProgram } from '../machine.ts';
import type { Options } from '../options.ts';
import { flags, startBeside } from '../processes.ts';
import { type Report, ratio } from '../report.ts';
import { median } from '../statistics.ts';

interface Commits {
  perSecond: number;
  loopP99Ms: number;
  loopMaxMs: number;
}

/** What a plain server disk takes; a good one takes less. */
const fsyncMs = 8;

export async function measureStore({ size }: Options, report: Report): Promise<void> {
  const slowed = hasProgram('strace');
  const disk = slowed ? `fsync + ${fsyncMs} ms` : 'fsync as it is here (install strace to slow it)';
  const rounds: { group: Commits; single: Commits }[] = [];
  for (let round = 0; round < size.storeRounds; round++) {
    rounds.push({
      group: await commitsOf('group', size.storeSeconds, slowed),
      single: await commitsOf('single', size.storeSeconds, slowed),
    });
  }
  report({
    section: 'store',
    what: 'store: commits per second, Assent : single',
    ...ratio(rounds.map(({ group, single }) => group.perSecond / single.perSecond)),
    details: { rounds, slowed },
  });
  for (const [kind, name] of [
    ['group', 'Assent, group commit in a worker'],
    ['single', 'one commit each, main thread'],
  ] as const) {
    const of = (pick: (commits: Commits) => number) => median(rounds.map((round) => pick(round[kind])));
    const rate = of(({ perSecond }) => perSecond);
    const loop = `event loop p99 ${of(({ loopP99Ms }) => loopP99Ms).toFixed(1)} ms`;
    report({ section: 'store', what: `store: ${name}`, value: rate, text: `${Math.round(rate)}/s, ${loop}, ${disk}` });
  }
}

async function commitsOf(kind: 'group' | 'single', seconds: number, slowed: boolean): Promise<Commits> {
  const folder = await mkdtemp(join(tmpdir(), 'assent-bench-store-'));
  const calls = 'fdatasync,fsync';
  const strace = ['-f', '--seccomp-bpf', '-o', '/dev/null', '-e', `trace=${calls}`];
  const delay = ['-e', `inject=${calls}:delay_exit=${fsyncMs * 1000}`];
  const node = [process.execPath, ...flags, join(import.meta.dirname, 'commits.ts'), kind, folder, String(seconds)];
  const [program, ...args] = slowed ? ['strace', ...strace, ...delay, ...node] : node;
  const { child } = startBeside(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await Promise.all([text(child.stdout!), once(child, 'exit')]);
  await rm(folder, { recursive: true, force: true });
  return JSON.parse(output);
}
