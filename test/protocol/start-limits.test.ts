/** How often people may be asked, as clients see it. What is noted when, and that no race lets two through: test/conformance. */
import { createClientRate } from '../../src/domain/client-rate.ts';
import type { StartLimits } from '../../src/domain/ports/operations.ts';
import { HOUR, MINUTE, SECOND } from '../../src/support/clock.ts';
import { newUser } from '../domain/scene.ts';
import { aDecision, aReceipt } from '../support/records.ts';
import { countRoundTrips } from './round-trips.ts';
import { type Alice, aClient, answer, type ProtocolScene, protocolForEach, type Reply, withAlice } from './scene.ts';

const limits: StartLimits = {
  perClient: { starts: 3, windowMs: 10 * MINUTE },
  perUser: { starts: 5, windowMs: HOUR },
  backOff: { firstMs: 10 * SECOND, maxMs: HOUR },
  notMeMs: HOUR,
};
const ratesAlone = { ...limits, backOff: { firstMs: 0, maxMs: 0 } };
const clients = [
  aClient('helpdesk'),
  aClient('tv'),
  aClient('shop'),
  aClient('quiet', { assent_unknown_user: 'decoy' }),
];
// what waits is not the matter here
const cap = { perClient: 0, policy: 'refuse' as const, perUser: 0 };

const seen = ({ status, headers, body }: Reply) => [status, headers.get('retry-after'), body.error];
const refused = (seconds: number) => [429, String(seconds), 'access_denied'];

const pendingOf = async ({ store, clock }: ProtocolScene, { user }: Alice) =>
  (await store.operations.pendingOf(user.id, clock.now())).length;
const eventsOf = async ({ store }: ProtocolScene, userId: string) =>
  (await store.events.ofUser(userId, 20)).map(({ type, data }) => [type, data?.['limit'], data?.['told']]);

async function deny(scene: ProtocolScene, { user, device }: Alice, authReqId: string, reason?: 'not_me') {
  const now = scene.clock.now();
  const decision = aDecision(device, { approved: false, ...(reason && { reason }), decidedAt: now });
  const outcome = await scene.store.operations.decide({
    operationId: scene.operationIdOf(authReqId),
    deviceId: device.id,
    userId: user.id,
    decision,
    clear: [],
    receipt: aReceipt(device, { jwsHash: decision.jwsHash, until: now + MINUTE }),
    now,
    events: [],
    outbox: [],
  });
  expect(outcome.result).toBe('decided');
}

describe('rates', () => {
  const scene = protocolForEach({ clients, cap, limits: ratesAlone });
  const ask = (client = 'helpdesk', params: Record<string, string> = {}) => scene.client(client).authenticate(params);

  test('S-02 beyond so many requests of one client about one person: 429 that says when, and no device hears of it', async () => {
    const alice = await withAlice(scene);
    await newUser(scene.scene, { username: 'bob' });
    for (let i = 0; i < 3; i++) expect((await ask()).status).toBe(200);
    scene.clock.advance(4.5);
    const reply = await ask('helpdesk', { login_hint: 'email:alice@example.test' });
    expect(seen(reply)).toEqual(refused(596));
    expect(reply.body).toEqual({
      error: 'access_denied',
      error_description: 'Too many requests. Try again later.',
    });
    expect(await pendingOf(scene, alice)).toBe(3);
    expect(await scene.store.outbox.backlog([alice.user.id.slice(0, 2)])).toMatchObject({ count: 3 });
    expect((await eventsOf(scene, alice.user.id))[0]).toEqual(['operation.refused', 'client_rate', true]);
    // neither another person nor another client is meant
    expect((await ask('helpdesk', { login_hint: 'bob' })).body.error_description).toMatch(/no authentication device/);
    expect((await ask('tv')).status).toBe(200);
    scene.clock.advance(595);
    expect(seen(await ask())).toEqual(refused(1));
    scene.clock.advance(1);
    expect((await ask()).status).toBe(200);
  });

  test('S-02 beyond so many requests of all clients about one person, and Retry-After is of what lasts longest', async () => {
    await withAlice(scene);
    for (const client of ['helpdesk', 'helpdesk', 'helpdesk', 'tv', 'tv']) expect((await ask(client)).status).toBe(200);
    expect(seen(await ask('shop'))).toEqual(refused(3600));
    expect(seen(await ask('helpdesk'))).toEqual(refused(3600));
  });

  test('a start takes no round trip more than without limits', async () => {
    await withAlice(scene);
    const trips = countRoundTrips(scene.store);
    await ask();
    expect(trips.taken()).toHaveLength(4);
  });
});

