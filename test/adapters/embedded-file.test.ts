import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createConnection, openDb } from '../../adapters/embedded/db.ts';
import { openEmbeddedStore, StoreRefused } from '../../adapters/embedded/index.ts';
import { preparePlace } from '../../adapters/embedded/place.ts';
import { SCHEMA_VERSION } from '../../adapters/embedded/schema.ts';
import { applySettings, readSetting } from '../../adapters/embedded/settings.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';
import { startChild } from './embedded-processes.ts';

let folder: TemporaryFolder;
let file: string;
beforeEach(async () => {
  folder = await temporaryFolder('assent-embedded');
  file = join(folder.path, 'data', 'assent.db');
});
afterEach(() => folder.remove());

/** Leaves a file that another program, or another version of this one, has written. */
async function withDatabase(change: (db: DatabaseSync) => void): Promise<void> {
  await (await openEmbeddedStore({ file })).close();
  const db = new DatabaseSync(file);
  change(db);
  db.close();
}

/** As a newer program leaves it that no older one can work with. */
const newer = `PRAGMA user_version = ${SCHEMA_VERSION + 1}; UPDATE readable_by SET version = ${SCHEMA_VERSION + 1}`;

describe('settings', () => {
  test('every setting that a promise rests on is what was asked for', async () => {
    preparePlace(file);
    const db = openDb(file, { readOnly: false });
    applySettings(db, 'writer');
    const found = Object.fromEntries(
      [
        'journal_mode',
        'synchronous',
        'busy_timeout',
        'foreign_keys',
        'wal_autocheckpoint',
        'journal_size_limit',
        'trusted_schema',
        'secure_delete',
        'mmap_size',
      ].map((name) => [name, readSetting(db, name)]),
    );
    expect(found).toEqual({
      journal_mode: 'wal',
      synchronous: 2,
      busy_timeout: 5000,
      foreign_keys: 1,
      wal_autocheckpoint: 1000,
      journal_size_limit: 64 * 1024 * 1024,
      trusted_schema: 0,
      secure_delete: 2,
      mmap_size: 0,
    });
    db.close();
  });

  test('a setting that SQLite does not take refuses the start', () => {
    // A database in memory has no log, so it answers something else than was asked for.
    const db = openDb(':memory:', { readOnly: false });
    expect(() => applySettings(db, 'writer')).toThrow(StoreRefused);
    expect(() => applySettings(db, 'writer')).toThrow('SQLite does not take journal_mode = WAL: it says memory.');
    db.close();
  });

  test('every table is STRICT', async () => {
    await withDatabase((db) => {
      const tables = db.prepare('PRAGMA table_list').all();
      const own = tables.filter(({ name }) => !String(name).startsWith('sqlite_'));
      expect(own.length).toBeGreaterThan(10);
      expect(own.filter(({ strict }) => strict !== 1)).toEqual([]);
    });
  });
});

describe('the file', () => {
  test('is made with its folder, readable by nobody else, and so is all that lies beside it', async () => {
    const store = await openEmbeddedStore({ file });
    const names = await readdir(join(folder.path, 'data'));
    expect(names.sort()).toEqual(['assent.db', 'assent.db-shm', 'assent.db-wal', 'assent.db.lock']);
    for (const name of names) expect((await stat(join(folder.path, 'data', name))).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder.path, 'data'))).mode & 0o777).toBe(0o700);
    await store.close();
    // Nothing is left in the log: a copy of the one file is a backup.
    expect((await readdir(join(folder.path, 'data'))).sort()).toEqual(['assent.db', 'assent.db.lock']);
  });

  test('that others could read is closed to them', async () => {
    await (await openEmbeddedStore({ file })).close();
    await chmod(file, 0o644);
    await (await openEmbeddedStore({ file })).close();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test.each([
    [0x6969, 'NFS'],
    [0xff534d42, 'CIFS'],
    [-11317950, 'CIFS'],
    [0x65735546, 'FUSE'],
  ])('on a network file system (%i, %s) is refused, and nothing is made', async (type, name) => {
    if (process.platform !== 'linux') return;
    expect(() => preparePlace(join(folder.path, 'assent.db'), () => ({ type }))).toThrow(
      `${folder.path} is on a network file system (${name}); the store needs a local disk.`,
    );
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('with a newer schema is refused and left as it is', async () => {
    await withDatabase((db) => db.exec(newer));
    await expect(openEmbeddedStore({ file })).rejects.toThrow(
      `The store has schema version ${SCHEMA_VERSION + 1}; this program knows up to ${SCHEMA_VERSION}.`,
    );
    const db = new DatabaseSync(file, { readOnly: true });
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: SCHEMA_VERSION + 1 });
    db.close();
  });

  test('of another program is refused', async () => {
    await withDatabase((db) => db.exec('PRAGMA application_id = 42'));
    await expect(openEmbeddedStore({ file })).rejects.toThrow('The file is a database of another program.');
  });

  test('that is no database is refused', async () => {
    preparePlace(file);
    await writeFile(file, 'not a database '.repeat(100));
    await expect(openEmbeddedStore({ file })).rejects.toThrow(/file is not a database/);
  });

  test('can be opened after a refusal', async () => {
    await withDatabase((db) => db.exec(newer));
    await expect(openEmbeddedStore({ file })).rejects.toThrow(StoreRefused);
    const db = new DatabaseSync(file);
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    db.close();
    await (await openEmbeddedStore({ file })).close();
  });
});

