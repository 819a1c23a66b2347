import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { notificationDefaults } from '../../src/channels/notifications.ts';
import { ClientMetadataError, createProtocol } from '../../src/protocol/protocol.ts';
import { partitionOf } from '../../src/support/ids.ts';
import { createOutbound } from '../../src/support/outbound.ts';
import { createUnderWay } from '../../src/support/under-way.ts';
import { createAuthority } from '../support/certificates.ts';
import { createClock } from '../support/clock.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { createTimers } from '../support/timers.ts';
import { type NotifiedScene, notifiedForEach, openNotified } from './notified.ts';
import { type Alice, aClient, answer, CIBA, protocolForAll, withAlice } from './scene.ts';

const ping = (id: string, endpoint: string, more = {}) =>
  aClient(id, {
    backchannel_token_delivery_mode: 'ping',
    backchannel_client_notification_endpoint: endpoint,
    ...more,
  });
const clientsAt = ({ url }: Pick<Receiver, 'url'>) => [
  ping('shop', url),
  ping('wallet', `${url}/wallet`),
  aClient('poller', { backchannel_client_notification_endpoint: `${url}/never` }),
];
const token = 'AbC-._~+/09==';
const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];

const eventsOf = async ({ store, operationIdOf }: Pick<NotifiedScene, 'store' | 'operationIdOf'>, id: string) =>
  (await store.events.ofOperation(operationIdOf(id))).filter(({ type }) => type.startsWith('notification.'));

