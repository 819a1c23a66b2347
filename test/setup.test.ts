import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from './support/tmp.ts';

const setup = join(import.meta.dirname, '..', 'bin', 'setup.js');

// What an older Node cannot do, and what another machine would be.
const before = (code: string) => `--import=data:text/javascript,${encodeURIComponent(code)}`;
const withoutExec = before('delete process.execve');
const onUnknownPlatform = before(
  `Object.defineProperty(process.versions, 'node', { value: '20.1.0' });
   Object.defineProperty(process, 'platform', { value: 'sunos' });`,
);

interface Run {
  args: string[];
  nodeArgs?: string[];
  env?: Record<string, string>;
  input?: string;
  /** Sent when the script has written its first line. */
  signal?: NodeJS.Signals;
}

async function run(script: string, { args, nodeArgs = [], env = {}, input = '', signal }: Run) {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'script.ts');
  await writeFile(file, script);
  const all = [...nodeArgs, setup, ...args.map((arg) => (arg === '<script>' ? file : arg))];
  // No PATH: whoever would start npm fails.
  const child = spawn(process.execPath, all, { env: { PATH: '/nowhere', ...env } });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
    if (signal && !child.killed) child.kill(signal);
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  child.stdin.end(input);
  const [status, endedBy] = await once(child, 'close');
  return { status, endedBy, output, errors };
}

const echo = `
  import { text } from 'node:stream/consumers';
  const greeting: string = await text(process.stdin);
  console.log(JSON.stringify([greeting, process.argv.slice(2), process.env.ASSENT_CONFIG ?? null]));
  process.exitCode = 7;
`;

describe.each([
  ['by becoming the script', []],
  ['by a child process, where Node cannot do that', [withoutExec]],
])('setup hands over %s', (_title, nodeArgs) => {
  test('arguments, standard input and exit status, without npm when nothing is missing', async () => {
    const result = await run(echo, { nodeArgs, args: ['<script>', 'a', '--b'], input: 'hello' });
    expect(result).toMatchObject({ status: 7, output: '["hello",["a","--b"],null]\n', errors: '' });
  });

  test('a default for a variable counts only where the variable is not set', async () => {
    const args = ['--default', 'ASSENT_CONFIG=config/development.json', '<script>'];
    expect((await run(echo, { nodeArgs, args })).output).toContain('"config/development.json"');
    expect((await run(echo, { nodeArgs, args, env: { ASSENT_CONFIG: 'own.json' } })).output).toContain('"own.json"');
  });

  test.each<NodeJS.Signals>(['SIGTERM', 'SIGINT'])(
    '%s reaches the script, which decides how to end',
    async (signal) => {
      const script = `
      process.on('${signal}', () => process.exit(9));
      setInterval(() => {}, 1000);
      console.log('ready');
    `;
      expect(await run(script, { nodeArgs, args: ['<script>'], signal })).toMatchObject({
        status: 9,
        output: 'ready\n',
      });
    },
  );

  test('a script that was killed does not look like success', async () => {
    const result = await run("process.kill(process.pid, 'SIGKILL');", { nodeArgs, args: ['<script>'] });
    expect(result.status === 137 || result.endedBy === 'SIGKILL').toBe(true);
  });
});

test('TH-21 what it starts has no __proto__, in none of its threads, as in the image', async () => {
  const thread = "require('node:worker_threads').parentPort.postMessage('__proto__' in {})";
  const { output, errors } = await run(
    `import { once } from 'node:events';
     import { Worker } from 'node:worker_threads';
     const worker = new Worker(${JSON.stringify(thread)}, { eval: true });
     const [there] = await once(worker, 'message');
     console.log(JSON.stringify({ here: '__proto__' in {}, there, flags: process.execArgv }));`,
    { args: ['<script>'] },
  );
  expect(errors).toBe('');
  const { flags, ...has } = JSON.parse(output);
  expect(has).toEqual({ here: false, there: false });
  const image = await readFile(join(import.meta.dirname, '..', 'Dockerfile'), 'utf8');
  const [, entry = ''] = /^ENTRYPOINT (.*)$/m.exec(image) ?? [];
  expect(JSON.parse(entry)).toEqual(['node', ...flags, 'src/main.ts']);
});

test('a platform without a packaged Node gets one sentence that says what to install', async () => {
  const { status, errors } = await run('', { nodeArgs: [onUnknownPlatform], args: ['<script>'] });
  expect(status).toBe(2);
  expect(errors).toMatch(/^assent: install Node 24\.15 or later .*sunos.*\n$/);
});

test('setup without a script says how it is used', async () => {
  expect(await run('', { args: [] })).toMatchObject({ status: 2, errors: expect.stringMatching(/^assent: usage: /) });
});
