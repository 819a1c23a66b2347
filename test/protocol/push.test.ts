import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { compactDecrypt, createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import { errors } from 'oidc-provider';
import type { Redemptions } from '../../src/domain/redemptions.ts';
import type { ArtifactStore } from '../../src/protocol/ports.ts';
import { partitionOf } from '../../src/support/ids.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import type { Receiver } from '../support/receiver.ts';
import { type NotifiedScene, notifiedForEach, openNotified } from './notified.ts';
import { type Alice, aClient, answer, withAlice } from './scene.ts';

const pushed = (id: string, { url }: Pick<Receiver, 'url'>, more = {}) =>
  aClient(id, {
    backchannel_token_delivery_mode: 'push',
    backchannel_client_notification_endpoint: url,
    ...more,
  });
const { publicKey, privateKey } = await generateKeyPair('ECDH-ES');
const encrypted = {
  jwks: { keys: [await exportJWK(publicKey)] },
  id_token_encrypted_response_alg: 'ECDH-ES',
};
const clients = (receiver: Receiver) => [
  pushed('bank', receiver),
  pushed('bank-rs', receiver, { id_token_signed_response_alg: 'RS256' }),
  pushed('bank-jwe', receiver, encrypted),
  pushed('other-bank', receiver),
  aClient('poller'),
];
const token = 'push-notification-token';
const AUTH_REQ_ID = 'urn:openid:params:jwt:claim:auth_req_id';
const RT_HASH = 'urn:openid:params:jwt:claim:rt_hash';
const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];
const cap = { perClient: 100, policy: 'refuse', perUser: 100 } as const;

const asking =
  (scene: NotifiedScene) =>
  async (params: Record<string, string> = {}, client = 'bank') => {
    const { status, body } = await scene.client(client).authenticate({ client_notification_token: token, ...params });
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body.auth_req_id as string;
  };
const leftHalf = (text: string) => createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');

