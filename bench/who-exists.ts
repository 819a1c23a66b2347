/**
 * TH-04: a client that must not learn who exists asks for a person, for one without a device and for nobody, in turn; and
 * where user codes are asked for, with a wrong one, with none, and with one for a person whose tries are used up. The
 * answers are the same (the suite checks that); here their times are held against each other.
 */
import { type Alike, compareKinds, warmUp } from './alike.ts';
import { type BenchAssent, startAssent } from './assent.ts';
import { enrollDevice } from './bench-device.ts';
import { inParallel, paths, post, startForm } from './client.ts';
import type { Size } from './options.ts';
import { startRedis } from './redis.ts';
import type { Report } from './report.ts';

/** A person may have a hundred tries at most. */
const people = 60;
const code = 'open-sesame';

export async function measureWhoExists({ size }: { size: Size }, report: Report): Promise<void> {
  await measureHints(size, report);
  await measureCodes(size, report);
}

async function measureHints(size: Size, report: Report): Promise<void> {
  await using redis = await startRedis();
  await using assent = await startAssent({ store: `redis://127.0.0.1:${redis.port}`, isDiscreet: true });
  await enrollDevice(assent, 'somebody');
  await assent.management.call('/users', { body: { username: 'deviceless' } });
  const hints = ['somebody', 'deviceless', 'nobody'];
  await compareKinds(
    starting({ assent, size, report }),
    Object.fromEntries(hints.map((hint) => [hint, () => startForm(hint)])),
  );
}

async function measureCodes(size: Size, report: Report): Promise<void> {
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  // all that are made, with some to spare
  const tries = Math.ceil((size.requestsPerKind + warmUp) / people) + 5;
  await using assent = await startAssent({ store, isDiscreet: true, userCodeTries: tries });
  const namesOf = (kind: string) => Array.from({ length: people }, (_, i) => `${kind}-${i}`);
  const known = ['wrong', 'missing', 'locked'];
  await inParallel(known.flatMap(namesOf), 2, (name) => enrollDevice(assent, name, { withPin: false, userCode: code }));
  const asking = (kind: string, sent?: string) => (round: number) => {
    return `${startForm(`${kind}-${round % people}`)}${sent === undefined ? '' : `&user_code=${sent}`}`;
  };
  const scene = starting({ assent, size, report });
  const spent = Array.from({ length: tries * people }, (_, i) => asking('locked', 'open-barley')(i));
  await inParallel(spent, 4, (form) => post(assent, paths.start, form));
  await compareKinds(scene, {
    'nobody, a code': asking('nobody', code),
    'wrong code': asking('wrong', 'open-barley'),
    'tries used up': asking('locked', code),
  });
  await compareKinds(scene, { 'nobody, no code': asking('nobody'), 'code missing': asking('missing') });
}

interface Scene {
  assent: BenchAssent;
  size: Size;
  report: Report;
}

const starting = ({ assent, size, report }: Scene): Alike => ({
  section: 'who-exists',
  target: assent,
  path: paths.start,
  amount: size.requestsPerKind,
  isRight: (_kind, status) => status === 200,
  report,
});
