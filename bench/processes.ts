/** Child processes whose CPU time and memory are measured from outside, by what the kernel says of them. */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { canPin } from './machine.ts';

export interface Measured {
  child: ChildProcess;
  /** Of all its threads, since it began. */
  cpuMicroseconds(): number;
  residentBytes(): number;
  /** SIGTERM; SIGKILL where that does not help. */
  stop(): Promise<void>;
}

/** As the server starts (bin/setup.js, Dockerfile). The peer gets them too. */
export const flags = ['--disable-warning=ExperimentalWarning', '--disable-proto=delete', '--max-semi-space-size=32'];

/** @param folder left out: no profile */
export const profiling = (folder?: string): string[] =>
  folder ? ['--cpu-prof', `--cpu-prof-dir=${resolve(folder)}`] : [];

/** Where servers run; load, Redis and all else have the other cores. */
const serverCore = 0;

/** Everything that this process starts runs beside the server's core from now on, unless it is a server. */
export function leaveServerCore(): void {
  if (canPin()) spawnSync('taskset', ['-acp', `${serverCore + 1}-1024`, String(process.pid)]);
}

export function startOnServerCore(program: string, args: string[], options: SpawnOptions): Measured {
  const command = canPin() ? ['taskset', '-c', String(serverCore), program, ...args] : [program, ...args];
  return start(command, options);
}

/** On whatever core is free: where processes come and go, a start must not take the time of the one that serves meanwhile. */
export function startAnywhere(program: string, args: string[], options: SpawnOptions): Measured {
  return start(canPin() ? ['taskset', '-c', '0-1024', program, ...args] : [program, ...args], options);
}

export function startBeside(program: string, args: string[], options: SpawnOptions): Measured {
  return start([program, ...args], options);
}

function start([program, ...args]: string[], options: SpawnOptions): Measured {
  const child = spawn(program!, args, options);
  running.add(child);
  child.once('exit', () => running.delete(child));
  const pid = child.pid!;
  return {
    child,
    cpuMicroseconds: () => cpuOf(pid),
    residentBytes: () => residentOf(pid),
    stop: () => stop(child),
  };
}

const running = new Set<ChildProcess>();
// also where the benchmark fails or is interrupted
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const impatience = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await exited;
  clearTimeout(impatience);
}

/** schedstat counts nanoseconds; stat only ticks of 10 ms. */
function cpuOf(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const each = threads.map((id) => readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8'));
    return each.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0) / 1_000;
  } catch {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  }
}

function residentOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
}

export async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(probes.map((probe) => once(probe, 'listening')));
  const ports = probes.map((probe) => (probe.address() as { port: number }).port);
  await Promise.all(probes.map((probe) => new Promise((closed) => probe.close(closed))));
  return ports;
}

export async function until(what: string, isSo: () => Promise<boolean> | boolean, withinMs = 30_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`${what}: waited ${withinMs / 1000} s in vain`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
