import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { invoke } from '../../src/cli/invoke.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { canaries } from './canaries/index.ts';
import { inherited, repository } from './server.ts';

export interface CliResult {
  status: number | null;
  stdout: string;
  stderr: string;
  /** The one JSON document of a `--json` command. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says by its expectation what it looks like
  json: () => any;
}

export interface RunningCli extends AsyncDisposable {
  /** Resolves with everything written so far, as soon as it contains `text`. Rejects when the command ends without it. */
  until(text: string | RegExp): Promise<string>;
  /** Resolves when it has ended. */
  result: Promise<CliResult>;
  interrupt(): void;
}

/** `npx assent …` as a process of its own, with nothing of this process's settings. */
export function startCli(
  args: string[],
  { env = {}, cwd }: { env?: Record<string, string>; cwd?: string } = {},
): RunningCli {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(repository, 'src/cli/main.ts'), ...args],
    { cwd, env: { ...inherited(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  const hear = () => {
    for (const listener of listeners) listener();
  };
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
    hear();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
    hear();
  });
  const result = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      learnFrom(stdout);
      resolve({ status, stdout, stderr, json: () => JSON.parse(stdout) });
      hear();
    });
  });
  const includes = (text: string | RegExp) => {
    const all = stdout + stderr;
    return typeof text === 'string' ? all.includes(text) : text.test(all);
  };
  return {
    result,
    interrupt: () => void child.kill('SIGINT'),
    until: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (includes(text)) resolve(stdout + stderr);
          else if (child.exitCode === null && child.signalCode === null) return;
          else reject(new Error(`ended without ${text}:\n${stdout}${stderr}`));
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await result;
    },
  };
}

/** The same, to its end: for what only a process shows. */
export async function runCliProcess(args: string[], options?: Parameters<typeof startCli>[1]): Promise<CliResult> {
  return startCli(args, options).result;
}

/**
 * A command without a process for it: everything but the ten lines of `src/cli/main.ts`, which `startCli` proves. A
 * process is half a second of work before it does anything, and a test runs many commands.
 */
export async function runCli(args: string[], { env = {} }: { env?: Record<string, string> } = {}): Promise<CliResult> {
  const written = { stdout: '', stderr: '' };
  const terminal = pipeTo(written, { ...inherited(), ...env });
  const status = await withEnvironment(env, () => invoke(args, terminal));
  learnFrom(written.stdout);
  return { status, ...written, json: () => JSON.parse(written.stdout) };
}

/** What is printed in JSON may be tickets, secrets and tokens. */
function learnFrom(stdout: string): void {
  for (const line of stdout.split('\n')) if (line.startsWith('{')) canaries.learn(line);
}

/** Nobody looks, and nobody can be asked. */
function pipeTo(written: { stdout: string; stderr: string }, env: Terminal['env']): Terminal {
  const nobody = () => Promise.reject(new Error('nobody can be asked'));
  return {
    env,
    interactive: false,
    showsStatus: false,
    showsPictures: false,
    print(line) {
      written.stdout += `${line}\n`;
    },
    say(line) {
      written.stderr += `${line}\n`;
    },
    status: () => undefined,
    ask: nobody,
    askHidden: nobody,
  };
}

/** Commander reads defaults from the environment, and does so before it gives way for the first time. */
function withEnvironment<T>(env: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const former = { ...process.env };
  Object.assign(process.env, env);
  try {
    return work();
  } finally {
    for (const name of Object.keys(env)) delete process.env[name];
    Object.assign(process.env, former);
  }
}
