import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Db, openDb } from '../../adapters/embedded/db.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../../adapters/embedded/index.ts';
import { preparePlace } from '../../adapters/embedded/place.ts';
import { markerOf, migrate, SCHEMA_VERSION, type Step, schema, steps } from '../../adapters/embedded/schema.ts';
import { applySettings } from '../../adapters/embedded/settings.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../src/support/clock.ts';
import { approved, asked, attemptOf, decideOf, startOf } from '../conformance/scenes.ts';
import {
  aHash,
  anArtifact,
  anEvent,
  anOperation,
  anOutboxEntry,
  aReceipt,
  aServerKey,
  T0,
} from '../support/records.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';

let folder: TemporaryFolder;
let file: string;
beforeEach(async () => {
  folder = await temporaryFolder('assent-schema');
  file = join(folder.path, 'assent.db');
});
afterEach(() => folder.remove());

/** The file as a program of these versions opens it. */
function asProgram<T>(program: readonly Step[], work: (db: Db) => T): T {
  preparePlace(file);
  const db = openDb(file, { readOnly: false });
  try {
    applySettings(db, 'writer');
    migrate(db, program);
    return work(db);
  } finally {
    db.close();
  }
}

const tables = steps.flatMap(({ sql }) => [...sql.matchAll(/CREATE TABLE (\w+)/g)].map(([, name]) => name!));

/** What the next version may bring without locking this one out. */
const expanding: Step = {
  sql: `
  ${tables.map((table) => `ALTER TABLE ${table} ADD COLUMN of_later TEXT NOT NULL DEFAULT 'absent'`).join(';\n  ')};
  ALTER TABLE devices ADD COLUMN seen_in TEXT;
  CREATE TABLE places (operation_id TEXT PRIMARY KEY REFERENCES operations (id) ON DELETE CASCADE, place TEXT) STRICT;
  CREATE INDEX devices_seen ON devices (seen_in) WHERE seen_in IS NOT NULL;
  `,
  readableBy: SCHEMA_VERSION,
};
const next = [...steps, expanding];

test('RL-20 a file of the version before is brought up with all that lies in it, and one from before the marker is for its own version', async () => {
  asProgram(steps.slice(0, 8), (db) => {
    expect(markerOf(db)).toEqual({ version: 8, readableBy: 8 });
    expect(() => migrate(db, steps.slice(0, 7))).toThrow('schema version 8; this program knows up to 7.');
    db.run("INSERT INTO users VALUES ('00', 1, ?)", JSON.stringify({ id: '00', version: 1, state: 'active' }));
  });
  const store = await openEmbeddedStore({ file });
  expect(await store.users.get('00')).toMatchObject({ state: 'active' });
  await store.close();
  expect(asProgram(steps, markerOf)).toEqual(schema);
});

test('RL-20 a file that the next version has expanded is opened and worked with, and what only that version knows stays', async () => {
  const first = await openEmbeddedStore({ file });
  const scene = await asked(first);
  await first.close();
  const { user, device, operation } = scene;
  asProgram(next, (db) => {
    for (const table of ['users', 'devices', 'operations']) {
      db.run(`UPDATE ${table} SET record = json_set(record, '$.later', 'kept')`);
    }
    db.run("UPDATE devices SET seen_in = 'Delft'");
    db.run("INSERT INTO places (operation_id, place) VALUES (?, 'Delft')", operation.id);
  });

  const store = await openEmbeddedStore({ file });
  const [person, phone] = [(await store.users.get(user.id))!, (await store.devices.get(device.id))!];
  const receipt = aReceipt(phone);
  expect(await store.devices.save({ device: phone, states: ['active'], now: T0, events: [], receipt })).toMatchObject({
    result: 'saved',
  });
  expect(await store.operations.decide(decideOf(scene))).toMatchObject({ result: 'decided' });
  expect(await store.users.update(person, T0, [])).toMatchObject({ result: 'updated' });
  await approved(store);
  await store.close();

  asProgram(next, (db) => {
    expect(markerOf(db)).toEqual({ version: next.length, readableBy: SCHEMA_VERSION });
    for (const [table, id] of Object.entries({ users: user.id, devices: device.id, operations: operation.id })) {
      const { record } = db.get<{ record: string }>(`SELECT record FROM ${table} WHERE id = ?`, id)!;
      expect(JSON.parse(record)).toMatchObject({ later: 'kept' });
    }
    expect(db.all('SELECT seen_in FROM devices ORDER BY seen_in')).toEqual([{ seen_in: null }, { seen_in: 'Delft' }]);
    expect(db.all('SELECT place FROM places')).toEqual([{ place: 'Delft' }]);
  });
});

