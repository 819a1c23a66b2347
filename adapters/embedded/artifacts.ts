import type { Artifact, ArtifactStore } from '../../src/protocol/ports.ts';
import type { Access } from './access.ts';
import type { Db } from './db.ts';
import type { Tx } from './transaction.ts';

interface Named {
  model: string;
  id: string;
}

/** A replaced artifact stays consumed: what was used once is not made fresh by writing it again. */
export function writeArtifacts({ db }: Tx, artifacts: Artifact[]): void {
  for (const { model, id, payload, expiresAt } of artifacts)
    db.run(
      `INSERT INTO artifacts (model, id, payload, expires_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at`,
      model,
      id,
      payload,
      expiresAt,
    );
}

export function consumeArtifact({ db }: Tx, { model, id, now }: Named & { now: number }): boolean {
  const sql = `UPDATE artifacts SET consumed_at = ?
                WHERE model = ? AND id = ? AND consumed_at IS NULL AND expires_at > ?`;
  return db.run(sql, now, model, id, now) === 1;
}

export function destroyArtifact({ db }: Tx, { model, id }: Named): void {
  db.run('DELETE FROM artifacts WHERE model = ? AND id = ?', model, id);
}

function readArtifact(db: Db, { model, id, now }: Named & { now: number }) {
  const row = db.get<{ payload: string; expires_at: number; consumed_at: number | null }>(
    'SELECT payload, expires_at, consumed_at FROM artifacts WHERE model = ? AND id = ? AND expires_at > ?',
    model,
    id,
    now,
  );
  if (!row) return undefined;
  const artifact: Artifact = { model, id, payload: row.payload, expiresAt: row.expires_at };
  return row.consumed_at === null ? artifact : { ...artifact, consumedAt: row.consumed_at };
}

export const artifactStore = ({ read, write }: Access): ArtifactStore => ({
  write: (artifacts) => write('writeArtifacts', artifacts),
  read: (model, id, now) => read((db) => readArtifact(db, { model, id, now })),
  consume: (model, id, now) => write('consumeArtifact', { model, id, now }),
  destroy: (model, id) => write('destroyArtifact', { model, id }),
});
