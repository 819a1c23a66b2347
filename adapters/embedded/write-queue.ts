import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Wake } from '../../src/domain/ports/store.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import type { Access } from './access.ts';
import type { FromWriter, Settled, ToWriter, WriterData } from './messages.ts';
import { StoreRefused } from './refused.ts';

export interface WriteQueue {
  write: Access['write'];
  /** Waits for what was asked, then lets go of the file. Later writes are refused. */
  close(): Promise<void>;
}

// A disk that hangs must not fill the memory: beyond this many, callers are told at once.
const WAITING = 20_000;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/**
 * The main thread's half of the writer.
 *
 * @throws StoreRefused when the writer cannot open the file
 */
export async function startWriter(workerData: WriterData, onWakes: (wakes: Wake[]) => void): Promise<WriteQueue> {
  const worker = new Worker(new URL('./writer.ts', import.meta.url), { workerData });
  const [first] = (await once(worker, 'message')) as [FromWriter];
  if (typeof first === 'object' && 'refused' in first) throw new StoreRefused(first.refused);

  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let stopped: string | undefined;

  const stop = (reason: string) => {
    stopped ??= reason;
    for (const { reject } of waiting.values()) reject(new StoreUnavailable(reason));
    waiting.clear();
  };
  worker.on('message', (message: FromWriter) => {
    if (typeof message === 'string' || 'refused' in message) return;
    for (const settled of message.settled) settle(waiting, settled);
    onWakes(message.wakes);
  });
  worker.on('error', (error) => {
    stop(`the store's writer has stopped: ${(error as Error).message}`);
    // A fault of the writer is a fault of the process: it ends, and whoever supervises it starts another one.
    throw error;
  });
  worker.on('exit', () => stop('the store is closed'));
  const send = (message: ToWriter) => worker.postMessage(message);

  return {
    write: (name, argument) =>
      new Promise((resolve, reject) => {
        if (stopped !== undefined) return reject(new StoreUnavailable(stopped));
        if (waiting.size >= WAITING) return reject(new StoreUnavailable('too many writes wait for the disk'));
        lastId += 1;
        waiting.set(lastId, { resolve: resolve as Waiting['resolve'], reject });
        send({ id: lastId, name, argument });
      }),
    async close() {
      if (stopped !== undefined) return;
      stopped = 'the store is closed';
      const exited = once(worker, 'exit');
      send('close');
      await exited;
    },
  };
}

function settle(waiting: Map<number, Waiting>, settled: Settled): void {
  const call = waiting.get(settled.id);
  waiting.delete(settled.id);
  if ('result' in settled) call?.resolve(settled.result);
  else call?.reject(errorOf(settled.error));
}

function errorOf({ unavailable, message }: { unavailable: boolean; message: string }): Error {
  return unavailable ? new StoreUnavailable(message) : new Error(message);
}
