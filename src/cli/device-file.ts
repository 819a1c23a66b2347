/**
 * Keys of the software authenticator: one file for each device, readable by its owner only. It is as secret as a
 * password; the PIN's key rests on it masked (device-protocol, section 5).
 */
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { DeviceStorage, Slot, StoredRecords } from '../device-sdk/index.ts';
import { CliError, usage } from './errors.ts';
import { LockTaken, underLock } from './file-lock.ts';
import type { Environment } from './settings.ts';

type Records = { v: 1 } & Partial<StoredRecords>;

/** @throws CliError device_name_invalid */
export function deviceFile(name: string, env: Environment): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    const advice = 'Letters, digits, dot, underscore and hyphen are possible, at most 64.';
    throw usage('device_name_invalid', `"${name}" cannot be the name of a device.`, { advice });
  }
  return join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'assent', `${name}.json`);
}

/** A change takes milliseconds, more where a disk stalls. */
const usualWaitMs = 10_000;

/**
 * The SDK's storage in one JSON file. Several processes may use it: each change is read, made and written under one lock for
 * the folder.
 *
 * @throws CliError device_file_unusable, from every method | device_file_busy, from those that change something
 */
export function fileStorage(file: string, { waitMs = usualWaitMs }: { waitMs?: number } = {}): DeviceStorage {
  let before: Promise<unknown> = Promise.resolve();
  /** One after the other: each reads what the one before has written, here or in another process. */
  const change = <T>(members: (held: Records) => Partial<StoredRecords> | undefined, of: () => T): Promise<T> => {
    const changed = before.then(() => alone(file, waitMs, () => changeNow(members))).then(of);
    before = changed.catch(() => undefined);
    return changed;
  };
  const changeNow = async (members: (held: Records) => Partial<StoredRecords> | undefined) => {
    const held = await read(file);
    const given = members(held);
    if (given) await put({ ...held, ...given, v: 1 });
  };
  const put = async (records: Records) => {
    const isEmpty = !records.device && !records.enrolling;
    await rm(draftOf(file), { force: true }); // of a process that died: it holds keys
    await (isEmpty ? rm(file, { force: true }) : replace(file, `${JSON.stringify(records, null, 2)}\n`));
  };
  return {
    exportable: true,
    load: async <S extends Slot>(slot: S) => (await read(file))[slot] as StoredRecords[S] | undefined,
    save: (slot, record) =>
      change(
        () => ({ [slot]: record }),
        () => undefined,
      ),
    update: <S extends Slot>(slot: S, next: (held: StoredRecords[S]) => StoredRecords[S]) => {
      let changed: StoredRecords[S] | undefined;
      return change(
        (held) => {
          const record = held[slot] as StoredRecords[S] | undefined;
          changed = record && next(record);
          return changed && { [slot]: changed };
        },
        () => changed,
      );
    },
    erase: (slot) =>
      change(
        () => ({ [slot]: undefined }),
        () => undefined,
      ),
  };
}

async function read(file: string): Promise<Records> {
  try {
    const records = JSON.parse(await readFile(file, 'utf8')) as Records;
    if (records?.v === 1) return records;
    throw new Error('made by another version');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { v: 1 };
    const advice = 'It was left as it is. Move it away and enroll again, or name another one with --device.';
    throw usage('device_file_unusable', `${file} cannot be used (${code ?? message}).`, { advice });
  }
}

async function alone(file: string, waitMs: number, work: () => Promise<void>): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await underLock(join(dirname(file), '.lock'), waitMs, work);
  } catch (error) {
    throw inWords(file, error);
  }
}

function inWords(file: string, error: unknown): CliError {
  if (error instanceof CliError) return error;
  const advice = 'What it held is unchanged.';
  if (error instanceof LockTaken) {
    return usage('device_file_busy', `${file} is being changed by another process.`, {
      advice: `${advice} Try again.`,
    });
  }
  const { code = 'ERR_', message } = error as NodeJS.ErrnoException;
  const why = code.startsWith('ERR_') ? message : code;
  return usage('device_file_unusable', `${file} cannot be written (${why}).`, { advice, cause: error });
}

/** One name, since whoever writes it has the lock. */
const draftOf = (file: string) => `${file}.new`;

/** Whole or not at all, and on the disk when it resolves. */
async function replace(file: string, text: string): Promise<void> {
  const draft = draftOf(file);
  try {
    await synced(await open(draft, 'wx', 0o600), (handle) => handle.writeFile(text));
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
  await synced(await open(dirname(file), 'r'), async () => undefined);
}

async function synced(handle: FileHandle, work: (handle: FileHandle) => Promise<unknown>): Promise<void> {
  try {
    await work(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
