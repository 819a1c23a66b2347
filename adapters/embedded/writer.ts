/**
 * The writer's thread: the only one that changes the file, and the only one that waits for the disk.
 *
 *     request ──> queue ──setImmediate──> BEGIN IMMEDIATE ─ SAVEPOINT, write, RELEASE ─ … ─ COMMIT ──> all answers at once
 *
 * Whatever arrives while a commit waits for its fsync shares the next one: the slower the disk, the larger the group.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Wake } from '../../src/domain/ports/store.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import type { Connection } from './db.ts';
import type { FromWriter, Request, Settled, ToWriter, WriterData } from './messages.ts';
import { openWriter } from './open.ts';
import type { Tx } from './transaction.ts';
import { writes } from './writes.ts';

// A group is one transaction; its pages must fit the log, and its first request waits for its last.
const GROUP = 1000;

const port = parentPort!;
const answer = (message: FromWriter) => port.postMessage(message);

try {
  const { file, outsideNotices } = workerData as WriterData;
  run(openWriter(file), outsideNotices);
  answer('ready');
} catch (error) {
  answer({ refused: (error as Error).message });
  port.close();
}

function run(connection: Connection, outsideNotices: boolean): void {
  const queue: Request[] = [];
  let isClosing = false;
  let isScheduled = false;

  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      if (queue.length > 0) answer(commitGroup(connection, queue.splice(0, GROUP), outsideNotices));
      if (queue.length > 0) schedule();
      else if (isClosing) {
        connection.close();
        port.close();
      }
    });
  };

  port.on('message', (message: ToWriter) => {
    if (message === 'close') isClosing = true;
    else queue.push(message);
    schedule();
  });
}

function commitGroup(
  connection: Connection,
  group: Request[],
  outsideNotices: boolean,
): Exclude<FromWriter, string | { refused: string }> {
  try {
    return connection.use((db) => {
      const wakes: Wake[] = [];
      try {
        db.exec('BEGIN IMMEDIATE');
        const settled = group.map((request) => runAlone(request, { db, outsideNotices }, wakes));
        db.exec('COMMIT');
        return { settled, wakes };
      } finally {
        if (db.isInTransaction) db.exec('ROLLBACK');
      }
    });
  } catch (error) {
    return { settled: group.map(({ id }) => failed(id, error)), wakes: [] };
  }
}

/**
 * One request inside the group: if it throws, it alone is undone.
 *
 * @throws StoreUnavailable when the file is at fault: then the whole group is
 */
function runAlone({ id, name, argument }: Request, within: Omit<Tx, 'wake'>, wakes: Wake[]): Settled {
  const { db } = within;
  const ownWakes: Wake[] = [];
  const tx: Tx = { ...within, wake: (wake) => ownWakes.push(wake) };
  const write = writes[name] as (tx: Tx, argument: unknown) => unknown;
  db.exec('SAVEPOINT request');
  try {
    const result = write(tx, argument);
    db.exec('RELEASE request');
    wakes.push(...ownWakes);
    return { id, result };
  } catch (error) {
    if (error instanceof StoreUnavailable) throw error;
    db.exec('ROLLBACK TO request; RELEASE request');
    return failed(id, error);
  }
}

function failed(id: number, error: unknown): Settled {
  return { id, error: { unavailable: error instanceof StoreUnavailable, message: (error as Error).message } };
}