describe('a push', () => {
  const scene = notifiedForEach({ clients, cap });
  let alice: Alice;
  let asked: ReturnType<typeof asking>;
  beforeEach(async () => {
    alice = await withAlice(scene);
    asked = asking(scene);
  });
  const isActive = async (accessToken: string) => (await scene.client('bank').introspect(accessToken)).body.active;
  const events = async (id: string) =>
    (await scene.store.events.ofOperation(scene.operationIdOf(id))).filter(({ type }) =>
      type.startsWith('notification.'),
    );

  test('X-01 X-06 brings the tokens to whoever is registered, with the client’s token', async () => {
    const id = await asked({ scope: 'openid offline_access' });
    await answer(scene, alice, id);
    const [call] = await scene.receiver.until(1);
    expect(call).toMatchObject({ method: 'POST', path: '/cb' });
    expect(call!.headers).toMatchObject({ 'content-type': 'application/json', authorization: `Bearer ${token}` });
    expect(call!.body).toEqual({
      auth_req_id: id,
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      id_token: expect.any(String),
      refresh_token: expect.any(String),
      scope: 'openid offline_access',
    });
    await scene.quiet();
    const { access_token, refresh_token } = call!.body;
    expect((await scene.client('bank').userinfo(access_token)).body.sub).toBe(alice.user.id);
    expect((await scene.client('bank').refresh(refresh_token)).status).toBe(200);
    expect(await events(id)).toMatchObject([{ type: 'notification.sent', data: { mode: 'push', status: 204 } }]);
  });

  test('S-13 promise 9: the client’s token cannot be read in the store, and is deleted after the push', async () => {
    const id = await asked({ client_notification_token: 'a-push-token-that-is-looked-for' });
    const isInFiles = () =>
      scene.files().some((file) => readFileSync(file).includes('a-push-token-that-is-looked-for'));
    const record = async () => (await scene.store.operations.get(scene.operationIdOf(id)))!.notification;
    expect([await record(), isInFiles()]).toEqual([{ mode: 'push', sealed: expect.any(String) }, false]);
    scene.receiver.answers(503, 204);
    await answer(scene, alice, id);
    await scene.receiver.until(1);
    await scene.quiet();
    // it is needed until it has been delivered
    expect(await scene.store.outbox.backlog([partitionOf(scene.operationIdOf(id))])).toMatchObject({ count: 1 });
    await scene.later(2);
    expect(scene.receiver.received.map(({ headers }) => headers['authorization'])).toEqual(
      Array(2).fill('Bearer a-push-token-that-is-looked-for'),
    );
    expect(await record()).toEqual({ mode: 'push' });
    expect(await scene.store.outbox.backlog([partitionOf(scene.operationIdOf(id))])).toEqual({ count: 0 });
    expect(isInFiles()).toBe(false);
  });

  const signedIn = async (jwe: string) => Buffer.from((await compactDecrypt(jwe, privateKey)).plaintext).toString();

  test.each(['bank', 'bank-rs', 'bank-jwe'])(
    'X-02 X-03 X-04 X-11 the ID token of %s vouches for all that comes with it',
    async (client) => {
      const id = await asked({ scope: 'openid offline_access' }, client);
      await answer(scene, alice, id);
      const [call] = await scene.receiver.until(1);
      const { access_token, refresh_token, id_token } = call!.body;
      const keys = createLocalJWKSet((await scene.send('GET', '/.well-known/jwks.json')).body);
      const signed = client === 'bank-jwe' ? await signedIn(id_token) : id_token;
      const { payload, protectedHeader } = await jwtVerify(signed, keys, {
        issuer: scene.issuer,
        audience: client,
        currentDate: new Date(scene.clock.now()),
      });
      expect(protectedHeader.alg).toBe(client === 'bank-rs' ? 'RS256' : 'ES256');
      expect(payload).toMatchObject({
        sub: alice.user.id,
        acr: expect.any(String),
        amr: expect.any(Array),
        auth_time: expect.any(Number),
        [AUTH_REQ_ID]: id,
        at_hash: leftHalf(access_token),
        [RT_HASH]: leftHalf(refresh_token),
      });
      expect(payload).not.toHaveProperty('nonce');
    },
  );

  test('X-04 no refresh token, no hash of one', async () => {
    await answer(scene, alice, await asked());
    const [call] = await scene.receiver.until(1);
    expect(call!.body).not.toHaveProperty('refresh_token');
    const claims = JSON.parse(Buffer.from(call!.body.id_token.split('.')[1], 'base64url').toString());
    expect(claims).toHaveProperty('at_hash');
    expect(claims).not.toHaveProperty([RT_HASH]);
  });

  test('X-05 a denial is told with its reason and the id', async () => {
    const id = await asked();
    await answer(scene, alice, id, false);
    const [call] = await scene.receiver.until(1);
    expect(call!.body).toEqual({
      error: 'access_denied',
      error_description: 'The request was denied.',
      auth_req_id: id,
    });
  });

  test('X-05 so is the end of its time', async () => {
    const id = await asked({ requested_expiry: '10' });
    scene.clock.advance(10);
    await scene.sweeper.expire();
    const [call] = await scene.receiver.until(1);
    expect(call!.body).toMatchObject({ error: 'expired_token', auth_req_id: id });
  });

  test('X-08 K-04 the acknowledgement has no interval', async () => {
    const { body } = await scene.client('bank').authenticate({ client_notification_token: token });
    expect(body).toEqual({ auth_req_id: expect.any(String), expires_in: 300 });
  });

  test('T-08 X-07 nobody polls for it: neither before nor after the decision, nor with an id that is unknown', async () => {
    const id = await asked();
    const poll = (which: string, client = 'bank') => scene.client(client).poll(which);
    expect(error(await poll(id))).toEqual([400, 'unauthorized_client']);
    expect(error(await poll('unknown'))).toEqual([400, 'unauthorized_client']);
    expect(error(await poll(id, 'poller'))).toEqual([400, 'invalid_grant']);
    await answer(scene, alice, id);
    await scene.receiver.until(1);
    await scene.quiet();
    expect(error(await poll(id))).toEqual([400, 'unauthorized_client']);
    expect(await isActive(scene.receiver.received[0]!.body.access_token)).toBe(true);
  });

  test('C-14 what began as a push is pushed, what began with polls is polled for, whatever the client is now', async () => {
    const { url } = scene.receiver;
    const pushing = await asked();
    const polling = (await scene.client('poller').authenticate()).body.auth_req_id;
    const swapped = scene.clients.map((client) => {
      if (client.client_id === 'bank') return aClient('bank');
      return client.client_id === 'poller' ? pushed('poller', { url }) : client;
    });
    await scene.protocol.reload({ clients: swapped });
    expect(error(await scene.client('bank').poll(pushing))).toEqual([400, 'unauthorized_client']);
    expect(error(await scene.client('poller').poll(polling))).toEqual([400, 'authorization_pending']);
    await answer(scene, alice, pushing);
    await answer(scene, alice, polling);
    const [call] = await scene.receiver.until(1);
    expect(call!.body.auth_req_id).toBe(pushing);
    expect((await scene.client('poller').poll(polling)).status).toBe(200);
  });

  test('X-10 promise 3: a receiver that fails gets the same set again, and its lifetime shrinks', async () => {
    scene.receiver.answers(500, 503, 204);
    const id = await asked({ scope: 'openid offline_access' });
    await answer(scene, alice, id);
    await scene.later(10);
    expect(scene.receiver.received).toHaveLength(3);
    const sets = scene.receiver.received.map(({ body: { expires_in, ...set } }) => JSON.stringify(set));
    expect(new Set(sets).size).toBe(1);
    const lifetimes = scene.receiver.received.map(({ body }) => body.expires_in);
    expect(lifetimes).toEqual([...lifetimes].sort((a, b) => b - a));
    expect(await isActive(scene.receiver.received[0]!.body.access_token)).toBe(true);
  });

  test('X-10 tokens that could not be delivered are revoked, and the log says so without them', async () => {
    scene.receiver.answers(500);
    const id = await asked({ scope: 'openid offline_access' });
    await answer(scene, alice, id);
    await scene.receiver.until(1);
    await scene.quiet();
    const { access_token, refresh_token, id_token } = scene.receiver.received[0]!.body;
    expect(await isActive(access_token)).toBe(true);
    await scene.later(960);
    expect(scene.receiver.received.length).toBeGreaterThanOrEqual(5);
    expect(await isActive(access_token)).toBe(false);
    expect(error(await scene.client('bank').refresh(refresh_token))).toEqual([400, 'invalid_grant']);
    const log = await events(id);
    expect(log.at(-1)).toMatchObject({ type: 'notification.failed', data: { mode: 'push', final: true } });
    const written = JSON.stringify([log, scene.logged]);
    for (const secret of [access_token, refresh_token, id_token, token]) expect(written).not.toContain(secret);
  });

  test.each([400, 401, 403, 302])('X-10 N-05 N-06 so are those that a receiver refuses with %d', async (status) => {
    scene.receiver.answers(status);
    const id = await asked();
    await answer(scene, alice, id);
    await scene.receiver.until(1);
    await scene.later(30);
    expect(scene.receiver.received).toHaveLength(1);
    expect(await isActive(scene.receiver.received[0]!.body.access_token)).toBe(false);
    expect(await events(id)).toMatchObject([{ type: 'notification.failed', data: { status, final: true } }]);
  });

  test('TH-06 promise 5: a user who is locked after the approval is not told of, nor are tokens left that were sent before', async () => {
    scene.receiver.answers(500);
    const id = await asked();
    await answer(scene, alice, id);
    await scene.receiver.until(1);
    await scene.quiet();
    await scene.users.lock(alice.user.id, { actor: 'management:test' });
    scene.receiver.answers(204);
    await scene.later(10);
    const [first, last] = [scene.receiver.received[0]!, scene.receiver.received.at(-1)!];
    expect(last.body).toMatchObject({ error: 'access_denied', auth_req_id: id });
    await scene.users.unlock(alice.user.id, { actor: 'management:test' });
    expect(await isActive(first.body.access_token)).toBe(false);
  });

  test('promise 5: a client that was switched off gets nothing', async () => {
    const id = await asked();
    const off = scene.clients.map((client) =>
      client.client_id === 'bank' ? { ...client, assent_active: false } : client,
    );
    await scene.protocol.reload({ clients: off });
    await answer(scene, alice, id);
    await scene.later(30);
    expect(scene.receiver.received).toEqual([]);
    expect(await events(id)).toMatchObject([{ type: 'notification.failed', data: { reason: 'client_inactive' } }]);
  });
});

