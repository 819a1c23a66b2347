/** The rows of the main job that only show when everything runs together, on either store, over HTTP alone. */
import { beginEnrollment, type Device, memoryStorage } from '../../src/device-sdk/index.ts';
import { startServer, type TestServer } from '../support/server.ts';

const pin = '493817';
const ciba = 'urn:openid:params:grant-type:ciba';

const clients = (['none', 'choose', 'type2', 'type6'] as const).map((mode) => ({
  client_id: `match-${mode}`,
  client_secret: `match-${mode}-secret-0123456789-0123456789-0123`,
  client_name: `Matches ${mode}`,
  grant_types: [ciba],
  backchannel_token_delivery_mode: 'poll',
  assent_match: mode,
}));

interface Acknowledgement {
  auth_req_id: string;
  match_code?: string;
  expires_in: number;
  interval: number;
}

export function journeys(open: () => Promise<{ store?: string; close(): Promise<void> }>): void {
  let server: TestServer;
  let place: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    place = await open();
    server = await startServer({ ...(place.store && { store: place.store }), config: { clients } });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await place.close();
  });

  test('F001 only the device that is bound to the user can answer for them', async () => {
    const [alice, bob] = [await enrolled(server), await enrolled(server)];
    const asked = await start(server, 'match-none', alice.username);
    const { operations } = await alice.phone.inbox();
    const view = await alice.phone.present(operations[0]!.op);
    await expect(bob.phone.present(view.op)).rejects.toMatchObject({ code: 'operation_not_found' });
    await expect(bob.phone.decide(view, { decision: 'approve', pin })).rejects.toMatchObject({
      code: 'operation_not_found',
    });
    expect(await poll(server, 'match-none', asked)).toMatchObject({ error: 'authorization_pending' });
    await alice.phone.decide(view, { decision: 'approve', pin });
    expect(await poll(server, 'match-none', asked)).toMatchObject({ token_type: 'Bearer' });
  });

  test('F002 a user without a device is a user; only asking them is refused', async () => {
    const username = await newUser(server);
    const [user] = (await manage(server, 'GET', `/users?username=${username}`))['items'] as { id: string }[];
    await manage(server, 'PATCH', `/users/${user!.id}`, { attributes: { address: 'Damrak 1' } });
    expect(await manage(server, 'GET', `/users/${user!.id}`)).toMatchObject({ attributes: { address: 'Damrak 1' } });
    const refused = await post(server, 'match-none', '/bc-authorize', { scope: 'openid', login_hint: username });
    expect(refused).toMatchObject({ status: 403, body: { error: 'access_denied' } });
  });

  test('F201 neither side is given a cookie, and nothing but the request ties them together', async () => {
    const { phone, username } = await enrolled(server);
    const cookies: (string | null)[] = [];
    const answered = await post(server, 'match-none', '/bc-authorize', { scope: 'openid', login_hint: username });
    cookies.push(answered.headers.get('set-cookie'));
    await approve(phone);
    const { auth_req_id } = answered.body as unknown as Acknowledgement;
    const redeemed = await post(server, 'match-none', '/oauth/token', { grant_type: ciba, auth_req_id });
    cookies.push(redeemed.headers.get('set-cookie'));
    expect(redeemed.status).toBe(200);
    expect(cookies).toEqual([null, null]);
  });

  test.each([
    ['choose', 1],
    ['type2', 1],
    ['type6', 3],
  ] as const)(
    'B04 with %s the number is the server’s to check, and %i wrong ones end the request',
    async (mode, tries) => {
      const { phone, username } = await enrolled(server);
      const asked = await start(server, `match-${mode}`, username);
      const right = asked.match_code!;
      expect(right).toMatch(mode === 'type6' ? /^\d{6}$/ : /^\d{2}$/);
      const { operations } = await phone.inbox();
      const view = await phone.present(operations[0]!.op);
      // neither in what the inbox tells nor, where it is typed, in what the device is shown
      expect(JSON.stringify(operations)).not.toContain(`"${right}"`);
      if (mode !== 'choose') expect(view.match).toEqual({ mode });
      expect(view.ctx).not.toContain(`"${right}"`);

      const wrong =
        view.match.options?.find((option) => option !== right) ?? (right === '11' ? '12' : '1'.repeat(right.length));
      for (let left = tries - 1; left >= 0; left--) {
        await expect(phone.decide(view, { decision: 'approve', pin, match: wrong })).rejects.toMatchObject({
          code: 'attempt_failed',
          members: { attempts_left: left },
        });
      }
      // three wrong numbers in a row also reach the device's own limit
      const code = tries === 3 ? 'device_locked' : 'operation_failed';
      await expect(phone.decide(view, { decision: 'approve', pin, match: right })).rejects.toMatchObject({ code });
      expect(await poll(server, `match-${mode}`, asked)).toMatchObject({ error: 'access_denied' });
    },
  );

  test('B04 a wrong PIN beside the right number spends the try just the same', async () => {
    const { phone, username } = await enrolled(server);
    const asked = await start(server, 'match-choose', username);
    const view = await phone.present((await phone.inbox()).operations[0]!.op);
    await expect(
      phone.decide(view, { decision: 'approve', pin: '000000', match: asked.match_code! }),
    ).rejects.toMatchObject({
      code: 'attempt_failed',
    });
    expect(await poll(server, 'match-choose', asked)).toMatchObject({ error: 'access_denied' });
  });

  test('B07 T-11 of a hundred answers one counts, of a hundred polls one gets tokens, and they stay good', async () => {
    const { phone, username, user } = await enrolled(server);
    const other = await enroll(server, user);
    // possession alone: a hundred PINs would cost a minute of deliberate slowness
    const asked = await start(server, 'match-none', username, { acr_values: 'urn:assent:acr:possession' });
    const op = (await phone.inbox()).operations[0]!.op;
    const views = [await phone.present(op), await other.present(op)] as const;
    const answers = Array.from({ length: 100 }, (_, i) =>
      i % 2 === 0 ? phone.decide(views[0], { decision: 'approve' }) : other.decide(views[1], { decision: 'deny' }),
    );
    const settled = await Promise.allSettled(answers);
    const states = new Set(settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value.state] : [])));
    expect(states.size).toBe(1);
    const refusals = settled.flatMap((each) =>
      each.status === 'rejected' ? [(each.reason as { code: string }).code] : [],
    );
    expect(new Set(refusals)).toEqual(new Set(['operation_decided']));

    const polls = await Promise.all(Array.from({ length: 100 }, () => poll(server, 'match-none', asked)));
    const winners = polls.filter((answer) => 'access_token' in answer);
    expect(winners).toHaveLength(states.has('approved') ? 1 : 0);
    if (winners[0]) {
      const headers = { authorization: `Bearer ${String(winners[0]['access_token'])}` };
      expect((await fetch(`${server.issuer}/userinfo`, { headers })).status).toBe(200);
    }
  });
}

