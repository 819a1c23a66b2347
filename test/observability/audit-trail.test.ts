import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedStore } from '../../adapters/embedded/index.ts';
import { openKeyRing } from '../../src/domain/key-ring.ts';
import { createRequestIds } from '../../src/protocol/request-ids.ts';
import { operationIdOf } from '../../src/support/ids.ts';
import { startReceiver } from '../support/receiver.ts';
import { startServer } from '../support/server.ts';
import { temporaryFolder } from '../support/tmp.ts';

const CIBA = 'urn:openid:params:grant-type:ciba';
const secret = 'audited-secret-0123456789abcdefghij';

/** docs/observing.md has this as a table. */
test('the audit trail tells start, decision, notification, redemption, delivery and cancellation, and no secret', async () => {
  await using receiver = await startReceiver();
  const folder = await temporaryFolder('assent-audit');
  const ca = join(folder.path, 'ca.pem');
  writeFileSync(ca, receiver.ca);
  const client = {
    client_id: 'audited',
    client_secret: secret,
    grant_types: [CIBA],
    backchannel_token_delivery_mode: 'ping',
    backchannel_client_notification_endpoint: receiver.url,
  };
  await using server = await startServer({
    config: { clients: [client], demo: { enabled: false } },
    env: { NODE_EXTRA_CA_CERTS: ca },
  });
  const authorization = `Basic ${Buffer.from(`audited:${secret}`).toString('base64')}`;
  const call = async (method: string, path: string, form: Record<string, string>) => {
    const request = { method, headers: { authorization }, body: new URLSearchParams(form) };
    const response = await fetch(server.issuer + path, request);
    return response.status === 204 ? {} : ((await response.json()) as Record<string, string>);
  };
  const start = async () => {
    const asked = { scope: 'openid', login_hint: 'alice', binding_message: 'Till 4711' };
    const { auth_req_id = '' } = await call('POST', '/bc-authorize', { ...asked, client_notification_token: 'canary' });
    return auth_req_id;
  };
  const decide = (authReqId: string, action: string) => {
    const query = new URLSearchParams({ auth_req_id: authReqId, action });
    return fetch(`${server.issuer}/simulator/decide?${query}`, { method: 'POST' });
  };
  await fetch(`${server.issuer}/simulator/devices`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'alice', methods: ['pin'] }),
  });

  const approved = await start();
  await decide(approved, 'allow');
  await receiver.until(1);
  const tokens = await call('POST', '/oauth/token', { grant_type: CIBA, auth_req_id: approved });
  expect(tokens['access_token']).toEqual(expect.any(String));
  const denied = await start();
  await decide(denied, 'deny');
  await receiver.until(2);
  const cancelled = await start();
  await call('DELETE', '/bc-authorize', { auth_req_id: cancelled });
  expect(await server.stop()).toBe(0);

  const store = await openEmbeddedStore({ file: join(server.folder, 'assent.db') });
  const masterKey = Buffer.from(readFileSync(join(server.folder, 'assent.db.key'), 'utf8').trim(), 'base64url');
  const { secrets } = await openKeyRing({ store, clock: Date.now, random: randomBytes, masterKey });
  const { handleOf } = createRequestIds(secrets);
  const trailOf = async (authReqId: string) => store.events.ofOperation(operationIdOf(handleOf(authReqId)));
  const trails = {
    approved: await trailOf(approved),
    denied: await trailOf(denied),
    cancelled: await trailOf(cancelled),
  };
  await store.close();
  await folder.remove();

  const typesOf = (trail: { type: string }[]) => trail.map(({ type }) => type).sort();
  expect(typesOf(trails.approved)).toEqual([
    'notification.sent',
    'operation.approved',
    'operation.delivered',
    'operation.redeemed',
    'operation.started',
  ]);
  expect(typesOf(trails.denied)).toEqual(['notification.sent', 'operation.denied', 'operation.started']);
  expect(typesOf(trails.cancelled)).toEqual(['operation.cancelled', 'operation.started']);
  const [first] = trails.approved;
  expect(first).toMatchObject({ type: 'operation.started', clientId: 'audited', actor: 'client:audited' });
  expect(trails.approved.find(({ type }) => type === 'operation.approved')).toMatchObject({
    actor: expect.stringMatching(/^device:/),
    deviceId: expect.any(String),
  });
  const text = JSON.stringify(trails);
  for (const hidden of [approved, denied, cancelled, secret, 'canary', 'Till 4711', tokens['access_token']!]) {
    expect(text).not.toContain(hidden);
  }
});
