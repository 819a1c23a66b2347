import { DatabaseSync } from 'node:sqlite';

/** Of an embedded store that is open and at rest: every record, and nothing else. */
export function empty(file: string): void {
  const db = new DatabaseSync(file, { timeout: 5000 });
  db.exec('PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; BEGIN IMMEDIATE');
  const tables = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('probe', 'readable_by')")
    .all();
  for (const { name } of tables) db.exec(`DELETE FROM ${name}`);
  db.exec('COMMIT');
  db.close();
}
