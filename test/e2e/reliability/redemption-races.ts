/** Many polls for one approval, through HTTP: exactly one token set each (promise 3). Called once for each store. */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkHistory } from '../../support/reliability/checker.ts';
import {
  type Answer,
  createVirtualClient,
  type Request,
  type VirtualClient,
} from '../../support/reliability/clients.ts';
import { inParallel } from '../../support/reliability/concurrency.ts';
import { type Deployment, deploy, type StoreKind } from '../../support/reliability/deployment.ts';
import { createHistory, type History } from '../../support/reliability/history.ts';
import { createPhones, type VirtualPhone } from '../../support/reliability/phones.ts';
import { seededRandom } from '../../support/reliability/random.ts';

const APPROVALS = 1000;
const POLLS = 20;
const KILLED = 100;
const PHONES = 12;

export function redemptionRaces(kind: StoreKind): void {
  let history: History;
  let deployment: Deployment;
  let phones: VirtualPhone[];
  let client: VirtualClient;
  let won: Record<string, unknown>[];

  beforeAll(async () => {
    history = createHistory();
    deployment = await deploy(kind, { history });
    const names = Array.from({ length: PHONES }, (_, i) => `person-${i}`);
    phones = await createPhones(deployment, history, names);
    client = createVirtualClient(deployment, history, 'shop');
  }, 60_000);
  afterAll(async () => deployment?.[Symbol.asyncDispose]());

  /** A phone answers one request after the other, as a person does; the phones work side by side. */
  async function approved(count: number): Promise<Request[]> {
    return inParallel(Array.from({ length: count }), phones.length, async (_, lane) => {
      const phone = phones[lane]!;
      const request = await client.start(phone.user);
      expect(await phone.decide(request!.name, 'approve')).toEqual({ outcome: 'acknowledged' });
      return request!;
    });
  }

  test(`RL-02 ${APPROVALS} approvals, ${POLLS} polls at once for each: one token set each, and the others are told to wait or that it is over`, async () => {
    const requests = await approved(APPROVALS);
    const answers = await inParallel(requests, 4, (request) =>
      Promise.all(Array.from({ length: POLLS }, () => client.poll(request))),
    );
    const winners = answers.map((each) => each.filter(({ status }) => status === 200));
    // whoever has no winner shows what it was answered instead
    expect(answers.filter((_, i) => winners[i]!.length !== 1).map(statusesOf)).toEqual([]);
    const losers = answers.flatMap((each) => each.filter(({ status }) => status !== 200));
    const errors = new Set(losers.map(({ body }) => String(body['error'])));
    expect([...errors].filter((error) => !['authorization_pending', 'invalid_grant'].includes(error))).toEqual([]);
    won = winners.map(([winner]) => winner!.body);
    expect(new Set(won.map((tokens) => tokens['access_token'])).size).toBe(APPROVALS);
    await inParallel(requests, 16, (request) => client.poll(request));
    expect(checkHistory(history.events)).toEqual([]);
  }, 180_000);

  test('kill -9 at a random moment while the polls race: at most one token set each, and none lost that was not on the wire', async () => {
    const random = seededRandom();
    const before = history.events.length;
    const requests = await approved(KILLED);
    const victim = deployment.servers.at(-1)!;
    const polling = inParallel(requests, 4, async (request) => {
      await Promise.all(Array.from({ length: POLLS }, () => client.poll(request)));
      await untilOver(client, request);
    });
    await sleep(random.below(400));
    await deployment.crash(victim);
    await polling;
    // once more after the fault, whoever had its answer before
    await inParallel(requests, 16, (request) => untilOver(client, request));
    const violations = checkHistory(history.events.slice(before));
    expect({ seed: random.seed, violations }).toEqual({ seed: random.seed, violations: [] });
  }, 120_000);

  test('the tokens of the winners work after all that: no loser took them away', async () => {
    const active = await inParallel(won, 8, ({ access_token: token }) =>
      client.call('/oauth/introspect', { token: String(token) }),
    );
    expect(active.filter(({ body }) => body['active'] !== true)).toEqual([]);
  }, 60_000);

  test('RL-03 refresh rotation: each of 1000 refresh tokens used three times at once has one winner', async () => {
    const answers = await inParallel(won, 8, ({ refresh_token: token }) =>
      Promise.all([1, 2, 3].map(() => client.call('/oauth/token', refresh(token)))),
    );
    const statuses = answers.map((each) => each.map(({ status }) => status).sort());
    expect(statuses.filter((each) => each.join() !== '200,400,400')).toEqual([]);
    const refused = answers.flatMap((each) => each.filter(({ status }) => status === 400));
    expect(new Set(refused.map(({ body }) => body['error']))).toEqual(new Set(['invalid_grant']));
    // the rotated token is a good one: the losers were the same client a moment later, not a thief
    const [rotated] = answers[0]!.filter(({ status }) => status === 200);
    expect((await client.call('/oauth/token', refresh(rotated!.body['refresh_token']))).status).toBe(200);
  }, 120_000);
}

const refresh = (token: unknown) => ({ grant_type: 'refresh_token', refresh_token: String(token) });

/** As a client does: again after a moment, until there are tokens or a plain no. */
async function untilOver(client: VirtualClient, request: Request): Promise<void> {
  for (let i = 0; i < 60; i++) {
    const { status, body } = await client.poll(request);
    if (status === 200 || (status === 400 && body['error'] !== 'authorization_pending')) return;
    await sleep(100);
  }
}

const statusesOf = (answers: Answer[]) => answers.map(({ status, body }) => `${status} ${String(body['error'])}`);
