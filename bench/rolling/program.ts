/** The program as it was at another revision, in a folder of its own beside this one's dependencies. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Program extends AsyncDisposable {
  name: string;
  root: string;
}

const here = join(import.meta.dirname, '../..');

export const thisProgram = (): Program => ({
  name: 'this version',
  root: here,
  async [Symbol.asyncDispose]() {},
});

/** @throws Error where there is no such revision here */
export async function programAt(revision: string): Promise<Program> {
  const name = git('rev-parse', '--short', `${revision}^{commit}`).toString().trim();
  const root = await mkdtemp(join(tmpdir(), `assent-bench-${name}-`));
  spawnSync('tar', ['-x', '-C', root], { input: git('archive', name) });
  symlinkSync(join(here, 'node_modules'), join(root, 'node_modules'));
  return { name, root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

function git(...args: string[]): Buffer {
  try {
    return execFileSync('git', ['-C', here, ...args], { maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (cause) {
    throw new Error(`git ${args.join(' ')} failed: --old takes a revision of this repository.`, { cause });
  }
}

type Schema = { properties?: Record<string, Schema>; additionalProperties?: unknown };

/** Without the settings that a former version does not have, which it would refuse. */
export function knownTo({ root }: Program, config: Record<string, unknown>): Record<string, unknown> {
  return withoutUnknown(JSON.parse(readFileSync(join(root, 'config/schema.json'), 'utf8')), config);
}

function withoutUnknown({ properties }: Schema, value: Record<string, unknown>): Record<string, unknown> {
  if (!properties) return value;
  const known = Object.entries(value).filter(([name]) => name in properties);
  return Object.fromEntries(
    known.map(([name, inner]) => [name, isObject(inner) ? withoutUnknown(properties[name]!, inner) : inner]),
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
