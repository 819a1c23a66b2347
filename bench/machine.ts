import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  openssl: string;
  redis: string;
  /** Of the engine, on both sides. */
  oidcProvider: string;
  /** Others that use the same cores; above the number of cores, wall-clock figures say little. */
  loadAverage: number;
  pinned: boolean;
}

/** Before anything is pinned: of a pinned process the system says that it has one core. */
const cores = availableParallelism();

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: firstLine('uname', ['-sr']) ?? process.platform,
    node: process.versions.node,
    openssl: process.versions.openssl,
    redis: /v=(\S+)/.exec(firstLine('redis-server', ['--version']) ?? '')?.[1] ?? 'not installed',
    oidcProvider: versionOf('oidc-provider'),
    loadAverage: loadavg()[0]!,
    pinned: canPin(),
  };
}

/** One core for the server, the others for everything else, where there are two and a program that does it. */
export function canPin(): boolean {
  return cores > 1 && firstLine('taskset', ['--version']) !== undefined;
}

/** @throws Error that says what to install, or where it runs */
export function requirePrograms(needsRedis: boolean): void {
  if (process.platform !== 'linux') {
    throw new Error('The benchmark reads the CPU time of processes from /proc: run it on Linux, or in a container.');
  }
  if (needsRedis && firstLine('redis-server', ['--version']) === undefined) {
    throw new Error('Install redis-server (apt-get install redis-server, or your system’s package), then try again.');
  }
}

export function hasProgram(name: string): boolean {
  return firstLine(name, ['--version']) !== undefined;
}

function firstLine(program: string, args: string[]): string | undefined {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0] : undefined;
}

function versionOf(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
