import { once } from 'node:events';
import { type Alice, aClient, answer, protocolForEach, settings, withAlice } from './scene.ts';

const clients = [
  aClient('helpdesk'),
  aClient('patient', { assent_hold_seconds: 20 }),
  aClient('crowd', { assent_hold_seconds: 20 }),
];
const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];
const pending = [400, 'authorization_pending'];
const slowDown = [400, 'slow_down'];

describe('a token request that waits for the decision', () => {
  const scene = protocolForEach({
    clients,
    settings: { ...settings, ciba: { ...settings.ciba, hold: { maxSeconds: 25, perClient: 2, perProcess: 3 } } },
    peers: 1,
    cap: { perClient: 100, policy: 'refuse', perUser: 100 },
  });
  let alice: Alice;
  beforeEach(async () => void (alice = await withAlice(scene)));
  const asked = async (client = 'helpdesk') => (await scene.client(client).authenticate()).body.auth_req_id as string;
  const poll = (id: string, client = 'helpdesk', more?: Record<string, string>) => scene.client(client).poll(id, more);
  const wait = (seconds: number | string) => ({ prefer: `wait=${seconds}` });

  /** Sends a poll; resolves when the server holds it. */
  async function held(id: string, client = 'helpdesk', more: Record<string, string> = wait(25)) {
    const before = scene.timers.pending();
    const reply = poll(id, client, more);
    while (scene.timers.pending() === before) await new Promise(setImmediate);
    await settled();
    return { reply };
  }
  /** What the server is doing for it is done: a round trip of its own has passed since. */
  const settled = async () => {
    for (let i = 0; i < 3; i++) await scene.send('GET', '/.well-known/jwks.json');
  };

  test('P-07 B01 it is answered with the tokens when the user approves', async () => {
    const id = await asked();
    const { reply } = await held(id);
    await answer(scene, alice, id);
    const { status, headers, body } = await reply;
    expect(status).toBe(200);
    expect(body.access_token).toEqual(expect.any(String));
    expect(headers.get('preference-applied')).toBe('wait=25');
    expect(scene.timers.pending()).toBe(0);
  });

  test('P-07 a denial ends it as well', async () => {
    const id = await asked();
    const { reply } = await held(id);
    await answer(scene, alice, id, false);
    expect(error(await reply)).toEqual([400, 'access_denied']);
  });

  test('P-07 so does the client that cancels', async () => {
    const id = await asked();
    const { reply } = await held(id);
    expect((await scene.client('helpdesk').cancel(id)).status).toBe(204);
    const ended = await reply;
    expect(error(ended)).toEqual([400, 'access_denied']);
    expect(ended.body.error_description).toBe('The client cancelled the request.');
  });

  test('P-07 nobody decides: authorization_pending when the time is over, and it counted as one poll', async () => {
    const id = await asked();
    const { reply } = await held(id, 'helpdesk', wait(20));
    scene.timers.advance(20);
    expect(error(await reply)).toEqual(pending);
    // the interval ran from the start of the held request, so the next one may come at once
    expect(error(await poll(id))).toEqual(pending);
    expect(error(await poll(id))).toEqual(slowDown);
  });

  test('P-07 nobody waits longer than 25 seconds, whatever is asked for', async () => {
    const id = await asked();
    const { reply } = await held(id, 'helpdesk', wait(3600));
    scene.timers.advance(25);
    const answered = await reply;
    expect(error(answered)).toEqual(pending);
    expect(answered.headers.get('preference-applied')).toBe('wait=25');
  });

  test('P-07 a second poll of the same request while one is held is told to slow down; the held one goes on', async () => {
    const id = await asked();
    const { reply } = await held(id);
    scene.clock.advance(10);
    expect(error(await poll(id))).toEqual(slowDown);
    const second = await poll(id, 'helpdesk', wait(25));
    expect(error(second)).toEqual(slowDown);
    expect(second.headers.get('preference-applied')).toBeNull();
    await answer(scene, alice, id);
    expect((await reply).status).toBe(200);
  });

  test('P-07 a poll that comes too soon is not held', async () => {
    const id = await asked();
    await poll(id);
    expect(error(await poll(id, 'helpdesk', wait(25)))).toEqual(slowDown);
    expect(scene.timers.pending()).toBe(0);
  });

  test('a client may be registered to wait; what a request says goes first', async () => {
    const id = await asked('patient');
    const { reply } = await held(id, 'patient', {});
    scene.timers.advance(20);
    const answered = await reply;
    expect(error(answered)).toEqual(pending);
    expect(answered.headers.get('preference-applied')).toBeNull();
    expect(error(await poll(id, 'patient', wait(0)))).toEqual(pending);
  });

  test('nobody waits by default, nor for what is decided, unknown, or no wait at all', async () => {
    const id = await asked();
    expect(error(await poll(id))).toEqual(pending);
    scene.clock.advance(5);
    for (const header of ['wait=x', 'wait', 'respond-async', 'wait=-1', 'wait=0']) {
      expect(error(await poll(id, 'helpdesk', { prefer: header }))).toEqual(pending);
      scene.clock.advance(5);
    }
    expect(error(await poll('unknown', 'helpdesk', wait(25)))).toEqual([400, 'invalid_grant']);
    await answer(scene, alice, id);
    expect((await poll(id, 'helpdesk', wait(25))).status).toBe(200);
    expect(scene.timers.pending()).toBe(0);
  });

  test('RFC 7240: of several preferences the wait is found, quoted or not', async () => {
    const { preferredWaitSeconds } = await import('../../src/protocol/prefer.ts');
    expect(preferredWaitSeconds(undefined)).toBeUndefined();
    expect(preferredWaitSeconds('respond-async, wait=10')).toBe(10);
    expect(preferredWaitSeconds('Wait = "7" ; foo=bar, wait=9')).toBe(7);
    expect(preferredWaitSeconds('return=minimal; wait=9')).toBeUndefined();
    expect(preferredWaitSeconds('wait=" 8 "')).toBe(8);
    for (const nothing of ['wait', 'wait=', 'wait="', 'wait=5=6', `wait=${' '.repeat(9_000)}""x`]) {
      expect(preferredWaitSeconds(nothing)).toBeUndefined();
    }
  });

  test('capped per client and per process: who comes beyond is answered at once', async () => {
    const ids = [];
    for (const client of ['helpdesk', 'helpdesk', 'helpdesk', 'crowd', 'crowd']) ids.push(await asked(client));
    // each of the two servers counts its own; requests go to them in turn, so four of one client fill both
    const server = async (n: number) => {
      while (scene.turn() % 2 !== n) await scene.send('GET', '/.well-known/jwks.json');
    };
    const holding = [];
    for (const [i, client] of [
      [0, 'helpdesk'],
      [1, 'helpdesk'],
      [3, 'crowd'],
    ] as const) {
      await server(0);
      const reply = poll(ids[i]!, client, wait(25));
      while (scene.timers.pending() === holding.length) await new Promise(setImmediate);
      holding.push(reply);
    }
    await server(0);
    const beyond = await poll(ids[2]!, 'helpdesk', wait(25));
    expect(error(beyond)).toEqual(pending);
    expect(beyond.headers.get('preference-applied')).toBeNull();
    await server(0);
    expect(error(await poll(ids[4]!, 'crowd'))).toEqual(pending);
    scene.timers.advance(25);
    for (const reply of holding) expect(error(await reply)).toEqual(pending);
  });

  test('P-05 a hold is forgotten with the connection: the next poll keeps the interval, nothing else', async () => {
    const id = await asked();
    const { headers } = scene.client('helpdesk');
    const leaving = new AbortController();
    const arrived = once(scene.server, 'request');
    const left = fetch(`${scene.origin}/oauth/token`, {
      method: 'POST',
      headers: { ...headers, ...wait(25) },
      body: new URLSearchParams({ grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: id }),
      signal: leaving.signal,
    }).catch(() => 'left');
    const [, res] = await arrived;
    while (scene.timers.pending() === 0) await new Promise(setImmediate);
    await settled();
    const closed = once(res, 'close');
    leaving.abort();
    expect(await left).toBe('left');
    await closed;
    while (scene.timers.pending() > 0) await new Promise(setImmediate);
    await settled();
    scene.clock.advance(5);
    expect(error(await poll(id))).toEqual(pending);
    await answer(scene, alice, id);
    expect((await poll(id)).status).toBe(200);
  });

  test('a process that drains answers whom it holds', async () => {
    const id = await asked();
    const { reply } = await held(id);
    scene.stopping.abort();
    const told = await reply;
    expect(error(told)).toEqual(pending);
    // RL-15: spread, so that they do not come back together
    expect([1, 2, 3, 4, 5]).toContain(Number(told.headers.get('retry-after')));
    scene.clock.advance(5);
    expect(error(await poll(id, 'helpdesk', wait(25)))).toEqual(pending);
  });

  test('promise 5: a client that was switched off while it waited gets nothing', async () => {
    const id = await asked();
    const { reply } = await held(id);
    const off = clients.map((client) =>
      client.client_id === 'helpdesk' ? { ...client, assent_active: false } : client,
    );
    for (const protocol of scene.protocols) await protocol.reload({ clients: off });
    await answer(scene, alice, id);
    expect(error(await reply)).toEqual([401, 'invalid_client']);
  });

  test('promise 3: held polls that race with each other and with a cancellation have one outcome', async () => {
    for (let round = 0; round < 5; round++) {
      const id = await asked();
      const { reply } = await held(id);
      const polls = Array.from({ length: 5 }, () => poll(id, 'helpdesk', wait(25)));
      const decided = answer(scene, alice, id).then(
        () => 'approved',
        () => 'lost',
      );
      const cancelled = scene.client('helpdesk').cancel(id);
      const [first, outcome, { status }] = await Promise.all([reply, decided, cancelled]);
      const others = await Promise.all(polls);
      const given = [first, ...others].filter((each) => each.status === 200);
      expect([outcome, status, given.length]).toEqual(outcome === 'approved' ? ['approved', 409, 1] : ['lost', 204, 0]);
    }
  });

  test('IV-02 a client that sends polls over one another still gets one set', async () => {
    const id = await asked();
    const { reply } = await held(id);
    await answer(scene, alice, id);
    const replies = await Promise.all([reply, ...Array.from({ length: 10 }, () => poll(id, 'helpdesk', wait(5)))]);
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
  });
});

