import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

const program = new URL('./embedded-child.ts', import.meta.url).pathname;

export interface Child {
  process: ChildProcess;
  /** What it has acknowledged, complete once `ended` resolves. */
  lines: string[];
  /** The next line, or undefined at the end of its output. */
  next(): Promise<string | undefined>;
  ended: Promise<{ code: number | null; signal: string | null; stderr: string }>;
}

/**
 * Its acknowledgements come through descriptor 3.
 *
 * @param wrapper a program and its arguments to run it under, for example strace
 */
export function startChild(what: string, file: string, { count = 0, wrapper = [] as string[] } = {}): Child {
  const [command = '', ...args] = [...wrapper, process.execPath, program, what, file, `${count}`];
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let wake = () => {};
  let isOver = false;
  let read = 0;
  let stderr = '';
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const reader = createInterface({ input: child.stdio[3] as Readable });
  reader.on('line', (line) => {
    lines.push(line);
    wake();
  });
  const drained = once(reader, 'close').then(() => {
    isOver = true;
    wake();
  });
  const ended = Promise.all([once(child, 'exit'), drained]).then(([[code, signal]]) => ({ code, signal, stderr }));

  const next = async (): Promise<string | undefined> => {
    while (read >= lines.length && !isOver) await new Promise<void>((resolve) => (wake = resolve));
    return lines[read++];
  };
  return { process: child, lines, next, ended };
}
