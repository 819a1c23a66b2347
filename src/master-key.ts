import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The master key as 32 bytes: the configured one, or in development the one in a file beside the store (ruling 23), which is
 * made at the first start.
 *
 * @param configured base64url of 32 bytes; the configuration has checked it
 */
export function masterKeyOf(configured: string | undefined, file: string): Buffer {
  if (configured) return Buffer.from(configured, 'base64url');
  return readKey(file) ?? makeKey(file);
}

/** @param configured as the configuration has checked them */
export function formerMasterKeysOf(configured: string | undefined): Buffer[] {
  return (configured ?? '').split(',').flatMap((key) => (key.trim() ? [Buffer.from(key.trim(), 'base64url')] : []));
}

function readKey(file: string): Buffer | undefined {
  try {
    const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64url');
    if (key.length !== 32) throw new Error(`${file} does not hold a master key of 32 bytes`);
    return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Written whole and synced under another name first: a store without its key is lost, so half a key must never be found. */
function makeKey(file: string): Buffer {
  const key = randomBytes(32);
  const draft = `${file}.${process.pid}`;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const handle = openSync(draft, 'wx', 0o600);
  writeSync(handle, `${key.toString('base64url')}\n`);
  fsyncSync(handle);
  closeSync(handle);
  try {
    linkSync(draft, file);
    return key;
  } catch (error) {
    // Another process was first: its key is the key.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return readKey(file) as Buffer;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}
