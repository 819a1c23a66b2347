import { readdirSync, readFileSync } from 'node:fs';
import { names } from '../../adapters/redis/keys.ts';
import { isPacked, pack, unpack } from '../../adapters/redis/packing.ts';
import { numberOfKeys, sourceOf } from '../../adapters/redis/scripts.ts';

const folder = new URL('../../adapters/redis/scripts/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.lua'));
const read = (file: string) => readFileSync(new URL(file, folder), 'utf8');
/** The typed answers of scripts.ts, as text: the codes must be those of the headers. */
const types = readFileSync(new URL('../../adapters/redis/scripts.ts', import.meta.url), 'utf8');

test('every script is a file, and every file a script', () => {
  expect(files.map((file) => file.replace('.lua', '')).sort()).toEqual(Object.keys(numberOfKeys).sort());
});

describe.each(files)('%s', (file) => {
  const text = read(file);
  const [header = '', body = ''] = text.split(']]\n', 2);
  const name = file.replace('.lua', '');

  test('opens with its contract: keys, answers, and what a repetition does where it changes something', () => {
    expect(header).toMatch(new RegExp(`^--\\[\\[ ${name} `));
    expect(header).toContain('returns ');
    if (!name.startsWith('read')) expect(header).toContain('Repeated');
  });

  test('names as many keys as it is given, and no argument that its contract does not', () => {
    const keys = [...header.matchAll(/KEYS\[(\d)\]/g)].map(([, n]) => Number(n));
    expect(Math.max(...keys)).toBe(numberOfKeys[name as keyof typeof numberOfKeys]);
    for (const [used] of sourceOf(name).matchAll(/(?:KEYS|ARGV)\[\d+\]/g)) expect(header).toContain(used);
  });

  test('answers with the codes of its contract, which are those of scripts.ts', () => {
    const codes = [...text.slice(header.length).matchAll(/return \{ '([a-z_]+)'/g)].map(([, code]) => code!);
    for (const code of codes) {
      expect(header).toContain(`'${code}'`);
      expect(types).toContain(`'${code}'`);
    }
  });

  test('makes no key but by the names of keys.ts', () => {
    expect(body).not.toMatch(/root \.\. '/);
    for (const [, used] of sourceOf(name).matchAll(/NAME\.(\w+)/g)) expect(names).toHaveProperty(used!);
  });
});

test('names of keys are different, and none begins another', () => {
  const all = Object.values(names);
  expect(new Set(all).size).toBe(all.length);
  const open = all.filter((name) => name.endsWith(':'));
  for (const name of open) expect(all.filter((other) => other.startsWith(name))).toEqual([name]);
});

test.each([
  '',
  '{}',
  '{"a":"é😀"}',
  `{"sealed":"ab12cd.${'A-_9'.repeat(100)}","b":"${'x'.repeat(39)}"}`,
  `${'A'.repeat(43)}=${'-'.repeat(41)}`,
  'A'.repeat(100_001),
])('what is packed comes back as it was (%#)', (text) => {
  const packed = pack(text);
  expect(isPacked(packed)).toBe(true);
  expect(unpack(packed)).toBe(text);
});

test('sealed text takes a quarter less', () => {
  const sealed = Buffer.alloc(900, 7).toString('base64url');
  expect(pack(`{"sealed":"${sealed}"}`).length).toBeLessThan(930);
});