describe('a connection that met an I/O error', () => {
  const failing = (errcode: number) => () => {
    throw new StoreUnavailable('the disk', { cause: Object.assign(new Error('SQLite'), { errcode }) });
  };
  const opening = () => {
    const verified: boolean[] = [];
    let opens = 0;
    const open = () => {
      opens += 1;
      return openDb(':memory:', { readOnly: false });
    };
    const connection = createConnection(open, () => {
      verified.push(verified.length > 0);
      if (verified.length === 1) throw new StoreUnavailable('still damaged');
    });
    return { connection, verified, opens: () => opens };
  };

  test('is opened anew and verified before anything else is done with it', () => {
    const { connection, verified, opens } = opening();
    expect(connection.use(() => 'fine')).toBe('fine');
    expect({ verified, opens: opens() }).toEqual({ verified: [], opens: 1 });
    // SQLITE_IOERR_FSYNC
    expect(() => connection.use(failing(10 | (4 << 8)))).toThrow('the disk');
    expect(() => connection.use(() => 'never')).toThrow('still damaged');
    expect(connection.use(() => 'fine again')).toBe('fine again');
    expect({ verified, opens: opens() }).toEqual({ verified: [false, true], opens: 3 });
    connection.close();
  });

  test('a full disk or a lock is not one: the connection stays', () => {
    const { connection, opens } = opening();
    for (const full of [13, 5]) expect(() => connection.use(failing(full))).toThrow('the disk');
    expect(connection.use(() => 'fine')).toBe('fine');
    expect(opens()).toBe(1);
    connection.close();
  });
});

describe('one process at a time', () => {
  test('a second start in this process fails in one sentence', async () => {
    const store = await openEmbeddedStore({ file });
    const refusal = await openEmbeddedStore({ file }).catch((error: Error) => error);
    expect(refusal).toBeInstanceOf(StoreRefused);
    expect((refusal as Error).message).toMatch(/^The store .*assent\.db is in use by process \d+ on \S+\.$/);
    // It has taken nothing from the first.
    await store.check();
    await store.close();
    await (await openEmbeddedStore({ file })).close();
  });

  test('the owner in another process is named; when it was killed the file is free', async () => {
    const owner = startChild('hold', file);
    await owner.next();
    await expect(openEmbeddedStore({ file })).rejects.toThrow(`is in use by process ${owner.process.pid} on `);
    owner.process.kill('SIGKILL');
    await owner.ended;
    const store = await openEmbeddedStore({ file });
    await store.check();
    await store.close();
  });

  test('of several that start at once one gets the file', async () => {
    const children = Array.from({ length: 4 }, () => startChild('hold', file));
    const first = await Promise.all(children.map((child) => child.next()));
    expect(first.filter((line) => line !== undefined)).toHaveLength(1);
    for (const child of children) child.process.kill('SIGKILL');
    const ends = await Promise.all(children.map(({ ended }) => ended));
    const refused = ends.filter(({ stderr }) => stderr.includes('is in use by'));
    expect(refused).toHaveLength(3);
  });
});
