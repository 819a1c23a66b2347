import { spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Run a program of node_modules; resolves with what it complains about, '' where it is content. */
function complaintsOf(script: string, args: string[]): Promise<string> {
  const child = spawn(process.execPath, [join(root, 'node_modules', script), ...args], { cwd: root });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve(status === 0 ? '' : output));
  });
}

test.each(['tsconfig.json', 'tsconfig.browser.json'])(
  'the compiler finds nothing wrong under %s',
  async (config) => {
    // of several checkers each looks at most types anew: twice the work, for machines that have nothing else to do
    expect(await complaintsOf('typescript/bin/tsc', ['-p', config, '--checkers', '1'])).toBe('');
  },
  120_000,
);

test('the linter and the formatter find nothing wrong', async () => {
  expect(await complaintsOf('@biomejs/biome/bin/biome', ['check', '--colors=off', '--max-diagnostics=200'])).toBe('');
}, 60_000);
