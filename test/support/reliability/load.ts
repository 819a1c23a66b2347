import { setTimeout as sleep } from 'node:timers/promises';
import type { Request, VirtualClient } from './clients.ts';
import { inParallel } from './concurrency.ts';
import type { VirtualPhone } from './phones.ts';
import type { SeededRandom } from './random.ts';

/** One person, the client that asks them, and another client that tries its luck with what is not its own. */
export interface Pair {
  phone: VirtualPhone;
  client: VirtualClient;
  stranger: VirtualClient;
}

export interface Load {
  /** Acknowledged requests, each with the pair that it belongs to. */
  started: { pair: Pair; request: Request }[];
  /** No new flows; resolves when those that run are over. */
  stop(): Promise<void>;
}

/** Long enough for a server to come back; the shortest lease has ended long before. */
const tries = 40;
const betweenTriesMs = 100;

/** Every pair works without pause until told to stop: most requests are approved, some denied, some left waiting. */
export function startLoad(pairs: readonly Pair[], random: SeededRandom): Load {
  const started: Load['started'] = [];
  let isOn = true;
  const running = pairs.map(async (pair) => {
    while (isOn) await flow(pair);
  });

  async function flow(pair: Pair): Promise<void> {
    const { phone, client, stranger } = pair;
    const request = await client.start(phone.user);
    if (!request) return sleep(20);
    started.push({ pair, request });
    const fate = random.next();
    if (fate < 0.1) return;
    if (fate < 0.3) await client.poll(request);
    const decision = fate < 0.8 ? 'approve' : 'deny';
    await untilDecided(pair, request, decision);
    if (fate < 0.4) await stranger.poll(request);
    if (fate > 0.7) await untilDecided(pair, request, decision);
    await untilAnswered(pair, request);
  }

  return {
    started,
    async stop() {
      isOn = false;
      await Promise.all(running);
    },
  };
}

/** After the faults: every acknowledged request is looked for once more, and every phone says what waits. */
export async function settle({ started }: Load, pairs: readonly Pair[]): Promise<void> {
  await inParallel(started, 48, ({ pair, request }) => untilAnswered(pair, request));
  await inParallel(pairs, 8, ({ phone }) => phone.list());
}

async function untilDecided({ phone }: Pair, { name }: Request, decision: 'approve' | 'deny'): Promise<void> {
  for (let i = 0; i < tries; i++) {
    if ((await phone.decide(name, decision)).outcome !== 'unknown') return;
    await sleep(betweenTriesMs);
  }
}

/** Polls until there is an answer that does not change any more; a request that nobody decided has none. */
async function untilAnswered({ client }: Pair, request: Request): Promise<void> {
  let pendings = 0;
  for (let i = 0; i < tries && pendings < 2; i++) {
    const { status, body } = await client.poll(request);
    if (status === 200 || (status === 400 && !isPending(body))) return;
    // the lease of a holder that died looks pending too; a request that nobody decided stays so
    if (isPending(body)) pendings += 1;
    await sleep(isPending(body) ? 600 : betweenTriesMs);
  }
}

const isPending = ({ error }: Record<string, unknown>) => error === 'authorization_pending' || error === 'slow_down';
