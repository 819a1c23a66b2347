/** Decisions that race with each other and with everything else that ends a request (promise 2). Once for each store. */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkHistory } from '../../support/reliability/checker.ts';
import { createVirtualClient, type Request, type VirtualClient } from '../../support/reliability/clients.ts';
import { inParallel } from '../../support/reliability/concurrency.ts';
import { clientIds, type Deployment, deploy, type StoreKind } from '../../support/reliability/deployment.ts';
import { createHistory, type History, now } from '../../support/reliability/history.ts';
import { createPhone, type Outcome, type VirtualPhone } from '../../support/reliability/phones.ts';
import { seededRandom } from '../../support/reliability/random.ts';

/** The rows of RL-04 say 1000 of each; a run with this setting does that many, and names the row. */
const FULL = process.env['ASSENT_TEST_FULL'] === '1';
const RACES = FULL ? 1000 : 40;
const LAST_MOMENTS = FULL ? 1000 : 24;
/** A loaded machine takes its time; longer than this is broken, not slow. */
const PATIENCE_MS = FULL ? 1_800_000 : 180_000;
const row = FULL ? 'RL-04 ' : '';
const PEOPLE = 4;

/** One person with two phones. */
interface Person {
  one: VirtualPhone;
  two: VirtualPhone;
}

const acknowledged: Outcome = { outcome: 'acknowledged' };
const refused = (code: string): Outcome => ({ outcome: 'refused', code });

