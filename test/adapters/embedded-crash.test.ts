import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type EmbeddedStore, openEmbeddedStore } from '../../adapters/embedded/index.ts';
import { T0 } from '../support/records.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { startChild } from './embedded-processes.ts';

const CYCLES = 10;

/** One line of the child: what the store had answered before the process was killed. */
interface Acknowledged {
  user?: string;
  identifier?: string;
  device?: string;
  operation?: string;
  event?: string;
  tried?: string;
  decided?: string;
  approved?: boolean;
  jwsHash?: string;
  used?: string;
  committed?: string;
  response?: string;
  delivered?: string;
}

describe('kill -9 while it works', () => {
  test(`RL-01 at store level: ${CYCLES} cycles, everything acknowledged is there afterwards and the file is whole`, async () => {
    const seed = Number(process.env['ASSENT_TEST_SEED'] ?? randomInt(2 ** 31));
    const random = seededRandom(seed);
    await using folder = await temporaryFolder('assent-crash');
    const file = join(folder.path, 'assent.db');
    const history: Acknowledged[] = [];

    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const child = startChild('load', file);
      expect(await child.next()).toContain('opened');
      // Eight flows at once: whichever step is the last one read, others are between request, commit and answer.
      const last = 1 + Math.floor(random() * 400);
      for (let read = 0; read < last; read++) await child.next();
      child.process.kill('SIGKILL');
      expect(await child.ended).toMatchObject({ signal: 'SIGKILL' });
      // A last line without its end was never acknowledged: the pipe gives whole lines only.
      history.push(
        ...child.lines
          .slice(1)
          .filter(isWhole)
          .map((line) => JSON.parse(line)),
      );
    }

    const store = await openEmbeddedStore({ file });
    const lost = [];
    for (const line of history) if (!(await isKept(store, line))) lost.push(line);
    await store.close();
    console.log(`seed ${seed}: ${CYCLES} kills, ${history.length} acknowledged steps, ${lost.length} lost`);
    expect({ seed, lost }).toEqual({ seed, lost: [] });
    expect(history.length).toBeGreaterThan(CYCLES);
    expect(integrity(file)).toEqual({ integrity: 'ok', orphans: [] });
  }, 120_000);
});

const isWhole = (line: string) => line.startsWith('{') && line.endsWith('}');

async function isKept(store: EmbeddedStore, line: Acknowledged): Promise<boolean> {
  if (line.user) return (await store.users.findByIdentifier('username', line.identifier!))?.id === line.user;
  if (line.device) return (await store.devices.get(line.device))?.state === 'active';
  if (line.tried) return (await store.devices.get(line.tried))?.failures.pinLifetime === 1;
  if (line.used) return !(await store.replay.once({ scope: 'child', id: line.used, now: T0, until: T0 }));
  const id = line.operation ?? line.decided ?? line.committed ?? line.delivered!;
  const operation = await store.operations.get(id);
  if (line.operation) return (await store.events.ofOperation(id)).some((event) => event.id === line.event);
  if (line.decided) {
    const { approved, jwsHash } = operation?.decision ?? {};
    const state = line.approved ? 'approved' : 'denied';
    return operation?.state === state && approved === line.approved && jwsHash === line.jwsHash;
  }
  const redemption = operation?.redemption;
  if (redemption?.state === 'delivered') return true;
  return line.committed !== undefined && redemption?.state === 'committed' && redemption.response === line.response;
}

/** mulberry32: the same seed kills after the same numbers of steps. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function integrity(file: string): { integrity: unknown; orphans: unknown[] } {
  const db = new DatabaseSync(file);
  const found = {
    integrity: db.prepare('PRAGMA integrity_check').get()!['integrity_check'],
    orphans: db.prepare('PRAGMA foreign_key_check').all(),
  };
  db.close();
  return found;
}
