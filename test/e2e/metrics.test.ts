import { setTimeout as sleep } from 'node:timers/promises';
import { startServer, type TestServer } from '../support/server.ts';

/** All samples whose name and labels begin so, added up. */
function sum(text: string, name: string, ...labels: string[]): number {
  const lines = text.split('\n').filter((line) => new RegExp(`^${name}(\\{| )`).test(line));
  const chosen = lines.filter((line) => labels.every((label) => line.includes(label)));
  return chosen.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** A simulated phone of Alice's. */
async function addPhone({ issuer }: TestServer): Promise<void> {
  const { status } = await fetch(`${issuer}/simulator/devices`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'alice', methods: ['pin'] }),
  });
  expect(status).toBe(201);
}

const scrape = async ({ management }: TestServer) => (await fetch(`${management}/metrics`)).text();

function clientOf(server: TestServer, id: string) {
  const secret = server.secretOf(id);
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const post = async (path: string, body: Record<string, string>, headers: Record<string, string> = {}) => {
    const request = { method: 'POST', headers: { authorization, ...headers }, body: new URLSearchParams(body) };
    const response = await fetch(server.issuer + path, request);
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  };
  return {
    secret,
    start: async (hint: string) =>
      (await post('/bc-authorize', { scope: 'openid', login_hint: hint, binding_message: 'Till 3' })).body,
    poll: (authReqId: string, headers?: Record<string, string>) =>
      post('/oauth/token', { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: authReqId }, headers),
    decide: async (authReqId: string, action: 'allow' | 'deny') => {
      const query = new URLSearchParams({ auth_req_id: authReqId, action });
      const { status } = await fetch(`${server.issuer}/simulator/decide?${query}`, { method: 'POST' });
      expect(status).toBe(204);
    },
  };
}

test('a request can be followed in /metrics: start, refusals by limit, polls by answer, hold, decision, redemption, store, outbox', async () => {
  const limits = { perUserAndClient: { starts: 2 }, perClient: { starts: 3, windowSeconds: 3600 } };
  await using server = await startServer({ config: { ciba: { intervalSeconds: 5 }, limits } });
  await addPhone(server);
  const client = clientOf(server, 'demo-agent');
  const { auth_req_id: id = '' } = await client.start('alice');
  expect((await client.poll(id)).body).toMatchObject({ error: 'authorization_pending' });
  expect((await client.poll(id)).body).toMatchObject({ error: 'slow_down' });
  await client.decide(id, 'deny');
  expect((await client.poll(id)).body).toMatchObject({ error: 'access_denied' });

  const { auth_req_id: other = '' } = await client.start('alice');
  const held = client.poll(other, { prefer: 'wait=20' });
  // a scrape is work for the server, which has other work to do meanwhile
  for (let waiting = 0; waiting === 0; await sleep(20)) waiting = sum(await scrape(server), 'assent_holds');
  await client.decide(other, 'allow');
  expect((await held).status).toBe(200);
  expect((await client.poll(other)).body).toMatchObject({ error: 'invalid_grant' });

  // S-02: one too many for Alice, then one too many for this client
  for (let i = 0; i < 2; i++) expect(await client.start('alice')).toMatchObject({ error: 'access_denied' });

  const text = await scrape(server);
  const count = (...of: [string, ...string[]]) => sum(text, ...of);
  expect(count('assent_operation_starts_total', 'kind="authentication"', 'result="started"')).toBe(2);
  expect(count('assent_start_refusals_total', 'limit="client_rate"', 'told="yes"')).toBe(1);
  expect(count('assent_start_refusals_total', 'limit="client_total"', 'told="yes"')).toBe(1);
  expect(count('assent_polls_total', 'answer="pending"')).toBe(2);
  expect(count('assent_polls_total', 'answer="slow_down"')).toBe(1);
  expect(count('assent_polls_total', 'answer="denied"')).toBe(1);
  expect(count('assent_polls_total', 'answer="leased"')).toBe(1);
  expect(count('assent_polls_total', 'answer="delivered"')).toBe(1);
  expect(count('assent_polls_total', 'client=')).toBe(0);
  expect([count('assent_holds'), count('assent_holds_total'), count('assent_hold_wakeups_total')]).toEqual([0, 1, 1]);
  expect([count('assent_decisions_total', 'approved'), count('assent_decisions_total', 'denied')]).toEqual([1, 1]);
  expect(count('assent_redemptions_total', 'outcome="issued"')).toBe(1);
  expect(count('assent_redemptions_total', 'outcome="delivered"')).toBe(1);
  expect(count('assent_http_request_seconds_count', 'endpoint="/oauth/token"', 'status="4xx"')).toBe(4);
  expect(count('assent_http_request_seconds_count', 'endpoint="/oauth/token"', 'status="2xx"')).toBe(1);
  expect(count('assent_http_request_seconds_count', 'endpoint="/device/v1/decide"', 'status="2xx"')).toBe(2);
  expect(count('assent_store_seconds_count', 'port="operations"', 'verb="poll"')).toBeGreaterThanOrEqual(6);
  expect(count('assent_store_seconds_count', 'port="artifacts"', 'verb="write"')).toBeGreaterThanOrEqual(1);
  expect(count('assent_store_failures_total')).toBe(0);
  expect(count('assent_outbox_attempts_total', 'kind="inbox"', 'outcome="accepted"')).toBeGreaterThanOrEqual(2);
  expect(text).toMatch(/^assent_outbox_entries \d+$/m);
  expect(text).toMatch(/^assent_outbox_oldest_seconds [\d.]+$/m);
  expect(text).toMatch(/^assent_event_streams \d+$/m);
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds [\d.]+$/m);
});