export function decisionRaces(kind: StoreKind): void {
  const random = seededRandom();
  let history: History;
  let deployment: Deployment;
  let people: Person[];
  let client: VirtualClient;
  let clients: VirtualClient[];

  beforeAll(async () => {
    history = createHistory();
    // One of a kind at a time; and approving ends one interval before the request, so nine seconds before its time
    deployment = await deploy(kind, { history, config: { ciba: { intervalSeconds: 9, pendingPerClient: 1 } } });
    clients = clientIds.map((id) => createVirtualClient(deployment, history, id));
    client = clients[0]!;
    people = await inParallel(Array.from({ length: PEOPLE }), PEOPLE, async (_, i) => {
      const one = await createPhone(deployment, history, `person-${i}`);
      return { one, two: await createPhone(deployment, history, `person-${i}`, { userId: one.userId }) };
    });
  }, 60_000);
  afterAll(async () => deployment?.[Symbol.asyncDispose]());

  /** `race` for each of many requests that both phones of a person show. */
  async function each(race: (request: Request, person: Person) => Promise<void>): Promise<void> {
    const before = history.events.length;
    await inParallel(Array.from({ length: RACES }), PEOPLE, async (_, lane) => {
      const person = people[lane]!;
      const request = await client.start(person.one.user);
      await Promise.all([person.one.view(request!.name), person.two.view(request!.name)]);
      await race(request!, person);
    });
    const violations = checkHistory(history.events.slice(before));
    expect({ seed: random.seed, violations }).toEqual({ seed: random.seed, violations: [] });
  }

  const answerOf = async (request: Request) => {
    const { status, body } = await client.poll(request);
    return status === 200 ? 'tokens' : String(body['error']);
  };

  test(
    `${row}approve ∥ approve, ${RACES} times, two phones: one of them, and each hears the same again`,
    async () => {
      await each(async (request, { one, two }) => {
        const { name } = request;
        const outcomes = await Promise.all([one.decide(name, 'approve'), two.decide(name, 'approve')]);
        expect(outcomes).toContainEqual(acknowledged);
        expect(outcomes).toContainEqual(refused('operation_decided'));
        expect(await Promise.all([one.decide(name, 'approve'), two.decide(name, 'approve')])).toEqual(outcomes);
        expect(await answerOf(request)).toBe('tokens');
      });
    },
    PATIENCE_MS,
  );

  test(
    `${row}approve ∥ deny, ${RACES} times, two phones: one of them, and the client hears that one`,
    async () => {
      await each(async (request, { one, two }) => {
        const { name } = request;
        const [approval, denial] = await Promise.all([one.decide(name, 'approve'), two.decide(name, 'deny')]);
        const isApproved = approval.outcome === 'acknowledged';
        expect([approval, denial]).toContainEqual(refused('operation_decided'));
        expect([isApproved, denial.outcome]).toEqual([isApproved, isApproved ? 'refused' : 'acknowledged']);
        expect(await one.decide(name, 'approve')).toEqual(approval);
        expect(await two.decide(name, 'deny')).toEqual(denial);
        expect(await answerOf(request)).toBe(isApproved ? 'tokens' : 'access_denied');
      });
    },
    PATIENCE_MS,
  );

  test(
    `${row}approve ∥ cancel, ${RACES} times: approved and redeemable, or cancelled for good`,
    async () => {
      await each(async (request, { one }) => {
        const cancel = () => client.call('/bc-authorize', { auth_req_id: request.authReqId }, { method: 'DELETE' });
        const [outcome, { status }] = await Promise.all([one.decide(request.name, 'approve'), cancel()]);
        const isApproved = outcome.outcome === 'acknowledged';
        expect([outcome, status]).toEqual(isApproved ? [acknowledged, 409] : [refused('operation_cancelled'), 204]);
        expect((await cancel()).status).toBe(status);
        expect(await answerOf(request)).toBe(isApproved ? 'tokens' : 'access_denied');
      });
    },
    PATIENCE_MS,
  );

  test(
    `${row}approve ∥ the next request of the same client, ${RACES} times: approved, or superseded for good`,
    async () => {
      await each(async (request, { one }) => {
        const [outcome, next] = await Promise.all([one.decide(request.name, 'approve'), client.start(one.user)]);
        const isApproved = outcome.outcome === 'acknowledged';
        expect(outcome).toEqual(isApproved ? acknowledged : refused('operation_cancelled'));
        expect(await answerOf(request)).toBe(isApproved ? 'tokens' : 'access_denied');
        // the new one is not harmed by the end of the old one
        expect(await one.decide(next!.name, 'approve')).toEqual(acknowledged);
        expect(await answerOf(next!)).toBe('tokens');
      });
    },
    PATIENCE_MS,
  );

  test(
    `${row}approve ∥ redeem, ${RACES} times: the polls hear pending until they hear the tokens`,
    async () => {
      await each(async (request, { one }) => {
        const polls = Array.from({ length: 3 }, () => client.poll(request));
        const [outcome, ...answers] = await Promise.all([one.decide(request.name, 'approve'), ...polls]);
        expect(outcome).toEqual(acknowledged);
        const errors = answers.filter(({ status }) => status !== 200).map(({ body }) => body['error']);
        for (const error of errors) expect(['authorization_pending', 'slow_down', 'invalid_grant']).toContain(error);
        expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
        // another server may be asked before the first one has noted that the tokens left
        const next = errors.length === answers.length ? ['tokens'] : ['invalid_grant', 'authorization_pending'];
        expect(next).toContain(await answerOf(request));
      });
    },
    PATIENCE_MS,
  );

  test(
    `${row}approve ∥ expire, ${LAST_MOMENTS} times: approved in time and redeemable, or too late`,
    async () => {
      const before = history.events.length;
      // every person is asked by every client at once: those do not supersede each other's requests
      const pairs = people.flatMap(({ one }) => clients.map((asking) => ({ one, asking })));
      const outcomes = await inParallel(Array.from({ length: LAST_MOMENTS }), pairs.length, async (_, lane) => {
        const { one, asking } = pairs[lane]!;
        const request = await asking.start(one.user, { requested_expiry: '10' });
        const closesAt = now() + 1000;
        const view = await one.view(request!.name);
        await sleep(Math.max(0, closesAt - now() - 80 + random.below(120)));
        const { outcome, code } = await one.decide(request!.name, 'approve', view);
        const { status, body } = await asking.poll(request!);
        return [outcome, code, status === 200 ? 'tokens' : body['error']].join(' ');
      });
      const inTime = 'acknowledged  tokens';
      const late = 'refused operation_expired authorization_pending';
      expect(outcomes.filter((outcome) => outcome !== inTime && outcome !== late)).toEqual([]);
      // a late approval is no longer shown, and the request itself ends some seconds from now
      const violations = checkHistory(history.events.slice(before)).filter(({ invariant }) => invariant !== 'IV-01');
      expect({ seed: random.seed, violations }).toEqual({ seed: random.seed, violations: [] });
    },
    PATIENCE_MS,
  );
}
