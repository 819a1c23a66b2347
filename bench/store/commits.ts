/**
 * Commits as fast as they come back, from so many requests at a time.
 *
 *     node bench/store/commits.ts group | single  <folder> <seconds>     ──> {"perSecond": …, "loopP99Ms": …}
 *
 * `group`: Assent's embedded store. `single`: what a server without one would do, a commit of its own for each request on
 * the main thread, with the same database, journal, `synchronous` and row.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { openEmbeddedStore } from '../../adapters/embedded/index.ts';

const [kind, folder, seconds] = process.argv.slice(2) as [string, string, string];
const requestsAtATime = 64;
const hour = 3_600_000;

type Commit = (id: string, now: number) => Promise<boolean>;

async function openGroup(): Promise<Commit> {
  const store = await openEmbeddedStore({ file: join(folder, 'group.db') });
  return (id, now) => store.replay.once({ scope: 'bench', id, now, until: now + hour });
}

function openSingle(): Commit {
  const db = new DatabaseSync(join(folder, 'single.db'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  db.exec('CREATE TABLE replay (scope TEXT, id TEXT, until INTEGER, PRIMARY KEY (scope, id)) WITHOUT ROWID');
  const insert = db.prepare('INSERT OR IGNORE INTO replay VALUES (?, ?, ?)');
  return async (id, now) => {
    // a request reaches a handler by the event loop, not by a loop of ours
    await new Promise(setImmediate);
    return Number(insert.run('bench', id, now + hour).changes) === 1;
  };
}

const commit = kind === 'group' ? await openGroup() : openSingle();
const loop = monitorEventLoopDelay({ resolution: 1 });
const endsAt = performance.now() + Number(seconds) * 1000;
let commits = 0;
loop.enable();
await Promise.all(
  Array.from({ length: requestsAtATime }, async () => {
    while (performance.now() < endsAt) {
      if (!(await commit(randomBytes(16).toString('base64url'), Date.now()))) throw new Error('not committed');
      commits += 1;
    }
  }),
);
loop.disable();
const perSecond = commits / (Number(seconds) + (performance.now() - endsAt) / 1000);
// the histogram counts what comes on top of its own resolution as well
process.stdout.write(JSON.stringify({ perSecond, loopP99Ms: loop.percentile(99) / 1e6, loopMaxMs: loop.max / 1e6 }));
process.exit();