/** A record of everything that there is. */
async function workWith(store: EmbeddedStore) {
  const { user, device, operation } = await approved(store);
  const limits = {
    perClient: { starts: 5, windowMs: MINUTE },
    perUser: { starts: 5, windowMs: HOUR },
    backOff: { firstMs: SECOND, maxMs: HOUR },
    notMeMs: HOUR,
  };
  const waiting = anOperation(user);
  await store.operations.start(
    startOf(waiting, { limits, document: 'sealed', events: [anEvent(waiting, 'operation.started')] }),
  );
  const open = anOperation(user);
  await store.operations.start(startOf(open, { outbox: [anOutboxEntry(open)], receipt: aReceipt(device) }));
  expect(await store.operations.reserveAttempt(attemptOf({ user, device, operation: waiting }))).toMatchObject({
    result: 'reserved',
  });
  const evidence = { sealed: 'sealed.evidence', retainUntil: T0 + DAY, pinProof: 'sealed.proof' };
  expect(await store.operations.decide(decideOf({ user, device, operation: open }, { evidence }))).toMatchObject({
    result: 'decided',
  });
  expect(await store.devices.claimKey(aHash(), device.id, T0)).toBe(true);
  expect(await store.replay.once({ scope: 'dpop', id: 'jti', now: T0, until: T0 + MINUTE })).toBe(true);
  await store.counters.reserve({ key: 'codes', limit: 5, windowMs: HOUR, now: T0 });
  const call = { scope: 'management:users', key: 'key-1', requestHash: 'request-1', now: T0, until: T0 + HOUR };
  await store.idempotency.begin({ ...call, leaseUntil: T0 + SECOND });
  await store.idempotency.finish({ ...call, response: 'sealed.response' });
  expect(await store.keys.add({ key: aServerKey(), now: T0, events: [] })).toEqual({ result: 'added' });
  for (const version of [1, 2])
    expect(await store.keyRing.save({ ring: { version, slots: [] }, events: [] })).toBe(true);
  const client = { id: 'shop', version: 1, metadata: {}, secrets: [], createdAt: T0, updatedAt: T0 };
  expect(await store.clients.create({ client, events: [] })).toEqual({ result: 'created' });
  const line = {
    id: 'n.1',
    clientId: 'shop',
    operationId: operation.id,
    mode: 'ping',
    attempt: 1,
    at: T0,
    ms: 1,
  } as const;
  await store.notificationLog.append({ line: { ...line, outcome: 'failed' }, keep: 10, keepMs: HOUR });
  await store.artifacts.write([anArtifact()], T0);
  await store.check();
}

test('RL-20 a column with a default, in whichever table, hinders no program that does not know it', async () => {
  asProgram(next, () => {});
  const store = await openEmbeddedStore({ file });
  await workWith(store).finally(() => store.close());
  asProgram(next, (db) => {
    for (const table of tables) {
      const rows = db.all<{ of_later: string }>(`SELECT DISTINCT of_later FROM ${table}`);
      expect([table, rows]).toEqual([table, [{ of_later: 'absent' }]]);
    }
  });
});

test('every statement names the columns that it fills; only a step, which knows its own form, need not', async () => {
  const place = new URL('../../adapters/embedded/', import.meta.url);
  for (const name of (await readdir(place)).filter((each) => each !== 'schema.ts' && each.endsWith('.ts'))) {
    const source = await readFile(new URL(name, place), 'utf8');
    expect([name, source.match(/\bINTO\s+\w+\s+(VALUES|SELECT|DEFAULT)\b/gi)]).toEqual([name, null]);
  }
});

test('RL-20 a file that a version has contracted is not for older programs, and neither is what comes after it', async () => {
  const { readableBy: _none, ...contracting } = expanding;
  const later: Step[] = [...steps, contracting, { sql: 'CREATE TABLE more (id TEXT) STRICT', readableBy: 1 }];
  expect(asProgram(later, markerOf)).toEqual({ version: later.length, readableBy: later.length - 1 });
  await expect(openEmbeddedStore({ file })).rejects.toThrow(
    `The store has schema version ${later.length}, for programs of ${later.length - 1} and later; this program knows up to ${SCHEMA_VERSION}. Start the newer program, or restore a backup.`,
  );
  expect(asProgram(later, markerOf)).toEqual({ version: later.length, readableBy: later.length - 1 });
});
