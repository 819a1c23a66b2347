import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openEmbeddedStore } from '../../adapters/embedded/index.ts';
import { T0 } from '../support/records.ts';
import { requireSystem, systemProgram } from '../support/system.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { startChild } from './embedded-processes.ts';

const withStrace = requireSystem('strace');

/** What a traced run did, in order: log pages handed to the kernel, syncs of the log that completed, acknowledgements. */
type Step = 'log written' | 'log synced' | 'acknowledged';

withStrace('power loss, without losing power', () => {
  async function stepsOf(what: string, count: number): Promise<Step[]> {
    await using folder = await temporaryFolder('assent-trace');
    const trace = join(folder.path, 'trace');
    const calls = 'trace=write,pwrite64,pwritev,fsync,fdatasync';
    // -y names the file behind each descriptor; -f follows the writer's thread
    const wrapper = [systemProgram('strace'), '-f', '-y', '-s', '16', '-e', calls, '-o', trace];
    const child = startChild(what, join(folder.path, 'assent.db'), { count, wrapper });
    expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' });
    return readTrace(await readFile(trace, 'utf8'));
  }

  test('RL-05 of 5000 acknowledgements none leaves before the log that it rests on was synced', async () => {
    const steps = await stepsOf('groups', 5000);
    expect(steps.filter((step) => step === 'acknowledged')).toHaveLength(5000);
    expect(steps.filter((step) => step === 'log synced').length).toBeGreaterThanOrEqual(500);
    expect(acknowledgedTooEarly(steps)).toBe(0);
  }, 120_000);

  test('RL-05 the same check finds the fault with synchronous = NORMAL', async () => {
    const steps = await stepsOf('groups-synchronous-normal', 500);
    expect(steps.filter((step) => step === 'acknowledged')).toHaveLength(500);
    expect(acknowledgedTooEarly(steps)).toBeGreaterThan(400);
  }, 120_000);
});

withStrace('a disk that fails', () => {
  test.each([
    ['an fsync fails (EIO)', 'inject=fdatasync,fsync:error=EIO:when=10..14'],
    ['the disk is full (ENOSPC)', 'inject=pwrite64:error=ENOSPC:when=60..75'],
    ['a write fails (EIO)', 'inject=pwrite64:error=EIO:when=60..75'],
  ])(
    '%s: refused writes say so, the process lives, writes again, and has kept all it acknowledged',
    async (_, fault) => {
      await using folder = await temporaryFolder('assent-fault');
      const file = join(folder.path, 'assent.db');
      // Made beforehand: the fault is to meet the work, not the making of the tables.
      await (await openEmbeddedStore({ file })).close();
      const calls = 'trace=fsync,fdatasync,pwrite64';
      const wrapper = [systemProgram('strace'), '-f', '-o', '/dev/null', '-e', calls, '-e', fault];
      const child = startChild('stubborn', file, { count: 60, wrapper });
      expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' });
      const lines: { used?: string; failed?: string; log?: string }[] = child.lines.map((line) => JSON.parse(line));
      const outcomes = lines.filter(({ log }) => log === undefined);
      const told = lines.flatMap(({ log }) => log ?? []);
      // Told at each turn, not at each refusal.
      expect(told.length).toBeGreaterThan(0);
      expect(told).toEqual(told.map((_, i) => (i % 2 === 0 ? 'store.unavailable' : 'store.recovered')));
      expect(told.at(-1)).toBe('store.recovered');
      expect(outcomes).toHaveLength(60);
      const failures = outcomes.filter(({ failed }) => failed !== undefined);
      expect(failures.length).toBeGreaterThan(0);
      expect(new Set(failures.map(({ failed }) => failed))).toEqual(new Set(['StoreUnavailable']));
      expect(outcomes.at(-1)).toHaveProperty('used');

      const store = await openEmbeddedStore({ file });
      for (const { used } of outcomes)
        if (used) expect(await store.replay.once({ scope: 'child', id: used, now: T0, until: T0 })).toBe(false);
      await store.close();
      const db = new DatabaseSync(file);
      expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
      db.close();
    },
  );
});

function acknowledgedTooEarly(steps: Step[]): number {
  let isDirty = false;
  let count = 0;
  for (const step of steps) {
    if (step === 'acknowledged') count += Number(isDirty);
    else isDirty = step === 'log written';
  }
  return count;
}

/** A sync counts when it has returned 0, a write from when it is made. A call that another thread interrupts has two lines. */
function readTrace(text: string): Step[] {
  const syncing = new Set<string>();
  const steps: Step[] = [];
  for (const line of text.split('\n')) {
    const thread = line.split(' ', 1)[0]!;
    const isSync = /\bf(data)?sync\(\d+<[^>]*-wal>/.test(line);
    if (/\bpwrite(64|v)\(\d+<[^>]*-wal>/.test(line)) steps.push('log written');
    else if (isSync && line.includes('<unfinished')) syncing.add(thread);
    else if (isSync && line.endsWith('= 0')) steps.push('log synced');
    else if (/<\.\.\. f(data)?sync resumed>/.test(line) && syncing.delete(thread) && line.endsWith('= 0'))
      steps.push('log synced');
    else if (/\bwrite\(3<[^>]*>, "ack /.test(line)) steps.push('acknowledged');
  }
  return steps;
}