describe('of one client altogether', () => {
  const rate = { starts: 4, windowMs: MINUTE };
  const told: string[] = [];
  const scene = protocolForEach({
    clients,
    overrides: ({ store, clock }) => ({
      clientRate: createClientRate({ store, clock: clock.now, options: rate, onRefused: (id) => told.push(id) }),
    }),
  });

  test('S-02 TH-04 whoever is named, and whether they exist or not; the audit trail is told once', async () => {
    await withAlice(scene);
    for (const client of ['helpdesk', 'quiet']) {
      const ask = (login_hint: string) => scene.client(client).authenticate({ login_hint });
      for (const name of ['alice', 'nobody', 'bob', 'alice']) expect((await ask(name)).status).not.toBe(429);
      scene.clock.advance(20);
      const replies = await Promise.all(['alice', 'nobody', 'tel:+31687654321'].map(ask));
      for (const reply of replies) expect(seen(reply)).toEqual(refused(40));
      expect(new Set(replies.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    }
    expect(told).toEqual(['helpdesk', 'helpdesk', 'helpdesk', 'quiet', 'quiet', 'quiet']);
    expect((await scene.client('tv').authenticate()).status).toBe(200);
    scene.clock.advance(40);
    expect((await scene.client('quiet').authenticate()).status).toBe(200);
  });
});

describe('back-off and reports', () => {
  const scene = protocolForEach({
    clients,
    limits: { ...limits, perClient: { starts: 0, windowMs: 1 }, perUser: { starts: 0, windowMs: 1 } },
  });
  const ask = (client = 'helpdesk') => scene.client(client).authenticate({ requested_expiry: '60' });

  test('S-02 after a denial a client waits, twice as long after the next one, until an approval', async () => {
    const alice = await withAlice(scene);
    for (const seconds of [10, 20, 40]) {
      await deny(scene, alice, (await ask()).body.auth_req_id);
      expect(seen(await ask())).toEqual(refused(seconds));
      expect((await ask('tv')).status).toBe(200);
      scene.clock.advance(seconds);
    }
    await answer(scene, alice, (await ask()).body.auth_req_id);
    const { body } = await ask();
    await deny(scene, alice, body.auth_req_id);
    expect(seen(await ask())).toEqual(refused(10));
  });

  test('S-02 what nobody answered counts when its time is over, what is replaced at once, what its client cancels never', async () => {
    await withAlice(scene);
    await ask();
    scene.clock.advance(65);
    expect(seen(await ask())).toEqual(refused(5));
    scene.clock.advance(5);
    expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(200);
    expect(seen(await ask())).toEqual(refused(20));

    const tv = scene.client('tv');
    for (let i = 0; i < 3; i++) expect((await tv.cancel((await ask('tv')).body.auth_req_id)).status).toBe(204);
    expect((await ask('tv')).status).toBe(200);
  });

  test('S-02 whoever says `not_me` is left alone by that client for a while; an operator lifts it', async () => {
    const alice = await withAlice(scene);
    await deny(scene, alice, (await ask()).body.auth_req_id, 'not_me');
    expect(seen(await ask())).toEqual(refused(3600));
    expect((await eventsOf(scene, alice.user.id))[0]).toEqual(['operation.refused', 'not_me', true]);
    expect((await ask('tv')).status).toBe(200);
    const by = { actor: 'management:test' };
    expect(await scene.operations.liftLimits({ userId: alice.user.id, clientId: 'helpdesk', by })).toBe(true);
    expect((await eventsOf(scene, alice.user.id))[0]).toEqual(['user.limits_lifted', undefined, undefined]);
    expect((await ask()).status).toBe(200);
  });
});

describe('a client that must not learn who exists', () => {
  const scene = protocolForEach({ clients, limits });
  const ask = (login_hint: string, params: Record<string, string> = {}) =>
    scene.client('quiet').authenticate({ login_hint, requested_expiry: '60', ...params });
  const shapeOf = ({ status, headers, body }: Reply) => ({
    status,
    headers: [...headers.keys()].sort(),
    retryAfter: headers.get('retry-after'),
    length: headers.get('content-length'),
    body: status === 200 ? Object.keys(body) : body,
  });
  /** Requests about each of them at the same instants: all must be answered alike. */
  async function allAlike(names: string[], pauses: number[]) {
    const statuses: number[] = [];
    for (const pause of pauses) {
      scene.clock.advance(pause);
      const shapes = [];
      for (const name of names) shapes.push(shapeOf(await ask(name)));
      for (const shape of shapes) expect(shape).toEqual(shapes[0]);
      statuses.push(shapes[0]!.status);
    }
    return statuses;
  }

  test('S-02 TH-04 its limits come at the same instants, with the same answer, whoever is named', async () => {
    const alice = await withAlice(scene);
    await newUser(scene.scene, { username: 'bob' });
    const names = ['alice', 'nobody', 'bob', 'tel:+31687654321', `sub:${alice.user.id.slice(0, 2)}${'A'.repeat(22)}`];
    // expired after 60 s, replaced at once, too many in ten minutes
    expect(await allAlike(names, [0, 61, 10, 1, 1, 40, 1])).toEqual([200, 429, 200, 200, 429, 429, 429]);
  });

  test('S-02 TH-04 that others ask the person too often is not told: nobody is asked', async () => {
    const alice = await withAlice(scene);
    for (const client of ['helpdesk', 'tv', 'shop', 'helpdesk', 'tv']) {
      scene.clock.advance(21);
      expect((await scene.client(client).authenticate()).status).toBe(200);
    }
    expect((await scene.client('shop').authenticate()).status).toBe(429);
    const before = await pendingOf(scene, alice);
    expect(await allAlike(['alice', 'nobody'], [0, 61, 10])).toEqual([200, 429, 200]);
    expect(await pendingOf(scene, alice)).toBeLessThanOrEqual(before);
    expect((await eventsOf(scene, alice.user.id))[0]).toEqual(['operation.refused', 'user_rate', false]);
    expect(scene.logged.filter(({ fields }) => fields['unasked'] === 'user_rate')).toHaveLength(2);
  });

  test.each([undefined, 'not_me'] as const)(
    'S-02 TH-04 what the person did (a denial, reason %s) shows in no later answer',
    async (reason) => {
      const alice = await withAlice(scene);
      const first = await ask('alice');
      await ask('nobody');
      await deny(scene, alice, first.body.auth_req_id, reason);
      const second = await ask('alice');
      expect(shapeOf(second)).toEqual(shapeOf(first));
      expect(await pendingOf(scene, alice)).toBe(0);
      expect((await scene.client('quiet').poll(second.body.auth_req_id)).body.error).toBe('authorization_pending');
    },
  );

  test('S-02 TH-04 a refusal takes the store the same work as a start, whoever is named', async () => {
    const alice = await withAlice(scene);
    const trips = countRoundTrips(scene.store);
    const work = async (login_hint: string) => {
      trips.taken();
      await ask(login_hint);
      return trips.taken().length;
    };
    // started, replaced, refused; then somebody who is locked
    const counts = { alice: [] as number[], sub: [] as number[] };
    for (let i = 0; i < 3; i++) {
      counts.alice.push(await work('alice'));
      counts.sub.push(await work(`sub:${alice.user.id}`));
    }
    expect(counts).toEqual({ alice: [4, 4, 4], sub: [3, 3, 3] });
  });
});
