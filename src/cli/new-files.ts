import { existsSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { assent } from './command-name.ts';
import { usage } from './errors.ts';

/** New files in folders that are made where they are missing. All or none: a configuration without its key would be found by somebody who has lost the other half. */
export async function writeNew(files: [path: string, text: string, mode: number][]): Promise<void> {
  const taken = files.map(([path]) => path).filter((path) => existsSync(path));
  if (taken.length > 0) throw refusedToOverwrite(taken);
  const written: string[] = [];
  try {
    for (const folder of new Set(files.map(([path]) => dirname(path)))) await mkdir(folder, { recursive: true });
    for (const [path, text, mode] of files) {
      const handle = await open(path, 'wx', mode);
      written.push(path);
      await handle.writeFile(text);
      await handle.sync();
      await handle.close();
    }
  } catch (error) {
    await Promise.all(written.map((path) => rm(path, { force: true })));
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw refusedToOverwrite([(error as NodeJS.ErrnoException).path!]);
    throw error;
  }
}

function refusedToOverwrite(files: string[]) {
  const which = files.length === 1 ? `${files[0]} exists.` : `These exist: ${files.join(', ')}`;
  return usage('file_exists', which, {
    advice: `Nothing was written or changed. Name another folder: ${assent} init <folder>`,
  });
}
