import { chmodSync, closeSync, mkdirSync, openSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { StoreRefused } from './refused.ts';

/**
 * File systems without the locks and the shared memory that SQLite's log needs, or whose fsync means something else.
 * Magic numbers of statfs(2); on other systems than Linux the field means something else and nothing is refused.
 */
const networkFileSystems: Record<number, string> = {
  26985: 'NFS',
  20859: 'SMB',
  4266872130: 'SMB',
  4283649346: 'CIFS',
  1702057286: 'FUSE',
  16914839: '9P',
  12805120: 'Ceph',
  1397113167: 'AFS',
  1937076805: 'Coda',
  198183888: 'Lustre',
};

/** Makes the folder and the file where they are missing, for this user only. SQLite gives its log the file's mode. */
export function preparePlace(file: string, statfs: (path: string) => { type: number } = statfsSync): void {
  const folder = dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const name = process.platform === 'linux' ? networkFileSystems[statfs(folder).type >>> 0] : undefined;
  if (name) throw new StoreRefused(`${folder} is on a network file system (${name}); the store needs a local disk.`);
  makeFile(file);
  chmodSync(file, 0o600);
}

/**
 * A file for this user only, where there is none. One that is there is not even opened: closing it would drop every lock
 * that this process holds on it (fcntl(2), "Record locks").
 */
export function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