describe('a ping', () => {
  const scene = notifiedForEach({
    clients: clientsAt,
    outbound: { timeouts: { totalMs: 500, connectMs: 250 } },
    cap: { perClient: 100, policy: 'refuse', perUser: 100 },
  });
  let alice: Alice;
  beforeEach(async () => void (alice = await withAlice(scene)));
  const asked = async (params: Record<string, string> = {}, client = 'shop') => {
    const { status, body } = await scene.client(client).authenticate({ client_notification_token: token, ...params });
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body.auth_req_id as string;
  };
  const poll = (id: string, client = 'shop') => scene.client(client).poll(id);
  const events = (id: string) => eventsOf(scene, id);

  test('N-01 N-02 names the request and nothing else, with the client’s token as it was given', async () => {
    const id = await asked();
    await answer(scene, alice, id);
    const [call] = await scene.receiver.until(1);
    expect(call).toMatchObject({ method: 'POST', path: '/cb', text: JSON.stringify({ auth_req_id: id }) });
    expect(call!.headers).toMatchObject({ 'content-type': 'application/json', authorization: `Bearer ${token}` });
    expect(call!.headers).not.toHaveProperty('cookie');
  });

  test('N-02 R-09 a token of 1024 characters arrives whole', async () => {
    const long = `${'aZ09-._~+/'.repeat(102)}ab==`;
    expect(long).toHaveLength(1024);
    const id = await asked({ client_notification_token: long });
    await answer(scene, alice, id);
    const [call] = await scene.receiver.until(1);
    expect(call!.headers.authorization).toBe(`Bearer ${long}`);
  });

  test('R-09 R-11 a token must be there, in the characters of RFC 6750, and not longer; its strength is the client’s matter', async () => {
    const { authenticate } = scene.client('shop');
    for (const wrong of [
      {},
      { client_notification_token: '' },
      { client_notification_token: 'a b' },
      { client_notification_token: '=a' },
      { client_notification_token: 'ü' },
      { client_notification_token: 'a'.repeat(1025) },
    ]) {
      expect(error(await authenticate(wrong as Record<string, string>))).toEqual([400, 'invalid_request']);
    }
    expect((await authenticate({ client_notification_token: 'a' })).status).toBe(200);
  });

  test('N-03 comes after a denial as well', async () => {
    const id = await asked();
    await answer(scene, alice, id, false);
    await scene.receiver.until(1);
    expect(scene.receiver.received[0]!.body).toEqual({ auth_req_id: id });
    expect(error(await poll(id))).toEqual([400, 'access_denied']);
  });

  test('N-03 and after a request that ended in another way: its user was deactivated', async () => {
    const first = await asked();
    await scene.users.deactivate(alice.user.id, { actor: 'management:test' });
    await scene.receiver.until(1);
    expect(scene.receiver.received[0]!.body).toEqual({ auth_req_id: first });
    expect(error(await poll(first))).toEqual([400, 'access_denied']);
  });

  test('N-03 does not come where the time is over, nor where the client itself has cancelled', async () => {
    const cancelled = await asked();
    const expired = await asked({ requested_expiry: '10' });
    await scene.client('shop').cancel(cancelled);
    scene.clock.advance(10);
    await scene.sweeper.expire();
    await scene.later(20);
    expect(scene.receiver.received).toEqual([]);
    expect(error(await poll(expired))).toEqual([400, 'expired_token']);
  });

  test('N-10 P-08 the tokens are there when it arrives, however fast the client polled before', async () => {
    const id = await asked();
    const polls = [await poll(id), await poll(id), await poll(id)];
    expect(polls.map(({ body }) => body.error)).toEqual(['authorization_pending', 'slow_down', 'slow_down']);
    let reply: Awaited<ReturnType<typeof poll>> | undefined;
    scene.receiver.answers(async ({ body }, res) => {
      reply = await poll(body.auth_req_id);
      res.writeHead(204).end();
    });
    await answer(scene, alice, id);
    await scene.receiver.until(1);
    await scene.quiet();
    expect(reply).toMatchObject({ status: 200, body: { access_token: expect.any(String) } });
  });

  test('P-09 K-04 its client may poll, and is told how fast', async () => {
    const { body } = await scene.client('shop').authenticate({ client_notification_token: token });
    expect(body.interval).toBe(5);
    expect(error(await poll(body.auth_req_id))).toEqual([400, 'authorization_pending']);
    scene.clock.advance(5);
    await answer(scene, alice, body.auth_req_id);
    expect((await poll(body.auth_req_id)).status).toBe(200);
  });

  test('N-04 200 and 204 are success; whatever comes with them is not read', async () => {
    const endless = (_call: unknown, res: ServerResponse) => {
      res.writeHead(200);
      const more = () => res.destroyed || res.write('x'.repeat(65536), () => setImmediate(more));
      more();
    };
    for (const how of [200, 204, endless]) {
      scene.receiver.forget();
      scene.receiver.answers(how);
      const id = await asked();
      await answer(scene, alice, id);
      await scene.receiver.until(1);
      await scene.quiet();
      expect((await events(id)).map(({ type, data }) => [type, data!.attempt])).toEqual([['notification.sent', 1]]);
    }
  });

  test('N-05 a redirect is not followed and not tried again', async () => {
    scene.receiver.answers((_call, res) => res.writeHead(307, { location: '/elsewhere' }).end());
    const id = await asked();
    await answer(scene, alice, id);
    await scene.receiver.until(1);
    await scene.later(60);
    expect(scene.receiver.received.map(({ path }) => path)).toEqual(['/cb']);
    expect((await poll(id)).status).toBe(200);
  });

  test.each([400, 401, 403, 404, 410, 429])(
    'N-06 N-07 after %d it does not come again, and the client can still poll',
    async (status) => {
      scene.receiver.answers(status);
      const id = await asked();
      await answer(scene, alice, id);
      await scene.receiver.until(1);
      await scene.later(60);
      expect(scene.receiver.received).toHaveLength(1);
      expect((await poll(id)).status).toBe(200);
    },
  );

  test('N-07 RL-11 IV-08 comes again after 5xx, with the same body, until it is taken', async () => {
    scene.receiver.answers(500, 502, 503, 500, 204);
    const id = await asked();
    await answer(scene, alice, id);
    await scene.later(60);
    expect(new Set(scene.receiver.received.map(({ text }) => text))).toEqual(
      new Set([JSON.stringify({ auth_req_id: id })]),
    );
    expect(scene.receiver.received).toHaveLength(5);
    expect((await events(id)).map(({ data }) => [data!.status, data!.final])).toEqual([
      [500, false],
      [502, false],
      [503, false],
      [500, false],
      [204, undefined],
    ]);
  });

  test('N-07 comes again when nobody listened or answered, at least five times, and no more when the request is over', async () => {
    let calls = 0;
    scene.receiver.answers((_call, res) => (calls++ % 2 === 0 ? res.destroy() : undefined));
    const id = await asked({ requested_expiry: '120' });
    await answer(scene, alice, id);
    await scene.later(125);
    const tried = scene.receiver.received.length;
    expect(tried).toBeGreaterThanOrEqual(5);
    await scene.later(120);
    expect(scene.receiver.received).toHaveLength(tried);
    expect((await events(id)).at(-1)).toMatchObject({ type: 'notification.failed', data: { final: true } });
  });

  test('N-08 goes where the client is registered, whatever its request says', async () => {
    const elsewhere = 'https://localhost:1/elsewhere';
    const id = await asked({
      backchannel_client_notification_endpoint: elsewhere,
      client_notification_endpoint: elsewhere,
    });
    await answer(scene, alice, id);
    const [call] = await scene.receiver.until(1);
    expect(call!.path).toBe('/cb');
  });

  test('N-11 R-10 C-03 a client that polls is never called, and its token is ignored', async () => {
    const id = await asked({ client_notification_token: 'not a token!' }, 'poller');
    await answer(scene, alice, id);
    await scene.later(60);
    expect(scene.receiver.received).toEqual([]);
    expect((await poll(id, 'poller')).status).toBe(200);
  });

  test('S-13 promise 9: neither the token nor the id can be read in the store, and the record forgets the token', async () => {
    const id = await asked({ client_notification_token: 'a-notification-token-that-is-looked-for' });
    const inFiles = (text: string) => scene.files().some((file) => readFileSync(file).includes(text));
    const record = async () => (await scene.store.operations.get(scene.operationIdOf(id)))!.notification;
    expect(await record()).toEqual({ mode: 'ping', sealed: expect.any(String) });
    expect([inFiles('a-notification-token-that-is-looked-for'), inFiles(id)]).toEqual([false, false]);
    await answer(scene, alice, id);
    await scene.receiver.until(1);
    await scene.quiet();
    expect(await record()).toEqual({ mode: 'ping' });
    expect(await scene.store.outbox.backlog([partitionOf(scene.operationIdOf(id))])).toEqual({ count: 0 });
    expect(JSON.stringify(scene.logged)).not.toContain('a-notification-token-that-is-looked-for');
  });

  test('C-14 a request under way is told of as its client was registered when it began', async () => {
    const id = await asked();
    const changed = clientsAt({ url: 'https://localhost:1/other' }).map((client) =>
      client.client_id === 'shop' ? { ...client, backchannel_token_delivery_mode: 'poll' } : client,
    );
    await scene.protocol.reload({ clients: changed });
    await answer(scene, alice, id);
    const [call] = await scene.receiver.until(1);
    expect(call!.path).toBe('/cb');
    expect((await poll(id)).status).toBe(200);
  });

  test('promise 5: a client that was switched off is not called', async () => {
    const id = await asked();
    const off = scene.clients.map((client) =>
      client.client_id === 'shop' ? { ...client, assent_active: false } : client,
    );
    await scene.protocol.reload({ clients: off });
    await answer(scene, alice, id);
    await scene.later(30);
    expect(scene.receiver.received).toEqual([]);
    expect(await events(id)).toMatchObject([{ type: 'notification.failed', data: { reason: 'client_inactive' } }]);
  });

  test('B06 each attempt is in the delivery log of its client, without token or body', async () => {
    scene.receiver.answers(500, 204);
    const id = await asked();
    await answer(scene, alice, id);
    await scene.later(5);
    const log = await events(id);
    expect(log).toMatchObject([
      {
        type: 'notification.failed',
        clientId: 'shop',
        data: { mode: 'ping', attempt: 1, status: 500, reason: 'status 500', final: false },
      },
      { type: 'notification.sent', clientId: 'shop', data: { mode: 'ping', attempt: 2, status: 204 } },
    ]);
    for (const { data } of log) expect(data!.ms).toEqual(expect.any(Number));
    expect(JSON.stringify([log, scene.logged.filter(({ event }) => event.startsWith('notification'))])).not.toMatch(
      /Bearer|AbC-/,
    );

    const own = await scene.client('shop').post('/bc-authorize/deliveries', {});
    expect(own).toMatchObject({ status: 200, body: { next_cursor: null } });
    expect(own.body.items).toMatchObject([
      { attempt: 2, outcome: 'delivered', status: 204, reason: null },
      {
        operation_id: scene.operationIdOf(id),
        mode: 'ping',
        attempt: 1,
        outcome: 'failed',
        status: 500,
        reason: 'status 500',
      },
    ]);
    expect(JSON.stringify(own.body)).not.toMatch(/Bearer|AbC-/);
  });

  test('B06 a client reads its own log in pages, or of one request; it never sees another’s', async () => {
    const { post } = scene.client('shop');
    const log = async (params: Record<string, string> = {}, client = 'shop') =>
      scene.client(client).post('/bc-authorize/deliveries', params);
    const [first, second] = [await asked(), await asked()];
    await answer(scene, alice, first);
    await answer(scene, alice, second);
    await scene.receiver.until(2);
    await scene.quiet();
    const { items, next_cursor: cursor } = (await log({ limit: '1' })).body;
    expect(items).toHaveLength(1);
    const rest = (await log({ limit: '1', cursor })).body;
    expect([...items, ...rest.items].map(({ operation_id }) => operation_id).sort()).toEqual(
      [first, second].map(scene.operationIdOf).sort(),
    );
    expect((await log({ auth_req_id: second })).body.items).toMatchObject([
      { operation_id: scene.operationIdOf(second) },
    ]);
    for (const auth_req_id of ['nobody-has-this', `${second}x`]) {
      expect((await log({ auth_req_id })).body).toEqual({ items: [], next_cursor: null });
    }
    for (const other of await Promise.all([log({}, 'wallet'), log({ auth_req_id: second }, 'poller')])) {
      expect(other.body).toEqual({ items: [], next_cursor: null });
    }
    for (const wrong of ['limit=0', 'limit=201', 'limit=x', 'cursor=x', 'cursor=-1']) {
      expect(await post('/bc-authorize/deliveries', [wrong.split('=') as [string, string]])).toMatchObject({
        status: 400,
        body: { error: 'invalid_request' },
      });
    }
    expect((await scene.send('POST', '/bc-authorize/deliveries')).status).toBe(401);
  });

  test('promise 3: polls that race with the ping get one set', async () => {
    for (let round = 0; round < 5; round++) {
      scene.receiver.forget();
      const id = await asked();
      const replies: Promise<Awaited<ReturnType<typeof poll>>>[] = [];
      scene.receiver.answers((call, res) => {
        for (let i = 0; i < 5; i++) replies.push(poll(call.body.auth_req_id));
        res.writeHead(204).end();
      });
      const decided = answer(scene, alice, id);
      for (let i = 0; i < 5; i++) replies.push(poll(id));
      await decided;
      await scene.receiver.until(1);
      await scene.quiet();
      const given = (await Promise.all(replies)).filter(({ status }) => status === 200);
      expect(given).toHaveLength(1);
    }
  });
});

