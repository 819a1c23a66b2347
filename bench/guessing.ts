/**
 * TH-07: whoever guesses an `auth_req_id` hits nothing, and learns nothing from how long the answer takes: the same for one that was never
 * given, one that has expired, one that the store has forgotten, one of another client, but for microseconds.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openRedisStore } from '../adapters/redis/index.ts';
import { DAY, SECOND } from '../src/support/clock.ts';
import { ALL_PARTITIONS, newHandle, randomPartition } from '../src/support/ids.ts';
import { compareKinds, warmUp } from './alike.ts';
import { type BenchAssent, startAssent } from './assent.ts';
import { benchClient, inParallel, paths, post, startMany, type Target, tokenForm, withSecret } from './client.ts';
import type { Options } from './options.ts';
import { startRedis } from './redis.ts';
import { most, type Report } from './report.ts';
import { seed } from './seed.ts';

const section = 'guessing';
/** Of each kind that was given at some time; asked for in turn. */
const given = 200;
/** The shortest life that a request can have. */
const shortestSeconds = 10;
const other = { ...benchClient, client_id: 'bench-other' };

export async function measureGuessing({ size }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  await using assent = await startAssent({ store, clients: [other] });
  await using seeded = await seed(store, assent, 50);
  const startSome = (lifeSeconds?: number, target: Target = assent) =>
    startMany(target, seeded.names, given, lifeSeconds);
  const guess = () => newHandle(randomPartition());
  const forgotten = await startSome(shortestSeconds);
  await untilOver();
  await forget(store);
  const expired = await startSome(shortestSeconds);
  const foreign = await startSome(600, { ...assent, caller: withSecret(other) });
  // a guess that hits would find these
  const [pending = ''] = await startSome();
  await untilOver();
  await guessMany(assent, report, size.guesses, guess);
  // beforehand: drawing one would leave the caches of this process otherwise than the others do
  const neverGiven = Array.from({ length: warmUp + size.requestsPerKind }, guess);
  await compareKinds(
    {
      section,
      target: assent,
      path: paths.token,
      amount: size.requestsPerKind,
      // an answer of its own; and a record that is read, which only who was given such an id can ask for
      apartOnly: ['expired', 'of another client'],
      isRight: (kind, status, { error }) =>
        status === 400 && error === (kind === 'expired' ? 'expired_token' : 'invalid_grant'),
      report,
    },
    {
      'never given': inTurn(neverGiven),
      expired: inTurn(expired),
      forgotten: inTurn(forgotten),
      'of another client': inTurn(foreign),
    },
  );
  const { status, body } = await post(assent, paths.token, tokenForm(pending));
  if (body['error'] !== 'authorization_pending') throw new Error(`a pending one: ${status} ${JSON.stringify(body)}`);
}

/** And written down as expired, which is done every second. */
const untilOver = () => sleep((shortestSeconds + 2) * SECOND);

/** As the server does when a record has been kept for a day, and another hour. */
async function forget(url: string): Promise<void> {
  const store = await openRedisStore({ url });
  const collect = () => store.collectGarbage({ partitions: ALL_PARTITIONS, now: Date.now() + 2 * DAY, limit: 1_000 });
  while ((await collect()).more);
  await store.close();
}

const inTurn = (ids: string[]) => (round: number) => tokenForm(ids[round % ids.length]!);

async function guessMany(assent: BenchAssent, report: Report, count: number, guess: () => string): Promise<void> {
  const guesses = Array.from({ length: count }, guess);
  const startedAt = performance.now();
  const answers = await inParallel(guesses, 16, async (id) => {
    const { status, body } = await post(assent, paths.token, tokenForm(id));
    return status === 400 && body['error'] === 'invalid_grant';
  });
  const hits = answers.filter((isRefused) => !isRefused).length;
  const rate = Math.round((count * 1000) / (performance.now() - startedAt));
  const text = `${hits} of ${count} were answered otherwise than invalid_grant, ${rate}/s`;
  report({ section, what: 'guessed auth_req_ids: hits', value: hits, text, budget: most(0) });
}
