import { refusalOf, type SchemaMarker } from '../../src/support/schema-marker.ts';
import type { Db } from './db.ts';
import { StoreRefused } from './refused.ts';
import { readSetting } from './settings.ts';

/** From one version to the next. */
export interface Step {
  sql: string;
  /**
   * The oldest version whose programs may go on with the file afterwards; left out: none (adapters/README.md has the rule). At the
   * earliest the one that brought `readable_by`: programs before it go by the version alone.
   */
  readableBy?: number;
}

/**
 * One entry per version, applied in order, never changed once released. A record lies whole, as JSON, in `record`; beside
 * it are the columns that a query or a compare-and-set needs. Partitions are the first two characters of an id.
 */
export const steps: readonly Step[] = [
  {
    sql: `
  CREATE TABLE users (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE TABLE identifiers (
    kind TEXT NOT NULL,
    hmac TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (kind, hmac)
  ) STRICT;
  CREATE INDEX identifiers_of_user ON identifiers (user_id);

  CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX devices_of_user ON devices (user_id, created_at);
  CREATE TABLE key_claims (
    thumbprint TEXT PRIMARY KEY,
    device_id TEXT NOT NULL,
    claimed_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE receipts (
    device_id TEXT NOT NULL,
    jti TEXT NOT NULL,
    jws_hash TEXT NOT NULL,
    outcome TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (device_id, jti)
  ) STRICT;
  CREATE INDEX receipts_until ON receipts (until);

  CREATE TABLE operations (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    retain_until INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX operations_pending_of_user ON operations (user_id, created_at) WHERE state = 'pending';
  CREATE INDEX operations_pending_until ON operations (expires_at) WHERE state = 'pending';
  CREATE INDEX operations_retained ON operations (retain_until);
  CREATE TABLE attempts (
    operation_id TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    jws_hash TEXT NOT NULL,
    PRIMARY KEY (operation_id, jws_hash)
  ) STRICT;
  CREATE TABLE evidence (
    operation_id TEXT PRIMARY KEY,
    sealed TEXT NOT NULL,
    retain_until INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX evidence_retained ON evidence (retain_until);

  CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    leased_until INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX outbox_due ON outbox (due_at, seq);
  CREATE INDEX outbox_expires ON outbox (expires_at);
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    operation_id TEXT,
    user_id TEXT,
    record TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_of_operation ON events (operation_id, seq) WHERE operation_id IS NOT NULL;
  CREATE INDEX events_of_user ON events (user_id, seq) WHERE user_id IS NOT NULL;

  CREATE TABLE replays (
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (scope, id)
  ) STRICT;
  CREATE INDEX replays_until ON replays (until);
  CREATE TABLE counters (
    key TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    reset_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX counters_reset ON counters (reset_at);
  CREATE TABLE idempotency (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    response TEXT,
    lease_until INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
  ) STRICT;
  CREATE INDEX idempotency_until ON idempotency (until);

  CREATE TABLE server_keys (
    kid TEXT PRIMARY KEY,
    use TEXT NOT NULL,
    alg TEXT NOT NULL,
    state TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX server_keys_current ON server_keys (use, alg) WHERE state = 'current';
  CREATE TABLE artifacts (
    model TEXT NOT NULL,
    id TEXT NOT NULL,
    payload TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER,
    PRIMARY KEY (model, id)
  ) STRICT;
  CREATE INDEX artifacts_expires ON artifacts (expires_at);

  CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL) STRICT;
  INSERT INTO probe VALUES (1, 0);
  `,
  },
  {
    sql: `
  CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
  CREATE TABLE clients_revision (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL) STRICT;
  CREATE UNIQUE INDEX server_keys_next ON server_keys (use, alg) WHERE state = 'next';
  `,
  },
  {
    sql: `
  CREATE TABLE key_ring (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
  `,
  },
  {
    sql: `
  CREATE TABLE notification_log (
    client_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    until INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (client_id, number)
  ) STRICT;
  CREATE INDEX notification_log_until ON notification_log (until);
  `,
  },
  {
    sql: `
  ALTER TABLE events ADD COLUMN notice_until INTEGER;
  CREATE INDEX events_noticed ON events (user_id, notice_until) WHERE notice_until IS NOT NULL;
  `,
  },
  {
    sql: `
  ALTER TABLE evidence ADD COLUMN pin_proof TEXT;
  `,
  },
  {
    sql: `
  CREATE TABLE start_notes (user_id TEXT PRIMARY KEY, until INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
  CREATE INDEX start_notes_until ON start_notes (until);
  `,
  },
  {
    sql: `
  ALTER TABLE devices ADD COLUMN pending_until INTEGER;
  ALTER TABLE devices ADD COLUMN box_made_at INTEGER;
  ALTER TABLE devices ADD COLUMN box_former_until INTEGER;
  UPDATE devices SET
    box_made_at = json_extract(record, '$.box.createdAt'),
    box_former_until = json_extract(record, '$.box.former.until');
  UPDATE devices SET pending_until = coalesce(
    (SELECT retain_until FROM operations WHERE operations.id = json_extract(devices.record, '$.operationId')), 0)
    WHERE json_extract(record, '$.state') IN ('pending', 'deactivated') AND json_extract(record, '$.activatedAt') IS NULL;
  CREATE INDEX devices_pending_until ON devices (pending_until) WHERE pending_until IS NOT NULL;
  CREATE INDEX devices_box_made ON devices (box_made_at) WHERE box_made_at IS NOT NULL;
  CREATE INDEX devices_box_former ON devices (box_former_until) WHERE box_former_until IS NOT NULL;
  ALTER TABLE key_claims ADD COLUMN review_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE key_claims ADD COLUMN former_since INTEGER;
  CREATE INDEX key_claims_review ON key_claims (review_at);
  `,
  },
  {
    sql: `
  CREATE TABLE readable_by (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL) STRICT;
  INSERT INTO readable_by VALUES (1, 9);
  `,
  },
  {
    sql: `
  CREATE TABLE documents (
    operation_id TEXT PRIMARY KEY REFERENCES operations (id) ON DELETE CASCADE,
    sealed TEXT NOT NULL
  ) STRICT;
  `,
    readableBy: 9,
  },
];