describe('who can be called', () => {
  const clients = clientsAt;

  test('N-09 nobody whose certificate is not trusted', async () => {
    const scene = await openNotified({ clients, outbound: { ca: [] } });
    try {
      const alice = await withAlice(scene);
      const { body } = await scene.client('shop').authenticate({ client_notification_token: token });
      await answer(scene, alice, body.auth_req_id);
      await scene.logs('notification.failed');
      expect(scene.receiver.received).toEqual([]);
      const [failed] = scene.logged.filter(({ event }) => event === 'notification.failed');
      expect(failed!.fields).toMatchObject({ reason: 'tls', final: false });
      expect((await scene.client('shop').poll(body.auth_req_id)).status).toBe(200);
    } finally {
      await scene.close();
    }
  });

  test('S-06 TH-17 nobody on this machine, unless the configuration says so', async () => {
    const scene = await openNotified({ clients, outbound: { allowLoopback: false, allowedPorts: [443] } });
    try {
      const alice = await withAlice(scene);
      const { body } = await scene.client('shop').authenticate({ client_notification_token: token });
      await answer(scene, alice, body.auth_req_id);
      await scene.logs('notification.failed');
      expect(scene.receiver.received).toEqual([]);
      const [failed] = scene.logged.filter(({ event }) => event === 'notification.failed');
      expect(failed!.fields).toMatchObject({ reason: 'refused_port', final: true });
    } finally {
      await scene.close();
    }
  });

  test('RL-11 promise 7: a receiver that hangs does not hold up the others', async () => {
    const authority = createAuthority();
    await using well = await startReceiver({ authority });
    const scene = await openNotified({
      authority,
      clients: (hanging) => [ping('hanging', hanging.url), ...clientsAt(well)],
      cap: { perClient: 100, policy: 'refuse', perUser: 100 },
    });
    const held: ServerResponse[] = [];
    try {
      const alice = await withAlice(scene);
      scene.receiver.answers((_call, res) => void held.push(res));
      const asked = async (client: string, count: number) => {
        for (let i = 0; i < count; i++) {
          const { body } = await scene.client(client).authenticate({ client_notification_token: token });
          await answer(scene, alice, body.auth_req_id);
        }
      };
      await asked('hanging', 20);
      await scene.receiver.until(4);
      await asked('shop', 10);
      await well.until(10);
      expect(scene.receiver.received).toHaveLength(4);
      // and it gets the rest as soon as it is well
      scene.receiver.answers(204);
      for (const res of held) res.writeHead(204).end();
      await scene.later(10);
      expect(new Set(scene.receiver.received.map(({ text }) => text)).size).toBe(20);
    } finally {
      await scene.close();
    }
  });

  const faults: Record<
    string,
    { answer: Parameters<Receiver['answers']>[0]; comesAgain: boolean; untrusted?: true; patienceMs?: number }
  > = {
    'answers 500': { answer: 500, comesAgain: true },
    'never answers': { answer: () => undefined, comesAgain: true, patienceMs: 50 },
    'hangs up': { answer: (_call, res) => res.destroy(), comesAgain: true },
    'shows a certificate that nobody trusts': { answer: 204, comesAgain: true, untrusted: true },
    redirects: { answer: (_call, res) => res.writeHead(302, { location: '/elsewhere' }).end(), comesAgain: false },
    'answers 500 and ten megabytes': {
      answer: (_call, res) => res.writeHead(500).end('x'.repeat(10 * 2 ** 20)),
      comesAgain: true,
    },
  };
  test.each(Object.entries(faults))(
    'RL-11 one receiver of several that %s: the others have theirs at once, it is tried at least five times in ten minutes if at all, and its client polls',
    async (_what, { answer: how, comesAgain, untrusted, patienceMs = 1000 }) => {
      const authority = createAuthority();
      await using well = await startReceiver({ authority });
      await using strange = await startReceiver();
      const scene = await openNotified({
        authority,
        clients: (bad) => [ping('bad', (untrusted ? strange : bad).url), ...clientsAt(well)],
        cap: { perClient: 100, policy: 'refuse', perUser: 100 },
        outbound: { timeouts: { totalMs: patienceMs, connectMs: patienceMs } },
      });
      try {
        const alice = await withAlice(scene);
        scene.receiver.answers(how);
        const ask = async (client: string) => {
          const params = { client_notification_token: token, requested_expiry: '600' };
          const { body } = await scene.client(client).authenticate(params);
          await answer(scene, alice, body.auth_req_id);
          return body.auth_req_id as string;
        };
        const owed = [];
        for (let i = 0; i < 6; i++) owed.push(await ask('bad'), await ask(i % 2 === 0 ? 'shop' : 'wallet'));
        // nobody’s clock has moved (with so little patience a busy machine may need a second try)
        if (patienceMs > 50) await well.until(6);
        await scene.later(595);
        const tries = await eventsOf(scene, owed[0]!);
        expect(tries.length >= 5).toBe(comesAgain);
        expect(new Set(well.received.map(({ body }) => body.auth_req_id)).size).toBe(6);
        expect(scene.receiver.received.filter(({ path }) => path !== '/cb')).toEqual([]);
        expect(strange.received).toEqual([]);
        expect((await scene.client('bad').poll(owed[0]!)).status).toBe(200);
      } finally {
        await scene.close();
      }
    },
    60_000,
  );

  test('RL-11 a receiver that fails again and again is left alone for a while, and tried by one call', async () => {
    const scene = await openNotified({ clients, cap: { perClient: 100, policy: 'refuse', perUser: 100 } });
    try {
      const alice = await withAlice(scene);
      scene.receiver.answers(503);
      for (let i = 0; i < 10; i++) {
        const { body } = await scene.client('shop').authenticate({ client_notification_token: token });
        await answer(scene, alice, body.auth_req_id);
      }
      await scene.later(5);
      const tried = scene.receiver.received.length;
      expect(tried).toBeGreaterThanOrEqual(5);
      expect(tried).toBeLessThanOrEqual(8);
      scene.receiver.answers(204);
      await scene.later(120);
      expect(new Set(scene.receiver.received.slice(tried).map(({ text }) => text)).size).toBe(10);
    } finally {
      await scene.close();
    }
  });
});

