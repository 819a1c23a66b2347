import { spawn } from 'node:child_process';
import { join } from 'node:path';
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

export async function runCli(args: string[], options?: Parameters<typeof startCli>[1]): Promise<CliResult> {
  return startCli(args, options).result;
}
