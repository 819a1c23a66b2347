import { DatabaseSync } from 'node:sqlite';

/** IV-14: what SQLite says of a store whose server has ended. @returns nothing, where all is well */
export function storeProblems(file: string): string[] {
  const db = new DatabaseSync(file);
  try {
    const integrity = db
      .prepare('PRAGMA integrity_check')
      .all()
      .map((row) => String(row['integrity_check']));
    const orphans = db.prepare('PRAGMA foreign_key_check').all();
    return [...integrity.filter((line) => line !== 'ok'), ...orphans.map((row) => `orphan: ${JSON.stringify(row)}`)];
  } finally {
    db.close();
  }
}
