import { partitionOf } from '../../src/support/ids.ts';
import { by, newUser } from '../domain/scene.ts';
import { countRoundTrips } from './round-trips.ts';
import { aClient, type ProtocolScene, protocolForEach, settings, withAlice } from './scene.ts';

const withCodes = { ...settings, ciba: { ...settings.ciba, userCode: { enabled: true } } };
const clients = [
  aClient('helpdesk'),
  aClient('coded', { backchannel_user_code_parameter: true }),
  ...['coded-b', 'coded-c', 'coded-d'].map((id) => aClient(id, { backchannel_user_code_parameter: true })),
  aClient('quiet', { assent_unknown_user: 'decoy' }),
  aClient('quiet-coded', { assent_unknown_user: 'decoy', backchannel_user_code_parameter: true }),
];

const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];

async function aliceWithCode(scene: ProtocolScene) {
  const alice = await withAlice(scene);
  await scene.users.update(alice.user.id, { userCode: 'blue-harbor-42' }, by);
  return alice;
}
const pendingOf = async (scene: ProtocolScene, userId: string) =>
  (await scene.store.operations.pendingOf(userId, scene.clock.now())).length;

describe('user codes', () => {
  const scene = protocolForEach({ clients, settings: withCodes });
  const ask = (user_code?: string, client = 'coded') =>
    scene.client(client).authenticate(user_code === undefined ? {} : { user_code });

  test('M-05 discovery says that they are supported where they are', async () => {
    const { body } = await scene.send('GET', '/.well-known/openid-configuration');
    expect(body.backchannel_user_code_parameter_supported).toBe(true);
  });

  test('U-01 U-05 R-19 a user who has one is asked nothing without it', async () => {
    const { user } = await aliceWithCode(scene);
    expect(error(await ask())).toEqual([400, 'missing_user_code']);
    expect(error(await ask(''))).toEqual([400, 'missing_user_code']);
    expect(error(await ask('wrong-code'))).toEqual([400, 'invalid_user_code']);
    expect(await pendingOf(scene, user.id)).toBe(0);
    expect((await ask('blue-harbor-42')).status).toBe(200);
    expect(await pendingOf(scene, user.id)).toBe(1);
  });

  test('R-24 it is looked at before the rest of the request, and whatever that is like', async () => {
    await aliceWithCode(scene);
    const rest = { scope: 'profile', resource: 'nowhere' };
    const asked = async (user_code: string) => error(await scene.client('coded').authenticate({ user_code, ...rest }));
    expect(await asked('wrong-code')).toEqual([400, 'invalid_user_code']);
    expect((await asked('blue-harbor-42'))[1]).not.toBe('invalid_user_code');
  });

  test('U-01 a user who has none needs none', async () => {
    await withAlice(scene);
    expect((await ask()).status).toBe(200);
    expect((await ask('whatever')).status).toBe(200);
  });

  test('U-02 tries are counted before they are compared, and beyond the limit the right code is wrong', async () => {
    await aliceWithCode(scene);
    const guesses = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(`guess-${i}`)));
    for (const reply of guesses) expect(error(reply)).toEqual([400, 'invalid_user_code']);
    expect(error(await ask('blue-harbor-42'))).toEqual([400, 'invalid_user_code']);
    scene.clock.advance(901);
    expect((await ask('blue-harbor-42')).status).toBe(200);
  });

  test('U-02 TH-06 one client’s wrong codes lock nobody out at another, and all clients together have their limit', async () => {
    await aliceWithCode(scene);
    const guess = (client: string, times: number) =>
      Promise.all(Array.from({ length: times }, () => ask('no-it-is-not', client)));
    await guess('coded', 25);
    expect(error(await ask('blue-harbor-42'))).toEqual([400, 'invalid_user_code']);
    expect((await ask('blue-harbor-42', 'coded-b')).status).toBe(200);
    await guess('coded-b', 25);
    await guess('coded-c', 4);
    expect((await ask('blue-harbor-42', 'coded-c')).status).toBe(200);
    // fifteen by now
    expect(error(await ask('blue-harbor-42', 'coded-d'))).toEqual([400, 'invalid_user_code']);
  });

  test('U-02 one user’s wrong codes lock nobody else', async () => {
    await aliceWithCode(scene);
    for (let i = 0; i < 6; i++) await ask(`guess-${i}`);
    await newUser(scene.scene, { username: 'bob', userCode: 'green-harbor-7' });
    const reply = await scene.client('coded').authenticate({ login_hint: 'bob', user_code: 'green-harbor-7' });
    // bob has no device, and the code let him get that far
    expect(error(reply)).toEqual([403, 'access_denied']);
  });

  test('U-02 it is kept as a hash, in no document and no log', async () => {
    const { user } = await aliceWithCode(scene);
    await ask('blue-harbor-42');
    const kept = await scene.users.get(user.id);
    expect(kept.userCodeHash).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(JSON.stringify([kept, await scene.store.users.get(user.id), scene.logged])).not.toContain('blue-harbor');
  });

  test('it is changed and removed like any other member, and must be a code', async () => {
    const { user } = await aliceWithCode(scene);
    await scene.users.update(user.id, { name: 'Alice J.' }, by);
    expect(error(await ask())).toEqual([400, 'missing_user_code']);
    await scene.users.update(user.id, { userCode: 'second-code' }, by);
    expect(error(await ask('blue-harbor-42'))).toEqual([400, 'invalid_user_code']);
    await scene.users.update(user.id, { userCode: null }, by);
    expect((await ask()).status).toBe(200);
    for (const userCode of ['abc', 'x'.repeat(65), 'two\nlines']) {
      await expect(scene.users.update(user.id, { userCode }, by)).rejects.toMatchObject({ code: 'invalid_request' });
    }
  });

  test('U-03 a client that is not registered to send one needs none, and one that it sends is ignored', async () => {
    await aliceWithCode(scene);
    expect((await ask(undefined, 'helpdesk')).status).toBe(200);
    expect((await ask('wrong', 'helpdesk')).status).toBe(200);
  });
});

