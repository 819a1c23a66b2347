import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { createServerKeys, type ServerKeys } from '../../src/domain/server-keys.ts';
import { createProtocol, type Protocol } from '../../src/protocol/protocol.ts';
import { HOUR, MINUTE, SECOND } from '../../src/support/clock.ts';
import {
  type Alice,
  aClient,
  answer,
  CIBA,
  headerOf,
  openProtocol,
  type ProtocolScene,
  settings,
  withAlice,
} from './scene.ts';

const by = { actor: 'management:test' };
const algs = ['ES256', 'RS256', 'PS256', 'EdDSA'];

test('M-15 each client has its ID tokens signed by the algorithm that it registered; PS256, ES256 and RS256 are published', async () => {
  const { scene, serverKeys, close } = await withAlgs();
  try {
    const alice = await withAlice(scene);
    const jwks = (await scene.send('GET', '/.well-known/jwks.json')).body as JSONWebKeySet;
    expect(jwks.keys.map(({ alg }) => alg).sort()).toEqual([...algs].sort());
    const { body } = await scene.send('GET', '/.well-known/openid-configuration');
    expect([...body.id_token_signing_alg_values_supported].sort()).toEqual([...algs].sort());
    for (const alg of algs) {
      const id = (await scene.client(alg).authenticate()).body.auth_req_id;
      await answer(scene, alice, id);
      const { id_token } = (await scene.client(alg).poll(id)).body;
      expect(headerOf(id_token)).toMatchObject({ alg, kid: serverKeys.current('oidc', alg).kid });
      await jwtVerify(id_token, createLocalJWKSet(jwks), { issuer: scene.issuer, audience: alg });
    }
  } finally {
    await close();
  }
});

async function withAlgs() {
  let serverKeys: ServerKeys | undefined;
  const inner = { idTokenAlgs: algs };
  const base = await openProtocol({ clients: [] });
  serverKeys = await createServerKeys({
    store: base.scene.store,
    clock: base.clock.now,
    secrets: base.scene.secrets,
    options: inner,
  });
  await base.close();
  const scene = await openProtocol({
    clients: algs.map((alg) => aClient(alg, { id_token_signed_response_alg: alg })),
    settings: { ...settings, keys: { idTokenAlg: 'ES256', idTokenAlgs: algs } },
    overrides: () => ({ serverKeys: serverKeys! }),
  });
  return { scene, serverKeys, close: () => scene.close() };
}

