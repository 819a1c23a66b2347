/** Store round trips of each call, counted at the socket between Assent and Redis. */
import { startAssent } from './assent.ts';
import { enrollDevice } from './bench-device.ts';
import { paths, post, start, tokenForm } from './client.ts';
import { operationIds } from './operation-ids.ts';
import { startRedis } from './redis.ts';
import { countingProxy } from './redis-proxy.ts';
import { most, type Report } from './report.ts';

const budgets = { poll: 1, start: 4, decide: 3, redeem: 5 };
const repetitions = 9;

type Call = keyof typeof budgets | 'present';
type Counted = Record<Call, string[][]>;

export async function countRoundTrips(report: Report): Promise<void> {
  await using redis = await startRedis();
  await using proxy = await countingProxy(redis.port);
  await using assent = await startAssent({ store: `redis://127.0.0.1:${proxy.port}` });
  const operationIdOf = await operationIds(`redis://127.0.0.1:${redis.port}`, assent);
  const device = await enrollDevice(assent, 'counted');

  async function once(): Promise<Counted> {
    proxy.taken();
    const authReqId = await start(assent, device.user);
    const started = proxy.taken();
    await tokens(authReqId, 400);
    const polled = proxy.taken();
    const shown = await device.present(operationIdOf(authReqId));
    const presented = proxy.taken();
    await device.approve(shown);
    const decided = proxy.taken();
    await tokens(authReqId, 200);
    // waits until the delivery of the first is recorded, which belongs to it; its own round trip does not
    await tokens(authReqId, 400);
    const redeemed = proxy.taken().slice(0, -1);
    return { start: started, poll: polled, present: presented, decide: decided, redeem: redeemed };
  }

  async function tokens(authReqId: string, expected: number): Promise<void> {
    const { status } = await post(assent, paths.token, tokenForm(authReqId));
    if (status !== expected) throw new Error(`a poll was answered ${status} instead of ${expected}`);
  }

  await once(); // scripts are sent whole the first time, and a session is made
  const counted: Counted[] = [];
  for (let i = 0; i < repetitions; i++) counted.push(await once());
  for (const call of ['poll', 'start', 'present', 'decide', 'redeem'] as const) {
    // the one in the middle: what the server reads by itself once a second falls into one or the other
    const inOrder = counted.map((each) => each[call]).sort((a, b) => a.length - b.length);
    const trips = inOrder[(repetitions - 1) / 2]!;
    report({
      section: 'round-trips',
      what: `round trips: ${call}`,
      value: trips.length,
      text: `${trips.length} (${trips.map((commands) => commands.join(' + ')).join(', ')})`,
      ...(call !== 'present' && { budget: most(budgets[call]) }),
    });
  }
}
