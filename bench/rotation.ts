/**
 * RL-17, the half with a clock in it: two processes on one store sign people in, so many a second, while the signing key is
 * replaced at once, again and again. A relying party that fetches the key set when it meets an unknown key must verify every
 * ID token, nobody may be refused, and both processes must have changed over within a second. (Relying parties that keep the
 * set for hours are a matter of the test with a moved clock.)
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { type BenchAssent, startAssent } from './assent.ts';
import { benchClient, paths, post, start, tokenForm } from './client.ts';
import type { Options } from './options.ts';
import { startRedis } from './redis.ts';
import { most, type Report } from './report.ts';
import { type Seeded, seed } from './seed.ts';

const perSecond = 200;
const secondsBetween = 3;
const users = 500;

interface Scene {
  processes: BenchAssent[];
  seeded: Seeded;
}

/** One sign-in: by which process, signed with what, and when its token request was sent and answered. */
interface SignedIn {
  by: number;
  kid: string;
  sentAt: number;
  answeredAt: number;
}

export async function measureRotation({ size }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  await using one = await startAssent({ store });
  await using two = await startAssent({ store, shared: one.shared });
  await using seeded = await seed(store, one, users);
  const party = createRelyingParty(one);
  const load = startLoad({ processes: [one, two], seeded }, party.verify);
  await sleep(1_000);
  for (let rotation = 0; rotation < size.rotations; rotation++) {
    await one.management.call('/keys/rotate', { body: { alg: 'ES256', immediate: true } });
    await sleep(secondsBetween * 1_000);
  }
  const { signedIn, failures, seconds } = await load.stop();
  const kids = new Set(signedIn.map(({ kid }) => kid));
  if (kids.size !== size.rotations + 1) throw new Error(`${kids.size} keys have signed in ${size.rotations} rotations`);
  const section = 'rotation';
  const rate = Math.round(signedIn.length / seconds);
  const text = `${failures.length} of ${signedIn.length + failures.length}, ${rate}/s, ${size.rotations} rotations; the key set was fetched ${party.fetches()} times${failures.length > 0 ? `; ${failures[0]}` : ''}`;
  report({ section, what: 'rotation: failed or not verified', value: failures.length, text, budget: most(0) });
  const lag = changeOver(signedIn);
  report({
    section,
    what: 'rotation: two processes change over',
    value: lag,
    text: `at most ${Math.round(lag)} ms from the first ID token by a new key to the last by the old one`,
    budget: most(1000, ' ms'),
  });
}

/** Knows the keys that it has met, and fetches the set for one that it has not. */
function createRelyingParty({ url, shared: { issuer } }: BenchAssent) {
  let keys: JSONWebKeySet = { keys: [] };
  let fetches = 0;
  let fetching: Promise<void> | undefined;
  async function fetchKeys(): Promise<void> {
    fetches += 1;
    keys = (await (await fetch(`${url}/.well-known/jwks.json`)).json()) as JSONWebKeySet;
    fetching = undefined;
  }
  return {
    fetches: () => fetches,
    /** @returns the key that signed */
    async verify(idToken: string): Promise<string> {
      const { kid } = JSON.parse(Buffer.from(idToken.split('.')[0]!, 'base64url').toString());
      if (!keys.keys.some((key) => key.kid === kid)) await (fetching ??= fetchKeys());
      await jwtVerify(idToken, createLocalJWKSet(keys), { issuer, audience: benchClient.client_id });
      return kid;
    },
  };
}

/** As many as the clock says, whether or not the ones before are done. */
function startLoad({ processes, seeded }: Scene, verify: (idToken: string) => Promise<string>) {
  const signedIn: SignedIn[] = [];
  const failures: string[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAt = performance.now();
  let begun = 0;
  async function signIn(index: number): Promise<void> {
    const by = index % processes.length;
    const id = await start(processes[(index >> 1) % processes.length]!, seeded.names[index % seeded.names.length]!);
    // that is ours, by the store's own step: where it fails nobody was refused anything
    if (
      !(await seeded.approve([id]).then(
        () => true,
        () => false,
      ))
    )
      return;
    const sentAt = performance.now();
    const { status, body } = await post(processes[by]!, paths.token, tokenForm(id));
    const answeredAt = performance.now();
    if (status !== 200) throw new Error(`tokens were answered ${status} ${body['error']}`);
    signedIn.push({ by, kid: await verify(String(body['id_token'])), sentAt, answeredAt });
  }
  const tick = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1000);
    while (begun < due) {
      const one: Promise<void> = signIn(begun++)
        .catch((error: unknown) => void failures.push(String(error)))
        .finally(() => underWay.delete(one));
      underWay.add(one);
    }
  }, 5);
  return {
    async stop() {
      clearInterval(tick);
      const seconds = (performance.now() - startedAt) / 1000;
      await Promise.all(underWay);
      return { signedIn, failures, seconds };
    },
  };
}

/** The longest time that both an old and a new key have signed. What was sent before the new key signed does not count. */
function changeOver(signedIn: SignedIn[]): number {
  const first = new Map<string, number>();
  for (const { kid, answeredAt } of signedIn) first.set(kid, Math.min(first.get(kid) ?? Infinity, answeredAt));
  const order = [...first].sort(([, a], [, b]) => a - b).map(([kid]) => kid);
  const lags = order.slice(1).map((kid, index) => {
    const since = first.get(kid)!;
    const late = signedIn.filter((each) => each.kid === order[index] && each.sentAt > since);
    return Math.max(0, ...late.map(({ sentAt }) => sentAt - since));
  });
  return Math.max(0, ...lags);
}
