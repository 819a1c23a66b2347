import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { by } from '../domain/scene.ts';
import { ACR, type Alice, aClient, answer, approved, claimsOf, headerOf, protocolForEach, withAlice } from './scene.ts';

const clients = [
  aClient('helpdesk'),
  aClient('other'),
  aClient('rsa', { id_token_signed_response_alg: 'RS256' }),
  aClient('keyed', { dpop_bound_access_tokens: true }),
];
const error = ({ status, body }: { status: number; body: { error: string } }) => [status, body.error];

describe('the tokens', () => {
  const scene = protocolForEach({ clients });
  let alice: Alice;
  beforeEach(async () => void (alice = await withAlice(scene)));

  const tokens = async (params: Record<string, string> = {}) => {
    const id = await approved(scene, alice, params);
    const { status, body } = await scene.client(params['client'] ?? 'helpdesk').poll(id);
    expect(status).toBe(200);
    return body;
  };

  test('I-01 the ID token is of this issuer, for this client, signed by a published key', async () => {
    const { id_token } = await tokens();
    const { body: jwks } = await scene.send('GET', '/.well-known/jwks.json');
    const { payload, protectedHeader } = await jwtVerify(id_token, createLocalJWKSet(jwks), {
      issuer: scene.issuer,
      audience: 'helpdesk',
      currentDate: new Date(scene.clock.now()),
    });
    expect(protectedHeader).toEqual({ alg: 'ES256', kid: expect.any(String) });
    const now = Math.floor(scene.clock.now() / 1000);
    expect(payload).toMatchObject({ sub: alice.user.id, iat: now, exp: now + 3600 });
    expect(headerOf((await tokens({ client: 'rsa' })).id_token)['alg']).toBe('RS256');
  });

  test('I-02 auth_time is when the person decided; acr and amr are what was proved', async () => {
    const { body } = await scene.client('helpdesk').authenticate();
    scene.clock.advance(20);
    await answer(scene, alice, body.auth_req_id);
    const decidedAt = Math.floor(scene.clock.now() / 1000);
    scene.clock.advance(40);
    const reply = await scene.client('helpdesk').poll(body.auth_req_id);
    expect(claimsOf(reply.body.id_token)).toMatchObject({
      auth_time: decidedAt,
      iat: decidedAt + 40,
      acr: ACR.twoFactor,
      amr: expect.arrayContaining(['swk']),
    });
  });

  test('I-03 userinfo tells of the same person as the ID token', async () => {
    const { id_token, access_token } = await tokens();
    const { body } = await scene.client('helpdesk').userinfo(access_token);
    expect(body.sub).toBe(claimsOf(id_token)['sub']);
  });

  test('I-04 no nonce is invented; one that was sent comes back, and not again with a refresh', async () => {
    expect(claimsOf((await tokens()).id_token)).not.toHaveProperty('nonce');
    const { id_token, refresh_token } = await tokens({ nonce: 'n-1', scope: 'openid offline_access' });
    expect(claimsOf(id_token)['nonce']).toBe('n-1');
    const refreshed = await scene.client('helpdesk').refresh(refresh_token);
    expect(claimsOf(refreshed.body.id_token)).not.toHaveProperty('nonce');
  });

  test('userinfo tells what the scope allows, and never the attributes', async () => {
    const claims = async (scope: string) =>
      (await scene.client('helpdesk').userinfo((await tokens({ scope })).access_token)).body;
    const { id: sub } = alice.user;
    expect(await claims('openid')).toEqual({ sub });
    expect(await claims('openid profile')).toEqual({ sub, name: 'Alice', preferred_username: 'alice', locale: 'nl' });
    expect(await claims('openid email phone')).toEqual({
      sub,
      email: 'alice@example.test',
      phone_number: '+31612345678',
    });
  });

  test('T-20 T-21 a refresh token is used once, for the same person and the same moment', async () => {
    const client = scene.client('helpdesk');
    const first = await tokens({ scope: 'openid offline_access' });
    scene.clock.advance(600);
    expect(error(await scene.client('other').refresh(first.refresh_token))).toEqual([400, 'invalid_grant']);
    const { status, body: second } = await client.refresh(first.refresh_token);
    expect(status).toBe(200);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    const [before, after] = [claimsOf(first.id_token), claimsOf(second.id_token)];
    for (const claim of ['iss', 'sub', 'aud', 'auth_time', 'acr', 'amr']) expect(after[claim]).toEqual(before[claim]);
    expect(after['iat']).toBe(Math.floor(scene.clock.now() / 1000));
  });

  test('T-20 without offline_access there is no refresh token', async () => {
    expect(await tokens()).not.toHaveProperty('refresh_token');
  });

  test('T-21 of twenty refreshes at once one wins, and its tokens live', async () => {
    const client = scene.client('helpdesk');
    const { refresh_token } = await tokens({ scope: 'openid offline_access' });
    const replies = await Promise.all(Array.from({ length: 20 }, () => client.refresh(refresh_token)));
    const winners = replies.filter(({ status }) => status === 200);
    expect(winners).toHaveLength(1);
    expect(replies.filter(({ body }) => body.error === 'invalid_grant')).toHaveLength(19);
    expect((await client.userinfo(winners[0]!.body.access_token)).status).toBe(200);
    expect((await client.refresh(winners[0]!.body.refresh_token)).status).toBe(200);
  });

  test.each([
    ['long after it was used', 60],
    ['after the clock was set back (TH-14)', -300],
  ])('T-21 a refresh token that comes back %s revokes them all', async (_when, seconds) => {
    const client = scene.client('helpdesk');
    const { refresh_token } = await tokens({ scope: 'openid offline_access' });
    const { body } = await client.refresh(refresh_token);
    scene.clock.advance(seconds);
    expect(error(await client.refresh(refresh_token))).toEqual([400, 'invalid_grant']);
    expect((await client.userinfo(body.access_token)).status).toBe(401);
    expect(error(await client.refresh(body.refresh_token))).toEqual([400, 'invalid_grant']);
    scene.clock.advance(-seconds);
  });

  test.each(['write', 'consume'] as const)(
    'RL-03 a process that dies before or after %s of a refresh ends no chain and makes no second one',
    async (step) => {
      const client = scene.client('helpdesk');
      const { artifacts } = scene.deps;
      const real = artifacts[step];
      for (const when of ['before', 'after'] as const) {
        const { refresh_token } = await tokens({ scope: 'openid offline_access' });
        const dying = async (...args: never[]) => {
          if (when === 'after') await (real as (...args: never[]) => Promise<unknown>)(...args);
          throw new StoreUnavailable('dead');
        };
        Object.assign(artifacts, { [step]: dying });
        expect((await client.refresh(refresh_token)).status).toBe(503);
        Object.assign(artifacts, { [step]: real });
        const again = await client.refresh(refresh_token);
        // what was used up has a successor; nobody was told of it, so nobody can use both
        const isUsedUp = step === 'consume' && when === 'after';
        expect([step, when, again.status]).toEqual([step, when, isUsedUp ? 400 : 200]);
        if (isUsedUp) continue;
        expect(error(await client.refresh(refresh_token))).toEqual([400, 'invalid_grant']);
        expect((await client.refresh(again.body.refresh_token)).status).toBe(200);
      }
    },
  );

  test('rotation does not prolong: the last refresh token ends with the first', async () => {
    const client = scene.client('helpdesk');
    let { refresh_token } = await tokens({ scope: 'openid offline_access' });
    for (let day = 0; day < 13; day++) {
      scene.clock.advance(24 * 3600);
      refresh_token = (await client.refresh(refresh_token)).body.refresh_token;
      expect(refresh_token).toBeDefined();
    }
    scene.clock.advance(24 * 3600 + 60);
    expect(error(await client.refresh(refresh_token))).toEqual([400, 'invalid_grant']);
  });

  test('T-22 introspection and revocation know these tokens', async () => {
    const client = scene.client('helpdesk');
    const { access_token, refresh_token, id_token } = await tokens({ scope: 'openid offline_access' });
    // RFC 7662 2.2: not an error, also where it is a token of another kind
    for (const other of [id_token, 'a.b.c', 'nothing']) {
      expect(await client.introspect(other)).toMatchObject({ status: 200, body: { active: false } });
    }
    expect((await client.introspect(access_token)).body).toMatchObject({
      active: true,
      sub: alice.user.id,
      client_id: 'helpdesk',
      scope: 'openid offline_access',
      token_type: 'Bearer',
    });
    expect(error(await scene.client('other').revoke(access_token))).toEqual([400, 'invalid_request']);
    expect((await client.revoke(access_token)).status).toBe(200);
    expect((await client.introspect(access_token)).body).toEqual({ active: false });
    expect((await client.introspect(refresh_token)).body.active).toBe(true);
  });

  test('revoking the refresh token ends everything of that approval, and nothing of another one', async () => {
    const client = scene.client('helpdesk');
    const mine = await tokens({ scope: 'openid offline_access' });
    const another = await tokens();
    await client.revoke(mine.refresh_token);
    expect((await client.userinfo(mine.access_token)).status).toBe(401);
    expect((await client.userinfo(another.access_token)).status).toBe(200);
  });

  test('while the person is locked, their tokens are good for nothing', async () => {
    const client = scene.client('helpdesk');
    const { access_token, refresh_token } = await tokens({ scope: 'openid offline_access' });
    const works = async () => [
      (await client.userinfo(access_token)).status,
      (await client.introspect(access_token)).body.active,
    ];
    expect(await works()).toEqual([200, true]);
    await scene.users.lock(alice.user.id, by);
    expect(await works()).toEqual([401, false]);
    expect(error(await client.refresh(refresh_token))).toEqual([400, 'invalid_grant']);
    await scene.users.unlock(alice.user.id, by);
    expect(await works()).toEqual([200, true]);
    expect((await client.refresh(refresh_token)).status).toBe(200);
  });

  test('while a client is switched off, its tokens are good for nothing', async () => {
    const { access_token } = await tokens();
    await scene.protocol.reload({ clients: [aClient('helpdesk', { assent_active: false }), aClient('other')] });
    expect((await scene.client('helpdesk').userinfo(access_token)).status).toBe(401);
    expect((await scene.client('other').introspect(access_token)).body).toEqual({ active: false });
  });

  test('an access token ends when it says', async () => {
    const { access_token, expires_in } = await tokens();
    scene.clock.advance(expires_in + 11);
    expect((await scene.client('helpdesk').userinfo(access_token)).status).toBe(401);
  });

  test('an ID token, a refresh token or an auth_req_id is no access token', async () => {
    const id = await approved(scene, alice, { scope: 'openid offline_access' });
    const { body } = await scene.client('helpdesk').poll(id);
    for (const token of [body.id_token, body.refresh_token, id]) {
      expect((await scene.client('helpdesk').userinfo(token)).status).toBe(401);
    }
  });

  test('id_token_hint: an ID token of this client names its person, also when it has run out', async () => {
    const { id_token } = await tokens();
    scene.clock.advance(24 * 3600);
    const { post } = scene.client('helpdesk');
    expect((await post('/bc-authorize', { scope: 'openid', id_token_hint: id_token })).status).toBe(200);
    const other = await scene.client('other').post('/bc-authorize', { scope: 'openid', id_token_hint: id_token });
    expect(error(other)).toEqual([400, 'invalid_request']);
    const changed = `${id_token.slice(0, -4)}AAAA`;
    expect(error(await post('/bc-authorize', { scope: 'openid', id_token_hint: changed }))).toEqual([
      400,
      'invalid_request',
    ]);
  });

  test('nothing readable of a token or a person lies among the artifacts', async () => {
    const written: string[] = [];
    const { artifacts } = scene.store as unknown as { artifacts: { write(...args: unknown[]): Promise<void> } };
    const write = artifacts.write.bind(artifacts);
    artifacts.write = (...args) => {
      written.push(JSON.stringify(args));
      return write(...args);
    };
    const { access_token, refresh_token } = await tokens({ scope: 'openid offline_access' });
    expect(written).toHaveLength(1);
    for (const secret of [access_token, refresh_token, alice.user.id, 'helpdesk', 'offline_access']) {
      expect(written.join()).not.toContain(secret);
    }
  });
});