test('a ping leaves a moment after the decision: whoever decided has the answer by then, and the client can have its result', async () => {
  const held = createTimers(createClock());
  const { leaveAfterMs } = notificationDefaults;
  const deciding = createUnderWay();
  const scene = await openNotified({ clients: clientsAt, leaving: held, deciding, delivery: { leaveAfterMs } });
  const { received } = scene.receiver;
  try {
    const alice = await withAlice(scene);
    const { body } = await scene.client('shop').authenticate({ client_notification_token: token });
    // resolves with the outcome that the device is answered with: no decision waits for its ping
    await answer(scene, alice, body.auth_req_id);
    while (held.pending() + received.length === 0) await new Promise(setImmediate);
    expect((await scene.client('shop').poll(body.auth_req_id)).status).toBe(200);
    held.advance((leaveAfterMs - 1) / 1000);
    // what had left would be here before this
    await visit(scene.receiver);
    expect(received.map(({ method }) => method)).toEqual(['GET']);
    const answered = deciding.begin();
    held.advance(1 / 1000);
    // the answer is on its way still
    await visit(scene.receiver);
    expect(received.map(({ method }) => method)).toEqual(['GET', 'GET']);
    answered();
    const [, , call] = await scene.receiver.until(3);
    expect(call).toMatchObject({ method: 'POST', body: { auth_req_id: body.auth_req_id } });
  } finally {
    held.advance(1);
    await scene.close();
  }
});