describe('many that wait', () => {
  const HELD = 250;
  const hold = { maxSeconds: 25, perClient: HELD, perProcess: HELD };
  const scene = protocolForEach({
    clients,
    settings: { ...settings, ciba: { ...settings.ciba, hold } },
    cap: { perClient: 1000, policy: 'refuse', perUser: 1000 },
  });

  test(`RL-15 ${HELD} whose time is over at once are each answered, once, and may all come again`, async () => {
    await withAlice(scene);
    const ask = async () => (await scene.client('helpdesk').authenticate()).body.auth_req_id as string;
    const ids = await Promise.all(Array.from({ length: HELD }, ask));
    const answered = new Map<string, number>();
    const polls = ids.map(async (id) => {
      const reply = await scene.client('helpdesk').poll(id, { prefer: 'wait=25' });
      answered.set(id, (answered.get(id) ?? 0) + 1);
      return error(reply);
    });
    while (scene.timers.pending() < HELD) await new Promise(setImmediate);
    expect(answered.size).toBe(0);
    scene.timers.advance(25);
    expect(new Set((await Promise.all(polls)).map(String))).toEqual(new Set([String(pending)]));
    expect([answered.size, new Set(answered.values()).size, scene.timers.pending()]).toEqual([HELD, 1, 0]);
    const again = await Promise.all(ids.map((id) => scene.client('helpdesk').poll(id)));
    expect(new Set(again.map((reply) => String(error(reply))))).toEqual(new Set([String(pending)]));
  });
});