describe('I-07 tokens bound to a key', () => {
  const scene = protocolForEach({ clients });

  test('the proof is checked at the token call, and wanted wherever the token is used', async () => {
    const alice = await withAlice(scene);
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(publicKey);
    const proof = (path: string, claims: Record<string, unknown> = {}, method = 'POST') =>
      new SignJWT({ htm: method, htu: scene.issuer + path, jti: crypto.randomUUID(), ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .setIssuedAt(Math.floor(scene.clock.now() / 1000))
        .sign(privateKey);
    const keyed = scene.client('keyed');
    const id = await approved(scene, alice, { client: 'keyed' });

    expect(error(await keyed.poll(id))).toEqual([400, 'invalid_dpop_proof']);
    expect(error(await keyed.poll(id, { dpop: await proof('/userinfo') }))).toEqual([400, 'invalid_dpop_proof']);
    const { status, body } = await keyed.poll(id, { dpop: await proof('/oauth/token') });
    expect([status, body.token_type]).toEqual([200, 'DPoP']);
    expect((await keyed.userinfo(body.access_token)).status).toBe(401);

    const ath = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(body.access_token))).toString(
      'base64url',
    );
    const userinfo = await scene.send('GET', '/userinfo', {
      headers: { authorization: `DPoP ${body.access_token}`, dpop: await proof('/userinfo', { ath }, 'GET') },
    });
    expect(userinfo.body.sub).toBe(alice.user.id);
  });
});