test('a ping waits a second at most for an answer that does not get through to whoever decided', async () => {
  const held = createTimers(createClock());
  const deciding = createUnderWay();
  const scene = await openNotified({ clients: clientsAt, leaving: held, deciding });
  const { received } = scene.receiver;
  deciding.begin();
  try {
    const alice = await withAlice(scene);
    const { body } = await scene.client('shop').authenticate({ client_notification_token: token });
    await answer(scene, alice, body.auth_req_id);
    while (held.pending() === 0) await new Promise(setImmediate);
    held.advance(0);
    while (held.pending() === 0) await new Promise(setImmediate);
    held.advance(0.999);
    await visit(scene.receiver);
    expect(received.map(({ method }) => method)).toEqual(['GET']);
    held.advance(0.001);
    expect((await scene.receiver.until(2))[1]).toMatchObject({ body: { auth_req_id: body.auth_req_id } });
  } finally {
    held.advance(1);
    await scene.close();
  }
});

/** A call of somebody else's. */
const visit = ({ ca, url }: Receiver) =>
  createOutbound({ allowLoopback: true, ca: [ca] }).request(url, { ignoreBody: true });

describe('registration', () => {
  const scene = protocolForAll();
  const problemsOf = (client: object, modes = ['poll', 'ping', 'push']) => {
    const { settings } = scene.deps;
    try {
      const { deps } = scene;
      createProtocol({
        ...deps,
        clients: [client as never],
        settings: { ...settings, ciba: { ...settings.ciba, deliveryModes: modes as never } },
      });
      return [];
    } catch (thrown) {
      if (!(thrown instanceof ClientMetadataError)) throw thrown;
      return thrown.problems.map(({ message }) => message);
    }
  };
  const url = 'https://app.example/cb';

  test('C-01 the delivery mode must be there, and one that this server has', () => {
    const { backchannel_token_delivery_mode: _none, ...without } = aClient('a', { grant_types: [CIBA] });
    expect(problemsOf(without)).toEqual([expect.stringContaining('backchannel_token_delivery_mode')]);
    expect(problemsOf(ping('a', url), ['poll'])).toEqual([expect.stringContaining('backchannel_token_delivery_mode')]);
    expect(problemsOf(ping('a', url, { backchannel_token_delivery_mode: 'push' }), ['poll', 'ping'])).toHaveLength(1);
    expect(problemsOf(ping('a', url, { backchannel_token_delivery_mode: 'carrier pigeon' }))).toHaveLength(1);
    for (const mode of ['poll', 'ping', 'push'])
      expect(problemsOf(ping('a', url, { backchannel_token_delivery_mode: mode }))).toEqual([]);
  });

  test.each(['ping', 'push'])('C-02 C-13 %s needs an https endpoint without user and fragment', (mode) => {
    const at = (endpoint?: string) =>
      problemsOf(ping('a', endpoint as string, { backchannel_token_delivery_mode: mode }));
    for (const wrong of [
      undefined,
      '',
      'app.example',
      'http://app.example/cb',
      'https://app.example/cb#x',
      'https://app.example/cb#',
      'https://u:p@app.example/cb',
      'https://u@app.example/cb',
      'ftp://app.example',
    ]) {
      expect(at(wrong)).toEqual([expect.stringContaining('backchannel_client_notification_endpoint')]);
    }
  });

  test('X-08 X-09 tokens that are bound to a key of the client are not pushed', () => {
    const push = { backchannel_token_delivery_mode: 'push' };
    expect(problemsOf(ping('a', url, { ...push, dpop_bound_access_tokens: true }))).toHaveLength(1);
    expect(problemsOf(ping('a', url, { ...push, tls_client_certificate_bound_access_tokens: true }))).toHaveLength(1);
    expect(problemsOf(ping('a', url, { dpop_bound_access_tokens: true }))).toEqual([]);
  });
});
