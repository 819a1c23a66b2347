import { fork } from 'node:child_process';
import { once } from 'node:events';

export interface Call {
  port: string;
  method: string;
  args: unknown[];
}
export interface Batch {
  id: number;
  calls: Call[];
}
export interface Done {
  id: number;
  answers: unknown[];
}

export interface Server extends AsyncDisposable {
  /** Does all calls at once. Rejects when the process dies before it has answered. */
  run<T = { result: string }>(calls: Call[]): Promise<T[]>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

const program = new URL('./redis-child.ts', import.meta.url).pathname;

export async function startServer(url: string): Promise<Server> {
  const child = fork(program, [url], { execArgv: ['--disable-warning=ExperimentalWarning'], stdio: 'inherit' });
  const waiting = new Map<number, { resolve: (answers: never[]) => void; reject: (error: Error) => void }>();
  let batches = 0;
  const opened = once(child, 'message');
  child.on('message', ({ id, answers }: Done) => {
    waiting.get(id)?.resolve(answers as never[]);
    waiting.delete(id);
  });
  const exited = once(child, 'exit').then(() => {
    for (const { reject } of waiting.values()) reject(new Error('the process died'));
  });
  await opened;
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  return {
    run(calls) {
      const id = ++batches;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        child.send({ id, calls } satisfies Batch, (error) => error && reject(error));
      });
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
