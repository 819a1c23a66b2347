/** One server, asked in several ways in turn: what a key, a certificate or an algorithm costs on top of the plain way. */
import { startAssent } from './assent.ts';
import { certifiedClient, clientOfAlgorithm, dpopClient, newAuthority } from './callers.ts';
import { paths, startMany, type Target, tokenForm } from './client.ts';
import { compare, reportVariants, type Side } from './compare.ts';
import type { Options } from './options.ts';
import { type BenchRedis, startRedis } from './redis.ts';
import type { Report } from './report.ts';
import { type Seeded, seed } from './seed.ts';

interface Scene {
  redis: BenchRedis;
  sides: Side[];
  seeded: Seeded;
  rounds: number;
}

/** Polls and redemptions with DPoP and with a certificate. */
export async function measureSenderConstraint({ size, profile }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  const authority = newAuthority();
  const [dpop, certified] = [dpopClient(), certifiedClient(authority)];
  const clients = [dpop.metadata, certified.metadata];
  await using assent = await startAssent({ store, profile, clients, authority });
  await using seeded = await seed(store, assent, size.users);
  const { process, url, secureUrl = '' } = assent;
  const sides = [
    { process, url },
    { process, url, caller: dpop.caller },
    { process, url: secureUrl, caller: certified.caller },
  ];
  const names = ['plain', 'DPoP', 'mTLS'];
  const scene = { redis, sides, seeded, rounds: size.rounds };
  const polls = await comparePolls(scene, size.variantPollsPerRound, size.pollIds);
  reportVariants(report, 'sender', ['poll, plain', 'DPoP', 'mTLS'], polls);
  // a client that opens a connection for each request pays for the handshake each time
  const few = Math.ceil(size.variantPollsPerRound / 5);
  const opening = await comparePolls({ ...scene, sides: [sides[0]!, sides[2]!] }, few, size.pollIds, true);
  reportVariants(report, 'sender', ['poll on a new connection, plain', 'mTLS'], opening);
  const redeemed = await compareRedemptions(scene, size.variantRedemptionsPerRound);
  reportVariants(
    report,
    'sender',
    names.map((name) => (name === 'plain' ? 'redemption, plain' : name)),
    redeemed,
  );
}

/** Redemptions by the algorithm of the ID token. */
export async function measureAlgorithms({ size, profile }: Options, report: Report): Promise<void> {
  const algs = ['ES256', 'PS256', 'RS256', 'EdDSA'];
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  const each = algs.map(clientOfAlgorithm);
  await using assent = await startAssent({ store, profile, clients: each.map(({ metadata }) => metadata) });
  await using seeded = await seed(store, assent, size.users);
  const { process, url } = assent;
  const sides = each.map(({ caller }) => ({ process, url, caller }));
  const scene = { redis, sides, seeded, rounds: size.rounds };
  const redeemed = await compareRedemptions(scene, size.variantRedemptionsPerRound);
  reportVariants(report, 'algorithms', ['redemption, ES256', ...algs.slice(1)], redeemed);
}

async function comparePolls(
  { redis, sides, seeded, rounds }: Scene,
  amount: number,
  ids: number,
  isConnectionEach = false,
) {
  const forms = new Map<Target, string[]>();
  for (const side of sides) forms.set(side, (await startMany(side, seeded.names, ids)).map(tokenForm));
  return compare({
    rounds,
    sides,
    redis: redis.process,
    load: async (side) => ({
      path: paths.token,
      amount,
      forms: forms.get(side)!,
      expectStatus: 400,
      isConnectionEach,
    }),
  });
}

function compareRedemptions({ redis, sides, seeded, rounds }: Scene, amount: number) {
  return compare({
    rounds,
    sides,
    redis: redis.process,
    async load(side) {
      const ids = await startMany(side, seeded.names, amount);
      await seeded.approve(ids);
      return { path: paths.token, amount, forms: ids.map(tokenForm), expectStatus: 200 };
    },
  });
}
