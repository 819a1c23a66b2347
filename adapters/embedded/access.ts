import type { Db } from './db.ts';
import type { ArgumentOf, ResultOf, WriteName } from './writes.ts';

/** How the ports reach the file: reads at once on this thread, writes by name through the writer. */
export interface Access {
  read<T>(work: (db: Db) => T): Promise<T>;
  /** Resolves after the commit: from then on every read sees it, and a crash does not undo it. */
  write<Name extends WriteName>(name: Name, argument: ArgumentOf<Name>): Promise<ResultOf<Name>>;
}
