import { jest } from '@jest/globals';
import { newHandle, partitionOf, randomPartition } from '../../src/support/ids.ts';
import { by } from '../domain/scene.ts';
import { type Alice, aClient, answer, approved, CIBA, openProtocol, protocolForEach, withAlice } from './scene.ts';

const clients = [
  aClient('helpdesk'),
  aClient('other'),
  aClient('keyed', { dpop_bound_access_tokens: true }),
  aClient('ciba-only', { grant_types: [CIBA] }),
];
const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];

describe('what a poll is told', () => {
  const scene = protocolForEach({ clients });
  let alice: Alice;
  beforeEach(async () => void (alice = await withAlice(scene)));
  const asked = async (params?: Record<string, string>) =>
    (await scene.client('helpdesk').authenticate(params)).body.auth_req_id as string;
  const poll = (id: string, client = 'helpdesk') => scene.client(client).poll(id);

  test('T-01 a poll names the request', async () => {
    const { post } = scene.client('helpdesk');
    expect(error(await post('/oauth/token', { grant_type: CIBA }))).toEqual([400, 'invalid_request']);
    expect(error(await post('/oauth/token', { grant_type: CIBA, auth_req_id: '' }))).toEqual([400, 'invalid_request']);
  });

  test('T-02 TH-07 another client gets invalid_grant, and neither slows nor uses up the request', async () => {
    const id = await asked();
    for (let i = 0; i < 5; i++) expect(error(await poll(id, 'other'))).toEqual([400, 'invalid_grant']);
    expect(error(await poll(id))).toEqual([400, 'authorization_pending']);
    await answer(scene, alice, id);
    expect(error(await poll(id, 'other'))).toEqual([400, 'invalid_grant']);
    expect((await poll(id)).status).toBe(200);
  });

  test('T-03 an id that was never given out is invalid_grant, whatever it looks like', async () => {
    for (const id of [newHandle('00'), 'x', '../../etc/passwd', 'A'.repeat(5000), '\u0000', `${await asked()}x`]) {
      expect(error(await poll(id))).toEqual([400, 'invalid_grant']);
    }
  });

  test('S-12 one that was never given out and one of another client get the same answer, after the same call to the store', async () => {
    const id = await asked();
    const polls = jest.spyOn(scene.store.operations, 'poll');
    const seen = [];
    for (const [each, client] of [
      [id, 'other'],
      [newHandle(partitionOf(id)), 'other'],
      [newHandle(partitionOf(id)), 'helpdesk'],
    ] as const) {
      const { status, headers, body } = await poll(each, client);
      const { date: _, ...rest } = Object.fromEntries(headers);
      const found = await Promise.all(polls.mock.results.map(({ value }) => value));
      polls.mockClear();
      seen.push({ status, headers: rest, body, found });
    }
    polls.mockRestore();
    expect(seen[0]!.found).toEqual([{ result: 'missing' }]);
    expect(seen).toEqual([seen[0], seen[0], seen[0]]);
  });

  test('TH-07 a hundred thousand guesses, some of them in the right partition, hit nothing', async () => {
    const id = await asked();
    await answer(scene, alice, id);
    const guess = (n: number) => newHandle(n % 2 === 0 ? partitionOf(alice.user.id) : randomPartition());
    const outcomes = new Set<string>();
    for (let done = 0; done < 100_000; done += 500) {
      const polls = Array.from({ length: 500 }, (_, n) =>
        scene.redemptions.poll({ handle: guess(n), clientId: 'helpdesk', holder: 'guesser' }),
      );
      for (const { outcome } of await Promise.all(polls)) outcomes.add(outcome);
    }
    expect([...outcomes]).toEqual(['unknown']);
    expect((await poll(id)).status).toBe(200);
  });

  test('T-04 F199 authorization_pending until somebody decides', async () => {
    const id = await asked();
    expect(error(await poll(id))).toEqual([400, 'authorization_pending']);
    scene.clock.advance(5);
    expect(error(await poll(id))).toEqual([400, 'authorization_pending']);
  });

  test('T-06 T-14 F199 a denial is access_denied, every time', async () => {
    const id = await asked();
    await answer(scene, alice, id, false);
    for (let i = 0; i < 3; i++) expect(error(await poll(id))).toEqual([400, 'access_denied']);
  });

  test('T-07 T-12 F199 an expired request is expired_token, every time', async () => {
    const id = await asked({ requested_expiry: '30' });
    scene.clock.advance(30);
    for (let i = 0; i < 3; i++) expect(error(await poll(id))).toEqual([400, 'expired_token']);
    scene.clock.advance(1200);
    expect(error(await poll(id))).toEqual([400, 'expired_token']);
  });

  test('T-12 when its record has gone, a request is like one that was never made', async () => {
    const id = await asked();
    scene.clock.advance(23 * 3600);
    const collect = () => {
      const partitions = [partitionOf(scene.operationIdOf(id))];
      return scene.store.collectGarbage({ partitions, now: scene.clock.now(), limit: 100 });
    };
    await collect();
    expect(error(await poll(id))).toEqual([400, 'expired_token']);
    scene.clock.advance(3 * 3600);
    await collect();
    expect(error(await poll(id))).toEqual([400, 'invalid_grant']);
  });

  test('T-09 F200 tokens are given once', async () => {
    const id = await approved(scene, alice);
    expect((await poll(id)).status).toBe(200);
    for (let i = 0; i < 3; i++) expect(error(await poll(id))).toEqual([400, 'invalid_grant']);
  });

  test('T-10 asking again for tokens that were given does not take them away', async () => {
    const id = await approved(scene, alice);
    const { access_token } = (await poll(id)).body;
    await poll(id);
    expect((await scene.client('helpdesk').userinfo(access_token)).status).toBe(200);
  });

  test('T-13 an approval that is fetched too late is expired_token', async () => {
    const id = await asked({ requested_expiry: '30' });
    await answer(scene, alice, id);
    scene.clock.advance(30);
    expect(error(await poll(id))).toEqual([400, 'expired_token']);
  });

  test('T-15 the response is complete, and kept by nobody', async () => {
    const id = await approved(scene, alice, { scope: 'openid profile offline_access' });
    const { status, headers, body } = await poll(id);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('application/json');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('pragma')).toBe('no-cache');
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      id_token: expect.any(String),
      refresh_token: expect.any(String),
      scope: 'openid profile offline_access',
    });
  });

  test('T-16 tokens have 256 random bits', async () => {
    const { body } = await poll(await approved(scene, alice, { scope: 'openid offline_access' }));
    expect(body.access_token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(body.refresh_token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  test('T-17 a grant type that nobody has is unsupported; one that the client has not, unauthorized', async () => {
    const { post } = scene.client('ciba-only');
    expect(error(await post('/oauth/token', { grant_type: 'password' }))).toEqual([400, 'unsupported_grant_type']);
    expect(error(await post('/oauth/token', {}))).toEqual([400, 'invalid_request']);
    const refresh = { grant_type: 'refresh_token', refresh_token: 'x' };
    expect(error(await post('/oauth/token', refresh))).toEqual([400, 'unauthorized_client']);
  });

  test('T-18 whoever is locked between approval and redemption gets nothing, and gets it once unlocked', async () => {
    const id = await approved(scene, alice);
    await scene.users.lock(alice.user.id, by);
    expect(error(await poll(id))).toEqual([400, 'access_denied']);
    await scene.users.unlock(alice.user.id, by);
    await scene.devices.lock(alice.device.id, by);
    expect(error(await poll(id))).toEqual([400, 'access_denied']);
    await scene.devices.unlock(alice.device.id, by);
    expect((await poll(id)).status).toBe(200);
  });

  test('T-18 a client that is switched off gets nothing for what it started before', async () => {
    const id = await approved(scene, alice);
    await scene.protocol.reload({ clients: [aClient('helpdesk', { assent_active: false }), aClient('other')] });
    expect(error(await poll(id))).toEqual([401, 'invalid_client']);
  });
});

describe('how often', () => {
  const scene = protocolForEach({ clients });
  let alice: Alice;
  beforeEach(async () => void (alice = await withAlice(scene)));
  const asked = async (client = 'helpdesk') => (await scene.client(client).authenticate()).body.auth_req_id as string;
  const poll = (id: string) => scene.client('helpdesk').poll(id);

  test('P-02 P-03 the first poll may come at once, the next after the interval', async () => {
    const id = await asked();
    expect(error(await poll(id))).toEqual([400, 'authorization_pending']);
    scene.clock.advance(5);
    expect(error(await poll(id))).toEqual([400, 'authorization_pending']);
  });

  test('P-12 a request may live as briefly as ten seconds, and is polled within them', async () => {
    const { body } = await scene.client('helpdesk').authenticate({ requested_expiry: '10' });
    expect(body.expires_in).toBe(10);
    expect(body.interval).toBeLessThanOrEqual(5);
    const id = body.auth_req_id as string;
    expect(error(await poll(id))).toEqual([400, 'authorization_pending']);
    scene.clock.advance(5);
    expect(error(await poll(id))).toEqual([400, 'authorization_pending']);
    scene.clock.advance(5);
    expect(error(await poll(id))).toEqual([400, 'expired_token']);
  });

  test('P-01 a poll that is a second early is in time', async () => {
    const id = await asked();
    await poll(id);
    scene.clock.advance(4);
    expect(error(await poll(id))).toEqual([400, 'authorization_pending']);
    scene.clock.advance(3);
    expect(error(await poll(id))).toEqual([400, 'slow_down']);
  });

  test('T-05 P-04 P-05 F199 each slow_down adds five seconds, up to a minute, and says so', async () => {
    const id = await asked();
    await poll(id);
    const told: (string | null)[] = [];
    for (let i = 0; i < 13; i++) {
      const reply = await poll(id);
      expect(error(reply)).toEqual([400, 'slow_down']);
      told.push(reply.headers.get('retry-after'));
    }
    expect(told.map(Number)).toEqual([10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 60, 60]);
  });

  test('T-05 the longer interval holds for this and all later polls', async () => {
    const id = await asked();
    const pollAfter = async (seconds: number) => {
      scene.clock.advance(seconds);
      return (await poll(id)).body.error;
    };
    expect(await pollAfter(0)).toBe('authorization_pending');
    expect(await pollAfter(1)).toBe('slow_down');
    // ten seconds from the last accepted one on
    expect(await pollAfter(6)).toBe('slow_down');
    expect(await pollAfter(6)).toBe('slow_down');
    expect(await pollAfter(7)).toBe('authorization_pending');
    expect(await pollAfter(18)).toBe('slow_down');
  });

  test('TH-16 twenty polls at once: one is answered, nineteen are slowed, and who obeys is heard', async () => {
    const id = await asked();
    const replies = await Promise.all(Array.from({ length: 20 }, () => poll(id)));
    const codes = replies.map(({ body }) => body.error).sort();
    expect(codes).toEqual(['authorization_pending', ...Array(19).fill('slow_down')]);
    scene.clock.advance(60);
    expect(error(await poll(id))).toEqual([400, 'authorization_pending']);
  });

  test('P-06 a poll that comes too early gets the result once there is one', async () => {
    const id = await asked();
    await poll(id);
    await poll(id);
    await answer(scene, alice, id);
    expect((await poll(id)).status).toBe(200);
  });

  test('P-10 a call that fails before it is a poll does not count as one', async () => {
    const { body } = await scene.client('keyed').authenticate();
    const id = body.auth_req_id as string;
    const keyed = scene.client('keyed');
    expect(error(await keyed.poll(id))).toEqual([400, 'invalid_dpop_proof']);
    expect(error(await keyed.poll(id, { dpop: 'not a proof' }))).toEqual([400, 'invalid_dpop_proof']);
    expect(error(await keyed.poll(id, { authorization: 'Basic AAAA' }))).toEqual([400, 'invalid_request']);
    expect(
      (await scene.send('POST', '/oauth/token', { body: new URLSearchParams({ grant_type: CIBA, auth_req_id: id }) }))
        .status,
    ).toBe(401);
    const { state, poll: pacing } = (await scene.store.operations.pendingOf(alice.user.id, scene.clock.now()))[0]!;
    expect([state, pacing]).toEqual(['pending', { intervalSeconds: 5 }]);
  });

  test('T-19 while the process is behind starts are told to come later, then polls too, and nothing is used up or logged one by one', async () => {
    let late = 0;
    const busy = await openProtocol({ overrides: () => ({ overload: { lateMs: () => late, limitMs: 100 } }) });
    const person = await withAlice(busy);
    const client = busy.client('helpdesk');
    const id = (await client.authenticate()).body.auth_req_id;
    const statuses = async () => [await client.authenticate(), await client.poll(id)].map(({ status }) => status);
    late = 100;
    expect(await statuses()).toEqual([503, 400]);
    late = 200;
    expect(await statuses()).toEqual([503, 503]);
    const { headers, body } = await client.poll(id);
    expect(body.error).toBe('server_error');
    expect([1, 2, 3]).toContain(Number(headers.get('retry-after')));
    expect(busy.logged.filter(({ event }) => /overloaded|refused|fault/.test(event))).toHaveLength(1);
    // what they are waiting for is taken in all the while
    await answer(busy, person, id);
    late = 99;
    busy.clock.advance(5);
    expect((await client.poll(id)).status).toBe(200);
    await busy.close();
  });

  test('T-19 P-11 whoever never obeys is never given more than slow_down, and loses nothing', async () => {
    const id = await asked();
    for (let i = 0; i < 40; i++) await poll(id);
    await answer(scene, alice, id);
    expect((await poll(id)).status).toBe(200);
  });
});
