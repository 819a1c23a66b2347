import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { StoreUnavailable } from '../../src/support/unavailable.ts';

/**
 * What this adapter needs of SQLite, and all that it knows of `node:sqlite`. Synchronous: the writer's thread waits for
 * the disk, the main thread only reads what lies in the page cache.
 */
export interface Db {
  get<Row>(sql: string, ...values: Value[]): Row | undefined;
  all<Row>(sql: string, ...values: Value[]): Row[];
  /** Resolves with the number of rows changed. */
  run(sql: string, ...values: Value[]): number;
  exec(sql: string): void;
  /** Several reads of one state of the file. */
  snapshot<T>(reads: () => T): T;
  readonly isInTransaction: boolean;
  close(): void;
}

export type Value = string | number | null;

export function openDb(file: string, options: { readOnly: boolean }): Db {
  const sqlite = guarded(() => new DatabaseSync(file, options));
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known) return known;
    const statement = sqlite.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
  const db: Db = {
    get: <Row>(sql: string, ...values: SQLInputValue[]) =>
      guarded(() => prepared(sql).get(...values) as Row | undefined),
    all: <Row>(sql: string, ...values: SQLInputValue[]) => guarded(() => prepared(sql).all(...values) as Row[]),
    run: (sql, ...values) => guarded(() => Number(prepared(sql).run(...values).changes)),
    exec: (sql) => guarded(() => sqlite.exec(sql)),
    snapshot(reads) {
      db.exec('BEGIN');
      try {
        return reads();
      } finally {
        db.exec('COMMIT');
      }
    },
    get isInTransaction() {
      return sqlite.isTransaction;
    },
    close: () => guarded(() => sqlite.close()),
  };
  return db;
}

/** A connection that is opened anew after an error that may have left it, or the pages it remembers, wrong. */
export interface Connection {
  /** @throws StoreUnavailable when the file cannot be used now */
  use<T>(work: (db: Db) => T): T;
  close(): void;
}

/**
 * @param open     makes the connection ready: settings, schema
 * @param onReopen what must hold before a connection is trusted again; throws if it does not
 */
export function createConnection(open: () => Db, onReopen: (db: Db) => void = () => {}): Connection {
  let db: Db | undefined = open();
  let isClosed = false;

  const reopened = (): Db => {
    const fresh = open();
    try {
      onReopen(fresh);
    } catch (error) {
      fresh.close();
      throw error;
    }
    return fresh;
  };
  const drop = () => {
    const dropped = db;
    db = undefined;
    try {
      dropped?.close();
    } catch {
      // It is being dropped because it does not work.
    }
  };

  return {
    use(work) {
      if (isClosed) throw new StoreUnavailable('the store is closed');
      db ??= reopened();
      try {
        return work(db);
      } catch (error) {
        if (isSuspect(error)) drop();
        throw error;
      }
    },
    close() {
      isClosed = true;
      drop();
    },
  };
}

// Primary result codes, https://www.sqlite.org/rescode.html
const FULL = 13;
const BUSY = 5;
const LOCKED = 6;
const NOMEM = 7;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const CANTOPEN = 14;
const NOTADB = 26;

/** The file cannot be used now; the request that met this is not to blame. */
const environmental = new Set([FULL, BUSY, LOCKED, NOMEM, READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB]);
/**
 * After a failed fsync the kernel may have dropped the dirty pages and call them clean: what the connection remembers is
 * not what the disk has. (https://wiki.postgresql.org/wiki/Fsync_Errors)
 */
const suspect = new Set([READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB]);

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!environmental.has(primaryCode(error))) throw error;
    throw new StoreUnavailable(`the store's file cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

const isSuspect = (error: unknown): boolean =>
  error instanceof StoreUnavailable && suspect.has(primaryCode(error.cause));

export const isBusy = (error: unknown): boolean =>
  error instanceof StoreUnavailable && primaryCode(error.cause) === BUSY;

/** The low byte of an extended result code. */
function primaryCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof code === 'number' ? code & 0xff : -1;
}