test('X-05 tokens that cannot be made are a failed transaction, and not tried again', async () => {
  const impossible = async () => {
    throw new errors.InvalidTarget('no such resource');
  };
  const scene = await openNotified({
    clients,
    overrides: ({ store }) => ({
      artifacts: { ...(store as unknown as { artifacts: ArtifactStore }).artifacts, write: impossible },
    }),
  });
  try {
    const alice = await withAlice(scene);
    const id = await asking(scene)();
    await answer(scene, alice, id);
    const [call] = await scene.receiver.until(1);
    expect(call!.body).toEqual({
      error: 'transaction_failed',
      error_description: 'no such resource',
      auth_req_id: id,
    });
    await scene.later(30);
    expect(scene.receiver.received).toHaveLength(1);
  } finally {
    await scene.close();
  }
});

describe('promise 3, X-10: a process that dies between any two steps of a push', () => {
  type Step = 'poll' | 'commit' | 'delivered';
  const steps: { step: Step; when: 'before' | 'after' }[] = (['poll', 'commit', 'delivered'] as const).flatMap(
    (step) => [
      { step, when: 'before' as const },
      { step, when: 'after' as const },
    ],
  );

  test.each(steps)('X-10 $when $step: one set, delivered in the end', async ({ step, when }) => {
    let isDead = false;
    let deaths = 0;
    /** At that step the process dies: nothing that it does afterwards happens either, until another takes over. */
    const dying = (redemptions: Redemptions): Redemptions => {
      const through =
        <A extends unknown[], T>(name: string, call: (...args: A) => Promise<T>) =>
        async (...args: A): Promise<T> => {
          if (isDead) throw new StoreUnavailable('dead');
          if (name !== step || deaths > 0) return call(...args);
          deaths++;
          if (when === 'after') await call(...args);
          isDead = true;
          throw new StoreUnavailable('dead');
        };
      const { poll, commit, delivered, release, endHolds } = redemptions;
      return {
        poll: through('poll', poll),
        commit: through('commit', commit),
        delivered: through('delivered', delivered),
        release: through('release', release),
        endHolds,
      };
    };
    const scene = await openNotified({
      clients,
      cap,
      overrides: ({ redemptions }) => ({ redemptions: dying(redemptions) }),
    });
    try {
      const alice = await withAlice(scene);
      const id = await asking(scene)();
      await answer(scene, alice, id);
      await scene.quiet();
      while (!isDead) await scene.quiet();
      isDead = false;
      await scene.later(60);
      const sets = scene.receiver.received.map(({ body: { expires_in, ...set } }) => JSON.stringify(set));
      expect(sets.length).toBeGreaterThanOrEqual(1);
      expect(new Set(sets).size).toBe(1);
      expect(await scene.client('bank').introspect(scene.receiver.received[0]!.body.access_token)).toMatchObject({
        body: { active: true },
      });
      expect((await scene.store.operations.get(scene.operationIdOf(id)))!.redemption).toMatchObject({
        state: 'delivered',
      });
      expect(await scene.store.outbox.backlog([partitionOf(scene.operationIdOf(id))])).toEqual({ count: 0 });
      // the log has one line for each time that it was sent
      const noted = (await scene.store.events.ofOperation(scene.operationIdOf(id))).map(({ type }) => type);
      expect(noted.filter((type) => type.startsWith('notification.'))).toEqual(sets.map(() => 'notification.sent'));
    } finally {
      await scene.close();
    }
  });
});