async function manage({ management, managementKey }: TestServer, method: string, path: string, body?: object) {
  const response = await fetch(`${management}/management/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${managementKey}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Record<string, unknown>;
}

let users = 0;

async function newUser(server: TestServer): Promise<string> {
  users += 1;
  const username = `person${users}`;
  await manage(server, 'POST', '/users', { username, name: 'Person' });
  return username;
}

async function enrolled(server: TestServer): Promise<{ phone: Device; username: string; user: string }> {
  const username = await newUser(server);
  const [user] = (await manage(server, 'GET', `/users?username=${username}`))['items'] as [{ id: string }];
  return { phone: await enroll(server, user.id), username, user: user.id };
}

async function enroll(server: TestServer, userId: string): Promise<Device> {
  const ticket = await manage(server, 'POST', `/users/${userId}/enrollment-tickets`, { application: 'assent-web' });
  const enrollment = await beginEnrollment(memoryStorage(), String(ticket['ticket_uri']));
  return enrollment.finish({ device: { name: 'Test phone' }, pin });
}

async function approve(phone: Device): Promise<void> {
  const op = (await phone.inbox()).operations[0]!.op;
  await phone.decide(await phone.present(op), { decision: 'approve', pin });
}

async function post({ issuer }: TestServer, clientId: string, path: string, form: Record<string, string>) {
  const secret = clients.find(({ client_id }) => client_id === clientId)!.client_secret;
  const response = await fetch(issuer + path, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}` },
    body: new URLSearchParams(form),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

async function start(
  server: TestServer,
  clientId: string,
  username: string,
  more: Record<string, string> = {},
): Promise<Acknowledgement> {
  const form = { scope: 'openid', login_hint: username, ...more };
  const { status, body } = await post(server, clientId, '/bc-authorize', form);
  expect(status).toBe(200);
  return body as unknown as Acknowledgement;
}

async function poll(server: TestServer, clientId: string, { auth_req_id }: Acknowledgement) {
  return (await post(server, clientId, '/oauth/token', { grant_type: ciba, auth_req_id })).body;
}
