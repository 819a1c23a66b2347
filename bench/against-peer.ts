/** Start, pending poll and redemption over HTTP, each against the bare engine. */
import { type BenchAssent, startAssent } from './assent.ts';
import { assertingClient, type Keyed } from './callers.ts';
import { paths, post, start, startForm, startMany, type Target, tokenForm } from './client.ts';
import { compare, reportComparison } from './compare.ts';
import type { Options, Size } from './options.ts';
import { type BenchPeer, startPeer } from './peer.ts';
import { type BenchRedis, startRedis } from './redis.ts';
import type { Report } from './report.ts';
import { type Seeded, seed } from './seed.ts';

type Side = BenchAssent | BenchPeer;

interface Scene {
  redis: BenchRedis;
  assent: BenchAssent;
  peer: BenchPeer;
  seeded: Seeded;
  /** Known to both, beside the client with the secret. */
  asserting: Keyed;
  size: Size;
  report: Report;
}

export async function againstPeer({ only, size, profile }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  const url = (db: number) => `redis://127.0.0.1:${redis.port}/${db}`;
  const asserting = assertingClient();
  const clients = [asserting.metadata];
  await using assent = await startAssent({ store: url(0), profile, clients });
  await using seeded = await seed(url(0), assent, size.users);
  await using peer = await startPeer({ redis: url(1), users: seeded.names, profile, clients });
  const scene: Scene = { redis, assent, peer, seeded, asserting, size, report };
  await checkAlike(scene);
  if (only.includes('start')) await compareStarts(scene);
  if (only.includes('poll')) await comparePolls(scene);
  if (only.includes('assertions')) await compareAssertedPolls(scene);
  if (only.includes('redeem')) await compareRedemptions(scene);
}

const both = ({ redis: { process }, assent, peer, size: { rounds } }: Scene) => ({
  rounds,
  sides: [assent, peer] as Side[],
  redis: process,
});

/** What is compared must be the same thing: the same members in the answers, the same algorithm in the ID token. */
async function checkAlike(scene: Scene): Promise<void> {
  const shapes = [];
  for (const side of [scene.assent, scene.peer]) {
    const id = await start(side, scene.seeded.names[0]!);
    const pending = await post(side, paths.token, tokenForm(id));
    await approve(scene, side, [id]);
    const { status, body } = await post(side, paths.token, tokenForm(id));
    const header = JSON.parse(Buffer.from(String(body['id_token']).split('.')[0]!, 'base64url').toString());
    shapes.push(JSON.stringify([pending.body['error'], status, Object.keys(body).sort(), header.alg]));
  }
  if (shapes[0] !== shapes[1]) throw new Error(`not the same thing is compared: ${shapes.join(' and ')}`);
}

async function compareStarts(scene: Scene): Promise<void> {
  const { seeded, size, report } = scene;
  const forms = seeded.names.map((user) => startForm(user));
  const compared = await compare({
    ...both(scene),
    load: async () => ({ path: paths.start, amount: size.startsPerRound, forms, expectStatus: 200 }),
  });
  reportComparison(report, 'start', compared);
}

async function comparePolls(scene: Scene): Promise<void> {
  const { size, seeded, report } = scene;
  const forms = new Map<Side, string[]>();
  for (const side of both(scene).sides)
    forms.set(side, (await startMany(side, seeded.names, size.pollIds)).map(tokenForm));
  const compared = await compare({
    ...both(scene),
    load: async (side) => ({
      path: paths.token,
      amount: size.pollsPerRound,
      forms: forms.get(side)!,
      expectStatus: 400,
    }),
  });
  // 400 is also what slow_down would be
  for (const side of both(scene).sides) await expectPending(side, forms.get(side)![0]!);
  reportComparison(report, 'poll', compared, 1.5);
}

/** The same by a client that signs an assertion for each request: both sides verify it, and note that it was used. */
async function compareAssertedPolls(scene: Scene): Promise<void> {
  const { size, seeded, asserting, report } = scene;
  const sides = both(scene).sides.map(({ url, process }) => ({ url, process, caller: asserting.caller }));
  const forms = new Map<string, string[]>();
  for (const side of sides) forms.set(side.url, (await startMany(side, seeded.names, size.pollIds)).map(tokenForm));
  for (const side of sides) await expectUsedOnce(side, forms.get(side.url)![0]!);
  const compared = await compare({
    ...both(scene),
    sides,
    load: async ({ url }) => ({
      path: paths.token,
      amount: size.assertedPollsPerRound,
      forms: forms.get(url)!,
      expectStatus: 400,
    }),
  });
  for (const side of sides) await expectPending(side, forms.get(side.url)![0]!);
  reportComparison(report, 'assertions', compared, 1.5);
}

async function expectPending(side: Target, form: string): Promise<void> {
  const { body } = await post(side, paths.token, form);
  if (body['error'] !== 'authorization_pending') throw new Error(`a poll was answered ${body['error']}`);
}

/** What is compared must be the same work: an assertion that comes again is refused by either. */
async function expectUsedOnce({ url, caller }: Target, form: string): Promise<void> {
  const { params } = caller!;
  const same = params!(url);
  const again = { url, caller: { isFresh: false, params: () => same } };
  await expectPending(again, form);
  const { status, body } = await post(again, paths.token, form);
  if (body['error'] !== 'invalid_client') throw new Error(`an assertion was taken twice: ${status} ${body['error']}`);
}

async function compareRedemptions(scene: Scene): Promise<void> {
  const { size, seeded, report } = scene;
  const compared = await compare({
    ...both(scene),
    async load(side) {
      const ids = await startMany(side, seeded.names, size.redemptionsPerRound);
      await approve(scene, side, ids);
      return { path: paths.token, amount: ids.length, forms: ids.map(tokenForm), expectStatus: 200 };
    },
  });
  reportComparison(report, 'redeem', compared);
}

async function approve({ seeded }: Scene, side: Side, ids: string[]): Promise<void> {
  await ('approve' in side ? side : seeded).approve(ids);
}
