/** What may be used once, used many times at once through HTTP. Called once for each store. */
import { randomUUID } from 'node:crypto';
import { beginEnrollment, codeOf, memoryStorage } from '../../../src/device-sdk/index.ts';
import { createVirtualClient, newClientKey, recorded } from '../../support/reliability/clients.ts';
import { inParallel } from '../../support/reliability/concurrency.ts';
import { type Deployment, deploy, type StoreKind } from '../../support/reliability/deployment.ts';
import { createHistory, type History } from '../../support/reliability/history.ts';
import { createPhone, manage, sendingTwice } from '../../support/reliability/phones.ts';

const ASSERTIONS = 1000;
const TICKETS = 25;

export function replayRaces(kind: StoreKind): void {
  const history: History = createHistory();
  let deployment: Deployment;
  let key: Awaited<ReturnType<typeof newClientKey>>;

  beforeAll(async () => {
    key = await newClientKey('kiosk');
    deployment = await deploy(kind, { history, moreClients: [key.metadata] });
  }, 60_000);
  afterAll(async () => deployment?.[Symbol.asyncDispose]());

  const present = (assertion: string) => {
    const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
    const body = new URLSearchParams({ client_assertion_type, client_assertion: assertion, token: 'none' });
    const { issuer } = deployment.next();
    return recorded(history, 'introspect', () => fetch(`${issuer}/oauth/introspect`, { method: 'POST', body }));
  };

  test(`RL-03 jti: each of ${ASSERTIONS} client assertions presented three times at once is accepted once`, async () => {
    const issuer = await issuerOf(deployment);
    const assertions = await inParallel(Array.from({ length: ASSERTIONS }), 8, () =>
      key.assertion(issuer, randomUUID()),
    );
    const answers = await inParallel(assertions, 8, (assertion) =>
      Promise.all([1, 2, 3].map(() => present(assertion))),
    );
    const outcomes = answers.map((each) => each.map(({ status, body }) => `${status} ${body['error'] ?? 'ok'}`).sort());
    const expected = '200 ok,401 invalid_client,401 invalid_client';
    expect(outcomes.filter((each) => each.join() !== expected)).toEqual([]);
  }, 120_000);

  test('TH-10 one client assertion presented 50 times at once is accepted once, and never again', async () => {
    const issuer = await issuerOf(deployment);
    const assertion = await key.assertion(issuer, randomUUID());
    const answers = await Promise.all(Array.from({ length: 50 }, () => present(assertion)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await present(assertion)).body['error']).toBe('invalid_client');
  });

  test(`each of ${TICKETS} tickets that four phones redeem at once enrolls one of them`, async () => {
    const { id } = await manage(deployment, 'POST', '/users', { username: 'ticket-holder' });
    const outcomes = await inParallel(Array.from({ length: TICKETS }), 4, async () => {
      const ticket = await manage(deployment, 'POST', `/users/${id}/enrollment-tickets`);
      const redeem = () =>
        beginEnrollment(memoryStorage(), String(ticket['ticket_uri']), {
          fetch: (input, init) => fetch(`${deployment.next().issuer}${new URL(String(input)).pathname}`, init),
        }).then(
          () => 'bound',
          (error: unknown) => codeOf(error),
        );
      return (await Promise.all([redeem(), redeem(), redeem(), redeem()])).sort().join();
    });
    expect(new Set(outcomes)).toEqual(new Set(['bound,ticket_bound,ticket_bound,ticket_bound']));
  }, 60_000);

  test('a decision whose message arrives twice at once is answered the same both times', async () => {
    const twice = sendingTwice(deployment, 'decide');
    const phone = await createPhone(deployment, history, 'stutterer', { fetch: twice.fetch });
    const client = createVirtualClient(deployment, history, 'shop');
    for (let i = 0; i < 25; i++) {
      const request = await client.start('stutterer');
      expect(await phone.decide(request!.name, 'approve')).toEqual({ outcome: 'acknowledged' });
      expect((await client.poll(request!)).status).toBe(200);
    }
    expect(twice.statuses).toEqual(Array.from({ length: 25 }, () => [200, 200]));
  }, 60_000);
}

async function issuerOf(deployment: Deployment): Promise<string> {
  const answer = await fetch(`${deployment.next().issuer}/.well-known/openid-configuration`);
  return ((await answer.json()) as { issuer: string }).issuer;
}