export const SCHEMA_VERSION = steps.length;
/** What this program makes of a file. */
export const schema: SchemaMarker = {
  version: SCHEMA_VERSION,
  readableBy: Math.max(...steps.map(({ readableBy }, index) => readableBy ?? index + 1)),
};
/** 'ASNT': says whose file this is, also to file(1). */
const APPLICATION_ID = 0x41534e54;

/**
 * Brings the file to the program's schema, one transaction per version. A newer file whose marker allows it is left as it is.
 *
 * @param program the versions that the program knows
 * @throws StoreRefused for a newer schema that is not for this program (its rules are unknown here) and for somebody else's database
 */
export function migrate(db: Db, program: readonly Step[] = steps): void {
  refuseOthersFile(db);
  const found = markerOf(db);
  const refusal = refusalOf(found, program.length);
  if (refusal) throw new StoreRefused(refusal);
  program.slice(found.version).forEach(({ sql, readableBy }, index) => {
    const version = found.version + index + 1;
    db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${version}`);
    if (hasFloor(db)) db.run('UPDATE readable_by SET version = max(version, ?)', readableBy ?? version);
    db.exec('COMMIT');
  });
}

/** Of a file from before `readable_by`: for programs of its own version. */
export function markerOf(db: Db): SchemaMarker {
  const version = Number(readSetting(db, 'user_version'));
  const floor = hasFloor(db) ? db.get<{ version: number }>('SELECT version FROM readable_by')?.version : undefined;
  return { version, readableBy: floor ?? version };
}

function hasFloor(db: Db): boolean {
  return db.get("SELECT 1 FROM sqlite_schema WHERE name = 'readable_by'") !== undefined;
}

export function isOurs(db: Db): boolean {
  return Number(readSetting(db, 'application_id')) === APPLICATION_ID;
}

function refuseOthersFile(db: Db): void {
  if (isOurs(db)) return;
  const [application, version] = ['application_id', 'user_version'].map((name) => Number(readSetting(db, name)));
  const isEmpty = db.get('SELECT 1 FROM sqlite_schema LIMIT 1') === undefined;
  if (!isEmpty || application !== 0 || version !== 0) {
    throw new StoreRefused('The file is a database of another program.');
  }
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
}
