/** Start, pending poll and redemption over HTTP, each against the bare engine. */
import { type BenchAssent, startAssent } from './assent.ts';
import { inParallel, paths, post, start, startForm, tokenForm } from './client.ts';
import { compare, reportComparison } from './compare.ts';
import { drive } from './load.ts';
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
  size: Size;
  report: Report;
}

export async function againstPeer({ only, size, profile }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  const url = (db: number) => `redis://127.0.0.1:${redis.port}/${db}`;
  await using assent = await startAssent({ store: url(0), profile });
  await using seeded = await seed(url(0), assent, size.users);
  await using peer = await startPeer({ redis: url(1), users: seeded.names, profile });
  const scene: Scene = { redis, assent, peer, seeded, size, report };
  await checkAlike(scene);
  if (only.includes('start')) await compareStarts(scene);
  if (only.includes('poll')) await comparePolls(scene);
  if (only.includes('redeem')) await compareRedemptions(scene);
}

const both = ({ redis: { process }, assent, peer, size: { rounds } }: Scene) => ({
  rounds,
  assent: assent as Side,
  peer: peer as Side,
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
  const forms = seeded.names.map(startForm);
  const compared = await compare({
    ...both(scene),
    prepare: async () => forms,
    run: (target) => drive({ target, path: paths.start, amount: size.startsPerRound, forms, expectStatus: 200 }),
    requestsOf: () => size.startsPerRound,
  });
  reportComparison(report, 'start', compared);
}

async function comparePolls(scene: Scene): Promise<void> {
  const { size, report } = scene;
  const forms = new Map<Side, string[]>();
  for (const side of [scene.assent, scene.peer])
    forms.set(side, (await startMany(scene, side, size.pollIds)).map(tokenForm));
  const compared = await compare({
    ...both(scene),
    prepare: async (side) => forms.get(side)!,
    run: (target, forms) => drive({ target, path: paths.token, amount: size.pollsPerRound, forms, expectStatus: 400 }),
    requestsOf: () => size.pollsPerRound,
  });
  // 400 is also what slow_down would be
  for (const side of [scene.assent, scene.peer]) {
    const { body } = await post(side, paths.token, forms.get(side)![0]!);
    if (body['error'] !== 'authorization_pending') throw new Error(`a poll was answered ${body['error']}`);
  }
  reportComparison(report, 'poll', compared, 1.5);
}

async function compareRedemptions(scene: Scene): Promise<void> {
  const { size, report } = scene;
  const compared = await compare({
    ...both(scene),
    async prepare(side) {
      const ids = await startMany(scene, side, size.redemptionsPerRound);
      await approve(scene, side, ids);
      return ids.map(tokenForm);
    },
    run: (target, forms) => drive({ target, path: paths.token, amount: forms.length, forms, expectStatus: 200 }),
    requestsOf: (forms) => forms.length,
  });
  reportComparison(report, 'redeem', compared);
}

function startMany({ seeded: { names } }: Scene, side: Side, count: number): Promise<string[]> {
  const asked = Array.from({ length: count }, (_, i) => names[i % names.length]!);
  return inParallel(asked, 16, (name) => start(side, name));
}

async function approve({ seeded }: Scene, side: Side, ids: string[]): Promise<void> {
  await ('approve' in side ? side : seeded).approve(ids);
}
