/** What is offered under a code: who gets it, what it shows and proves, and what a crash or a repetition does; for each store. */
import { readFileSync } from 'node:fs';
import type { OfferedStart } from '../../src/domain/offers.ts';
import { newHandle, operationIdOf, partitionOf, randomPartition } from '../../src/support/ids.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { anApplication, newUser, type SceneOptions } from '../domain/scene.ts';
import { canaries } from '../support/canaries/index.ts';
import { deviceServerForEach } from './device-server.ts';
import { enrollRaw, jti } from './raw-device.ts';

const pin = '483920';
const shop = { actor: 'client:shop' };

const start: OfferedStart = {
  kind: 'authentication',
  clientId: 'shop',
  shown: {
    client: { id: 'shop', name: 'The shop' },
    purpose: 'authentication',
    origin: { ip: '203.0.113.7', browser: 'Firefox', os: 'Linux' },
  },
  match: 'type2',
  lifetimeSeconds: 300,
  intervalSeconds: 5,
};

export function offers(options: () => Promise<SceneOptions>): void {
  let stopped: string | undefined;
  const server = deviceServerForEach(async () => {
    stopped = undefined;
    return {
      applications: [anApplication(), anApplication({ id: 'other-app' })],
      isClientActive: async (id: string) => id !== stopped,
      ...(await options()),
    };
  });

  const offer = async (changes: Partial<OfferedStart> = {}) => {
    const made = await server.scene.offers.offer({ ...start, ...changes }, shop);
    canaries.add('the code of an offer', made.code);
    return made;
  };
  const stored = (id: string) => server.scene.store.operations.get(id);
  const claimedOf = async (code: string) => (await server.scene.offers.look(code))!.claimed!;

  test('S-09 whoever claims it is asked, on that device alone: sees where it comes from, and types the number of the other screen', async () => {
    const user = await server.alice();
    const [device, other] = [await server.enroll(user, { pin }), await server.enroll(user, { pin })];
    const { code, operationId } = await offer();
    expect((await device.inbox()).operations).toEqual([]);
    await expect(device.present(operationId)).rejects.toMatchObject({ code: 'operation_not_found' });

    const view = await device.claim(server.scene.offers.linkOf(code));
    expect(view).toMatchObject({ client: { name: 'The shop' }, origin: start.shown.origin, match: { mode: 'type2' } });
    // also for who comes to it by the inbox: the person must be told that it came of a code (S-09)
    const [{ op } = { op: '' }] = (await device.inbox()).operations;
    expect(await device.present(op)).toMatchObject({ op: view.op, claimed: true });
    expect((await other.inbox()).operations).toEqual([]);
    await expect(other.present(view.op)).rejects.toMatchObject({ code: 'operation_not_found' });

    const { handle, matchCode } = await claimedOf(code);
    expect(view.op).toBe(operationIdOf(handle));
    await expect(device.decide(view, { decision: 'approve', pin })).rejects.toMatchObject({ code: 'match_required' });
    expect(await device.decide(view, { decision: 'approve', pin, match: matchCode })).toMatchObject({
      state: 'approved',
    });
    const poll = { handle, clientId: 'shop', holder: 'the page' };
    expect(await server.scene.redemptions.poll(poll)).toMatchObject({ outcome: 'issue', user: { id: user.id } });
    // the code itself is worth nothing at the token endpoint
    expect(await server.scene.redemptions.poll({ ...poll, handle: code })).toEqual({ outcome: 'unknown' });

    // neither of the two can be read in the store
    const files = server.scene.files().map((file) => readFileSync(file));
    for (const secret of [code, handle]) expect(files.some((file) => file.includes(secret))).toBe(false);

    const typesOf = async (id: string) => (await server.scene.store.events.ofOperation(id)).map(({ type }) => type);
    expect(await typesOf(operationId)).toEqual(['operation.offered', 'operation.claimed']);
    expect(await typesOf(view.op)).toEqual(['operation.started', 'operation.approved']);
    const [started] = await server.scene.store.events.ofOperation(view.op);
    expect(started).toMatchObject({ actor: `device:${device.deviceId}`, data: { offer: operationId } });
  });

  test('S-09 a wrong number ends it, as does a denial; the next sign-in of that client by name is not held up', async () => {
    const user = await server.alice();
    const device = await server.enroll(user, { pin });
    const first = await offer();
    const view = await device.claim(first.code);
    const { matchCode } = await claimedOf(first.code);
    const match = matchCode === '42' ? '43' : '42';
    await expect(device.decide(view, { decision: 'approve', pin, match })).rejects.toMatchObject({
      code: 'attempt_failed',
    });
    expect(await stored(view.op)).toMatchObject({ state: 'failed' });
    const denied = await device.claim((await offer({ match: 'type6' })).code);
    expect(denied.match).toEqual({ mode: 'type6' });
    await device.decide(denied, { decision: 'deny', reason: 'not_me' });
    const events = await server.scene.store.events.ofUser(user.id, 20);
    expect(events.map(({ type }) => type)).not.toContain('user.client_blocked');
  });

  test('of devices of ten people that claim it at once, one has it; the others are told so, now and later', async () => {
    const people = await Promise.all(
      Array.from({ length: 10 }, (_, i) => newUser(server.scene, { username: `person-${i}` })),
    );
    const devices = await Promise.all(people.map((user) => enrollRaw(server, user)));
    const { code, operationId } = await offer();
    const answers = await Promise.all(devices.map((raw) => raw.call('claim', { claims: { code } })));
    const won = answers.findIndex(({ status }) => status === 200);
    expect(answers.filter(({ status, code: why }) => status === 409 && why === 'claim_taken')).toHaveLength(9);
    expect(await stored(operationId)).toMatchObject({ claimed: { deviceId: devices[won]!.id } });
    const late = devices[won === 0 ? 1 : 0]!;
    expect(await late.call('claim', { claims: { code } })).toMatchObject({ status: 409, code: 'claim_taken' });
    const pending = await Promise.all(
      people.map(({ id }) => server.scene.store.operations.pendingOf(id, server.scene.clock.now())),
    );
    expect(pending.map(({ length }) => length).filter(Boolean)).toEqual([1]);
    expect(pending[won]![0]).toMatchObject({ id: answers[won]!.body.op, deviceId: devices[won]!.id });
  });

  test('what is over, unknown, or no offer leads nowhere, and a code that does not fit costs nobody theirs', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const claim = (code: unknown, of = raw) => of.call('claim', { claims: { code } });
    const unfit = [await enrollRaw(server, user, { applicationId: 'other-app' }), raw] as const;
    const withoutPin = await enrollRaw(server, user, { withPin: false });
    const open = await offer({ applicationId: 'assent-web' });
    expect(await claim(open.code, unfit[0])).toMatchObject({ status: 409, code: 'method_not_available' });
    expect(await claim(open.code, withoutPin)).toMatchObject({ status: 409, code: 'method_not_available' });
    stopped = 'shop';
    expect(await claim(open.code)).toMatchObject({ status: 409, code: 'operation_cancelled' });
    stopped = undefined;
    expect(await stored(open.operationId)).toMatchObject({ state: 'pending' });
    expect(await claim(open.code)).toMatchObject({ status: 200 });

    const withdrawn = await offer();
    await server.scene.offers.withdraw({ code: withdrawn.code, clientId: 'shop', by: shop });
    expect(await claim(withdrawn.code)).toMatchObject({ status: 409, code: 'operation_cancelled' });
    const handle = newHandle(partitionOf(user.id));
    await server.ask(user, { handle });
    const { uri } = await server.ticket(user);
    const ticket = new URLSearchParams(new URL(uri).hash.slice(1)).get('t');
    for (const code of [newHandle(randomPartition()), handle, ticket, 'short', open.operationId]) {
      expect(await claim(code)).toMatchObject({ status: 404, code: 'claim_not_found' });
    }
    for (const code of [undefined, 7, '', 'x'.repeat(65)]) {
      expect(await claim(code)).toMatchObject({ status: 400, code: 'message_invalid' });
    }
    const late = await offer();
    server.scene.clock.advance(300);
    expect(await claim(late.code)).toMatchObject({ status: 409, code: 'operation_expired' });
    expect(await stored(late.operationId)).not.toHaveProperty('claimed');
  });

  test('the same message again gets the same answer, another with its id is refused, and only a signature counts', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const [one, two] = [await offer(), await offer()];
    const message = raw.make('claim', { claims: { code: one.code, ctr: 3 } });
    const answers = await Promise.all(Array.from({ length: 5 }, () => raw.post('claim', message)));
    const { op } = answers[0]!.body;
    expect(answers.map(({ body }) => body.op)).toEqual(Array(5).fill(op));
    const again = await raw.call('claim', { claims: { code: one.code } });
    expect(again.body.op).toBe(op);
    expect(await server.scene.store.operations.pendingOf(user.id, server.scene.clock.now())).toHaveLength(1);
    expect(await server.scene.devices.get(raw.id)).toMatchObject({ ctr: 3 });

    const id = jti();
    await raw.call('claim', { claims: { code: one.code, jti: id } });
    const [first, other] = [await offer(), two];
    expect(await raw.call('claim', { claims: { code: first.code, jti: id } })).toMatchObject({ status: 200 });
    expect(await raw.call('claim', { claims: { code: other.code, jti: id } })).toMatchObject({
      status: 409,
      code: 'message_reused',
    });
    expect(await stored(other.operationId)).toMatchObject({ state: 'pending' });

    const { body: session } = await raw.call('session');
    const request = claimOf(server.issuer, raw.id, other.code, server.scene.clock.now());
    expect(await raw.post('claim', { request }, { session })).toMatchObject({ status: 400, code: 'message_invalid' });
    const proofs = raw.byPin(raw.pin);
    expect(await raw.call('claim', { claims: { code: other.code }, proofs })).toMatchObject({
      code: 'message_invalid',
    });
    expect(await stored(other.operationId)).toMatchObject({ state: 'pending' });
  });

  test('promise 1: a process that dies between the two steps: the same device claims again, and is asked what the page shows', async () => {
    const user = await server.alice();
    const raw = await enrollRaw(server, user);
    const dying = { ...server.scene.operations, start: () => Promise.reject(new StoreUnavailable('gone')) };
    const { base, server: process } = await server.another({}, { operations: dying });
    const { code } = await offer();
    const message = raw.make('claim', { claims: { code } });
    expect(await raw.post('claim', message, { base })).toMatchObject({ status: 503, code: 'unavailable' });
    process.closeAllConnections();
    await new Promise((closed) => process.close(closed));

    const before = await claimedOf(code);
    expect(await stored(operationIdOf(before.handle))).toBeUndefined();
    const stranger = await enrollRaw(server, await newUser(server.scene, { username: 'bob' }));
    expect(await stranger.call('claim', { claims: { code } })).toMatchObject({ code: 'claim_taken' });
    server.scene.clock.advance(60);
    // the same message, and another of the same device
    for (const repair of [message, raw.make('claim', { claims: { code } })]) {
      expect(await raw.post('claim', repair)).toMatchObject({
        status: 200,
        body: { op: operationIdOf(before.handle) },
      });
    }
    expect(await claimedOf(code)).toEqual(before);
    const operation = (await stored(operationIdOf(before.handle)))!;
    expect(operation.expiresAt).toBe(before.expiresAt);
    expect(server.scene.operations.matchCodeOf(operation)).toBe(before.matchCode);
  });
}

const claimOf = (aud: string, iss: string, code: string, now: number) => ({
  iss,
  aud,
  iat: Math.floor(now / 1000),
  jti: jti(),
  act: 'claim',
  code,
});
