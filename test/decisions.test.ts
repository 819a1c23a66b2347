import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** What the files of a folder cite as "ruling N". */
function citedIn(folder: string): number[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|js|lua|md)$/.test(path) && !path.includes('node_modules'))
    .flatMap((path) => [...readFileSync(join(root, folder, path), 'utf8').matchAll(/\bruling (\d+)/gi)])
    .map(([, number]) => Number(number));
}

test('docs/decisions.md explains every ruling that is cited, each once and in order', () => {
  const page = readFileSync(join(root, 'docs/decisions.md'), 'utf8');
  const explained = [...page.matchAll(/^### (\d+)\. /gm)].map(([, number]) => Number(number));
  expect(explained).toEqual([...new Set(explained)].sort((a, b) => a - b));
  const cited = new Set(['src', 'adapters', 'test', 'views', 'bench'].flatMap(citedIn));
  expect([...cited].filter((number) => !explained.includes(number))).toEqual([]);
});