test('TH-22 no secret, no person and nothing that a stranger wrote becomes a label', async () => {
  await using server = await startServer({ config: { metrics: { clientLabel: true } } });
  await addPhone(server);
  const client = clientOf(server, 'demo-agent');
  const { auth_req_id: id = '' } = await client.start('alice@example.test');
  await client.decide(id, 'allow');
  const { body: tokens } = await client.poll(id);
  const canary = 'canary4711';
  await fetch(`${server.issuer}/${canary}?login_hint=${canary}`);
  await fetch(`${server.issuer}/oauth/token/${canary}`);
  await fetch(`${server.issuer}/device/v1/${canary}`, { method: 'POST', body: canary });
  await fetch(`${server.management}/management/v1/users/${canary}`);
  await fetch(`${server.issuer}/bc-authorize`, { method: canary.toUpperCase() }).catch(() => undefined);
  await fetch(`${server.issuer}/oauth/token`, { method: 'POST', body: new URLSearchParams({ client_id: canary }) });

  const text = await scrape(server);
  const secrets = [id, client.secret, tokens['access_token']!, tokens['id_token']!, server.managementKey];
  for (const secret of [...secrets, canary, 'alice', 'Till 3']) {
    expect([secret, text.toLowerCase().includes(secret.toLowerCase())]).toEqual([secret, false]);
  }
  expect(sum(text, 'assent_http_request_seconds_count', 'listener="public"', 'endpoint="other"')).toBe(1);
  expect(sum(text, 'assent_polls_total', 'client="demo-agent"', 'answer="leased"')).toBe(1);
});

test('metrics are on the management listener only, and can be switched off', async () => {
  await using server = await startServer();
  const { status, headers } = await fetch(`${server.management}/metrics`);
  expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect((await fetch(`${server.management}/metrics`, { method: 'POST' })).status).toBe(405);
  expect((await fetch(`${server.issuer}/metrics`)).status).toBe(404);
  expect((await fetch(`${server.authenticator}/metrics`)).status).toBe(404);

  await using without = await startServer({ config: { metrics: { enabled: false } } });
  expect((await fetch(`${without.management}/metrics`)).status).toBe(404);
  await addPhone(without);
  const client = clientOf(without, 'demo-agent');
  const { auth_req_id: id = '' } = await client.start('alice');
  await client.decide(id, 'allow');
  expect((await client.poll(id)).status).toBe(200);
});