describe('B17 keys change while everybody goes on', () => {
  let scene: ProtocolScene;
  let alice: Alice;
  let processes: { keys: ServerKeys; protocol: Protocol }[];
  let server: ReturnType<typeof createServer>;
  let origin: string;

  /** Two processes, each with its own reading of the keys, on one store; requests go to each in turn. */
  beforeEach(async () => {
    scene = await openProtocol({ cap: { perClient: 0, policy: 'replace', perUser: 0 } });
    alice = await withAlice(scene);
    const options = { signingPublishMinutes: 60, signingRetireDays: 14, signingRotationDays: 0 };
    const deps = { store: scene.scene.store, clock: scene.clock.now, secrets: scene.scene.secrets, options };
    processes = await Promise.all(
      [0, 1].map(async () => {
        const keys = await createServerKeys(deps);
        const protocol = createProtocol({ ...scene.deps, serverKeys: keys });
        keys.onChange(() => void protocol.reload());
        return { keys, protocol };
      }),
    );
    let turn = 0;
    server = createServer((req, res) => void processes[turn++ % 2]!.protocol.handle(req, res)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    await new Promise((closed) => server.close(closed).closeAllConnections());
    await scene.close();
  });

  const post = async (path: string, params: Record<string, string>) => {
    const { headers } = scene.client('helpdesk');
    const reply = await fetch(origin + path, { method: 'POST', headers, body: new URLSearchParams(params) });
    return { status: reply.status, body: (await reply.json()) as Record<string, string> };
  };
  const jwks = async () => (await (await fetch(`${origin}/.well-known/jwks.json`)).json()) as JSONWebKeySet;
  async function signIn(): Promise<string> {
    const started = await post('/bc-authorize', { scope: 'openid', login_hint: 'alice' });
    await answer(scene, alice, started.body['auth_req_id']!);
    const { status, body } = await post('/oauth/token', {
      grant_type: CIBA,
      auth_req_id: started.body['auth_req_id']!,
    });
    expect(status).toBe(200);
    return body['id_token']!;
  }
  const everywhere = (work: (keys: ServerKeys) => Promise<unknown>) =>
    Promise.all(processes.map(({ keys }) => work(keys)));
  const verify = (token: string, set: JSONWebKeySet) =>
    jwtVerify(token, createLocalJWKSet(set), { currentDate: new Date(scene.clock.now()) });

  test('RL-17 three rotations under load: no request fails, a relying party that keeps the set for as long as it is published before never meets an unknown key', async () => {
    const kids = new Set<string>();
    let kept = await jwks();
    const old = await signIn();
    for (let rotation = 0; rotation < 3; rotation++) {
      let isRunning = true;
      const load = (async () => {
        const tokens: string[] = [];
        while (isRunning) tokens.push(...(await Promise.all([signIn(), signIn()])));
        return tokens;
      })();
      await processes[0]!.keys.rotateSigning({}, by);
      await everywhere((keys) => keys.reload());
      await signIn();
      isRunning = false;
      for (const token of await load) await verify(token, kept);

      // it fetches some time before the new key signs
      scene.clock.advance(HOUR / SECOND - 1);
      await everywhere((keys) => keys.maintain());
      kept = await jwks();
      expect(kept.keys.every((key) => key.kid !== undefined && key['d'] === undefined)).toBe(true);
      scene.clock.advance(1);
      isRunning = true;
      const during = (async () => {
        const tokens: string[] = [];
        while (isRunning) tokens.push(await signIn());
        return tokens;
      })();
      await everywhere((keys) => keys.maintain());
      await everywhere((keys) => keys.reload());
      const after = [await signIn(), await signIn()];
      isRunning = false;
      for (const token of [...(await during), ...after]) await verify(token, kept);
      expect(new Set(after.map((token) => headerOf(token)['kid'])).size).toBe(1);
      kids.add(headerOf(after[0]!)['kid'] as string);
    }
    expect(kids.size).toBe(3);
    // what was signed before all of this still verifies: its key is published while it is retired
    const keys = createLocalJWKSet(await jwks());
    await expect(jwtVerify(old, keys, { currentDate: new Date(0), clockTolerance: 4e9 })).resolves.toBeDefined();
  });

  test('RL-17 TH-30 IV-13 over three rotations relying parties verify everything: who keeps the set for an hour whatever comes, and who asks for an unknown key once in five minutes', async () => {
    const parties = { patient: keeps(HOUR), curious: asksForUnknown(5 * MINUTE) };
    let failures = 0;
    const kids = new Set<string>();
    for (let rotation = 0; rotation < 3; rotation++) {
      await processes[rotation % 2]!.keys.rotateSigning({}, by);
      // published for an hour, then signing, and some time after that
      for (let minutes = 0; minutes <= 80; minutes += 10) {
        await everywhere((keys) => keys.maintain());
        await everywhere((keys) => keys.reload());
        for (const token of [await signIn(), await signIn()]) {
          kids.add(headerOf(token)['kid'] as string);
          for (const party of Object.values(parties)) failures += (await party(token)) ? 0 : 1;
        }
        scene.clock.advance((10 * MINUTE) / SECOND);
      }
    }
    expect([failures, kids.size]).toEqual([0, 4]);
  });

  type Party = (token: string) => Promise<boolean>;
  const doesVerify = (token: string, set: JSONWebKeySet) =>
    verify(token, set).then(
      () => true,
      () => false,
    );

  /** Fetches the set when what it has is this old, and at no other time. */
  function keeps(ms: number): Party {
    let kept: JSONWebKeySet = { keys: [] };
    let fetchedAt = Number.NEGATIVE_INFINITY;
    return async (token) => {
      if (scene.clock.now() - fetchedAt >= ms) {
        kept = await jwks();
        fetchedAt = scene.clock.now();
      }
      return doesVerify(token, kept);
    };
  }

  /** Fetches it for a key that it does not know, but not again within so long. */
  function asksForUnknown(coolDownMs: number): Party {
    let kept: JSONWebKeySet = { keys: [] };
    let fetchedAt = Number.NEGATIVE_INFINITY;
    return async (token) => {
      const isKnown = kept.keys.some(({ kid }) => kid === headerOf(token)['kid']);
      if (!isKnown && scene.clock.now() - fetchedAt >= coolDownMs) {
        kept = await jwks();
        fetchedAt = scene.clock.now();
      }
      return doesVerify(token, kept);
    };
  }

  test('RL-17 the key set is never empty and never has anything private in it, through all states', async () => {
    const look = async () => {
      const { keys } = await jwks();
      expect(keys.length).toBeGreaterThanOrEqual(2);
      for (const key of keys)
        for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(key).not.toHaveProperty(member);
      return keys.length;
    };
    expect(await look()).toBe(2);
    await processes[0]!.keys.rotateSigning({}, by);
    await everywhere((keys) => keys.reload());
    expect(await look()).toBe(4);
    scene.clock.advance(HOUR / SECOND);
    await everywhere((keys) => keys.maintain());
    await everywhere((keys) => keys.reload());
    expect(await look()).toBe(4);
    scene.clock.advance((14 * 24 * HOUR) / SECOND);
    await everywhere((keys) => keys.maintain());
    await everywhere((keys) => keys.reload());
    expect(await look()).toBe(2);
  });

  test('a key that was lost is gone from the set, and no process signs with it once it has read', async () => {
    const lost = headerOf(await signIn())['kid'];
    await processes[0]!.keys.rotateSigning({ revoke: true }, by);
    await everywhere((keys) => keys.reload());
    expect((await jwks()).keys.map(({ kid }) => kid)).not.toContain(lost);
    for (let i = 0; i < 2; i++) expect(headerOf(await signIn())['kid']).not.toBe(lost);
  });
});