describe('a client that must not learn who exists', () => {
  const scene = protocolForEach({ clients, settings: withCodes });
  const ask = (params: Record<string, string>, client = 'quiet') => scene.client(client).authenticate(params);
  const shapeOf = ({ status, headers, body }: Awaited<ReturnType<typeof ask>>) => ({
    status,
    headers: [...headers.keys()].sort(),
    length: headers.get('content-length'),
    members: Object.keys(body),
    idLength: body.auth_req_id?.length,
    expires_in: body.expires_in,
    interval: body.interval,
  });

  test('TH-04 H-03 unknown, locked, deactivated and without a device: all like somebody who is asked', async () => {
    const { user } = await withAlice(scene);
    await newUser(scene.scene, { username: 'bob' });
    const locked = await newUser(scene.scene, { username: 'carol' });
    await scene.users.lock(locked.id, by);
    const real = shapeOf(await ask({}));
    expect(real.status).toBe(200);
    for (const login_hint of [
      'nobody',
      'no@where.test',
      '+31600000000',
      'bob',
      'carol',
      `sub:${'00'.padEnd(24, 'A')}`,
      `device:${'00'.padEnd(24, 'A')}`,
      '{"format":"opaque","id":"nobody"}',
    ]) {
      expect([login_hint, shapeOf(await ask({ login_hint }))]).toEqual([login_hint, real]);
    }
    await scene.users.deactivate(user.id, by);
    expect(shapeOf(await ask({}))).toEqual(real);
  });

  test('TH-04 a decoy is polled, paced, cancelled and expires as any request; nobody is asked', async () => {
    const { user } = await withAlice(scene);
    const client = scene.client('quiet');
    const { body } = await ask({ login_hint: 'nobody', requested_expiry: '60' });
    expect((await client.poll(body.auth_req_id)).body.error).toBe('authorization_pending');
    expect((await client.poll(body.auth_req_id)).body.error).toBe('slow_down');
    expect(error(await scene.client('helpdesk').poll(body.auth_req_id))).toEqual([400, 'invalid_grant']);
    expect(await pendingOf(scene, user.id)).toBe(0);
    scene.clock.advance(61);
    expect((await client.poll(body.auth_req_id)).body.error).toBe('expired_token');

    const second = await ask({ login_hint: 'nobody' });
    expect((await client.cancel(second.body.auth_req_id)).status).toBe(204);
    expect((await client.poll(second.body.auth_req_id)).body.error).toBe('access_denied');
  });

  test('TH-04 a later request takes the place of the former, whether somebody is there or not', async () => {
    await withAlice(scene);
    const client = scene.client('quiet');
    for (const login_hint of ['alice', 'nobody']) {
      const first = (await ask({ login_hint })).body.auth_req_id;
      const second = (await ask({ login_hint })).body.auth_req_id;
      expect(partitionOf(scene.operationIdOf(second))).toBe(partitionOf(scene.operationIdOf(first)));
      expect((await client.poll(first)).body.error).toBe('access_denied');
      expect((await client.poll(second)).body.error).toBe('authorization_pending');
    }
  });

  test('TH-04 what is wrong with the request itself is said, whoever is meant', async () => {
    await withAlice(scene);
    const bads: Record<string, string>[] = [
      { binding_message: 'a\nb' },
      { requested_expiry: '0' },
      { acr_values: 'urn:moon' },
    ];
    for (const bad of bads) {
      const replies = await Promise.all(['alice', 'nobody'].map((login_hint) => ask({ login_hint, ...bad })));
      expect(replies[0]!.status).toBe(400);
      expect(replies[1]!.body).toEqual(replies[0]!.body);
    }
  });

  test('U-04 TH-04 a user code that is missing, wrong or locked tells nothing either', async () => {
    const { user } = await aliceWithCode(scene);
    const code = (login_hint: string, user_code?: string) =>
      ask({ login_hint, ...(user_code && { user_code }) }, 'quiet-coded');
    const real = shapeOf(await code('alice', 'blue-harbor-42'));
    const replies = [await code('alice'), await code('alice', 'wrong-one'), await code('nobody')];
    for (let i = 0; i < 6; i++) replies.push(await code('alice', `guess-${i}`), await code('nobody', `guess-${i}`));
    // locked by now
    replies.push(await code('alice', 'blue-harbor-42'));
    for (const reply of replies) expect(shapeOf(reply)).toEqual(real);
    expect(await pendingOf(scene, user.id)).toBe(1);
  });

  test('TH-04 the store has the same work, whether somebody is there or not', async () => {
    const { user, device } = await aliceWithCode(scene);
    const trips = countRoundTrips(scene.store);
    const work = async (params: Record<string, string>, client?: string) => {
      trips.taken();
      await ask(params, client);
      const calls = trips.taken();
      // counted as two reads; where the first finds nothing there is no second
      const isMiss = calls.includes('users.findByIdentifier') && calls.includes('users.get');
      return calls.length - (isMiss ? 1 : 0);
    };
    const counts = async (client?: string) =>
      Promise.all([
        await work({ login_hint: 'alice', user_code: 'blue-harbor-42' }, client),
        await work({ login_hint: 'nobody', user_code: 'blue-harbor-42' }, client),
        await work({ login_hint: 'alice', user_code: 'wrong-one' }, client),
      ]);
    expect(await counts()).toEqual([4, 4, 4]);
    expect(await counts('quiet-coded')).toEqual([5, 5, 5]);
    const bySub = [
      await work({ login_hint: `sub:${user.id}` }),
      await work({ login_hint: `sub:${user.id.slice(0, 2)}${'A'.repeat(22)}` }),
    ];
    expect(bySub).toEqual([3, 3]);
    await newUser(scene.scene, { username: 'bob' });
    expect(await work({ login_hint: 'bob' })).toBe(4);
    const byDevice = [
      await work({ login_hint: `device:${device.id}` }),
      await work({ login_hint: `device:${device.id.slice(0, 2)}${'A'.repeat(22)}` }),
    ];
    expect(byDevice).toEqual([4, 4]);
  });

  describe('where a client that has its requests waiting is refused', () => {
    const strict = protocolForEach({ clients, cap: { perClient: 1, policy: 'refuse', perUser: 2 } });
    const statuses = async (login_hint: string, times: number) => {
      const replies = [];
      for (let i = 0; i < times; i++) replies.push((await strict.client('quiet').authenticate({ login_hint })).status);
      return replies;
    };

    test('TH-04 its own limit is the same, and that others ask the person too is not told', async () => {
      await withAlice(strict);
      expect(await statuses('alice', 3)).toEqual([200, 429, 429]);
      expect(await statuses('nobody', 3)).toEqual([200, 429, 429]);
      strict.clock.advance(301);
      for (const other of ['helpdesk', 'coded']) await strict.client(other).authenticate();
      expect((await strict.client('helpdesk').authenticate()).status).toBe(429);
      expect(await statuses('alice', 3)).toEqual([200, 429, 429]);
    });
  });

  describe('where answers wait for their moment', () => {
    const waiting: (() => void)[] = [];
    const beat = () => new Promise<void>((go) => waiting.push(go));
    const even = protocolForEach({ clients, overrides: () => ({ beat }) });

    test('TH-04 every answer about a person leaves then, a refusal too; only who may know is answered at once', async () => {
      await withAlice(even);
      const answered: string[] = [];
      const ask = async (client: string, login_hint: string) => {
        await even.client(client).authenticate({ login_hint });
        answered.push(`${client} ${login_hint}`);
      };
      const quiet = ['alice', 'nobody', ''].map((hint) => ask('quiet', hint));
      await ask('helpdesk', 'nobody');
      while (waiting.length < quiet.length) await new Promise(setImmediate);
      expect(answered).toEqual(['helpdesk nobody']);
      for (const go of waiting.splice(0)) go();
      await Promise.all(quiet);
      expect(answered).toHaveLength(1 + quiet.length);
    });
  });

  test('another client is told', async () => {
    expect(error(await ask({ login_hint: 'nobody' }, 'helpdesk'))).toEqual([400, 'unknown_user_id']);
  });
});
