import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { jest } from '@jest/globals';
import { inherited, repository } from './support/server.ts';
import { requireSystem } from './support/system.ts';

// Four processes start and work here; ten seconds on a free machine, three times that on a busy one.
jest.setTimeout(120_000);

interface Line {
  section: string;
  what: string;
  value: number;
  text: string;
  budget?: { text: string };
  met?: boolean;
}

interface Result {
  machine: { cpu: string; cores: number; memoryGiB: number; node: string; redis: string };
  lines: Line[];
}

/** What `npm run bench -- …` runs. Times are printed by it and judged by nobody here (ruling 28); counts are. */
async function bench(...args: string[]): Promise<{ status: number; output: string; errors: string }> {
  const child = spawn(process.execPath, [join(repository, 'bin/setup.js'), 'bench/main.ts', ...args], {
    env: inherited(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  return { status, output, errors };
}

requireSystem('redis-server')('the benchmark', () => {
  let running: ReturnType<typeof bench>;
  beforeAll(() => {
    running = bench('--quick', '--only', 'start,round-trips', '--json');
  });
  const resultOf = async (): Promise<Result> => {
    const { status, output, errors } = await running;
    if (status !== 0) throw new Error(errors);
    return JSON.parse(output);
  };

  test('B14 one command compares with the peer and names the machine', async () => {
    const { machine, lines } = await resultOf();
    expect(machine).toMatchObject({ cpu: expect.any(String), cores: expect.any(Number), node: process.versions.node });
    const ratios = lines.filter(({ what }) => /^start: .* : /.test(what));
    expect(ratios.map(({ what }) => what)).toEqual([
      'start: requests per second, Assent : peer',
      'start: server CPU per request, peer : Assent',
    ]);
    for (const { value, text } of ratios) {
      expect(value).toBeGreaterThan(0);
      expect(text).toMatch(/^\d+\.\d\d × \(\d+\.\d\d–\d+\.\d\d\)$/);
    }
  });

  test('store round trips of each call stay within their budgets', async () => {
    const { lines } = await resultOf();
    const counted = lines.filter(({ budget, section }) => budget && section === 'round-trips');
    expect(counted.map(({ what, budget }) => `${what} ${budget?.text}`)).toEqual([
      'round trips: poll ≤ 1',
      'round trips: start ≤ 4',
      'round trips: decide ≤ 3',
      'round trips: redeem ≤ 5',
    ]);
    expect(counted.filter(({ met }) => !met)).toEqual([]);
  });
});

test('a section that does not exist is refused with what there is', async () => {
  const { status, errors } = await bench('--only', 'latency');
  expect(status).toBe(2);
  expect(errors).toContain('start,poll,redeem');
});

/** Told by a process that starts a server as the benchmark does: the cores that each of the two may use. */
const whoRunsWhere = `
  import { readFileSync } from 'node:fs';
  import { canPin } from './bench/machine.ts';
  import { leaveServerCore, startOnServerCore } from './bench/processes.ts';
  const coresOf = (text) => /Cpus_allowed_list:\\s*(\\S+)/.exec(text)[1];
  const isPinned = canPin();
  leaveServerCore();
  const server = startOnServerCore('cat', ['/proc/self/status'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let status = '';
  for await (const chunk of server.child.stdout) status += chunk;
  const cores = { server: coresOf(status), others: coresOf(readFileSync('/proc/self/status', 'utf8')) };
  console.log(JSON.stringify({ isPinned, ...cores }));
`;

test('a server that is measured has a core of its own, where there are two', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', whoRunsWhere], {
    cwd: repository,
    env: inherited(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { isPinned, server, others } = JSON.parse(await text(child.stdout));
  if (isPinned) expect([server, others.split(/[-,]/).includes('0')]).toEqual(['0', false]);
  else expect(server).toBe(others);
});
