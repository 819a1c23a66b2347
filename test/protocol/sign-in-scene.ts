/** Browser sign-in with its pages, an ordinary relying party (openid-client), and browsers that know cookies and redirects only. */
import type { RequestListener } from 'node:http';
import * as client from 'openid-client';
import { createClaims } from '../../src/domain/claims.ts';
import { addressLimit } from '../../src/http/address-limit.ts';
import { createSignInRoutes, limited } from '../../src/http/pages/sign-in.ts';
import { createSignInPages } from '../../src/http/pages/sign-in-pages.ts';
import type { ProtocolDeps } from '../../src/protocol/deps.ts';
import type { Scene } from '../domain/scene.ts';
import { decide } from '../domain/scene.ts';
import { publicApp } from '../http/support/server.ts';
import { browserOf, type Shown } from '../support/cookie-browser.ts';
import { aHash } from '../support/records.ts';
import { type Alice, aClient, openProtocol, type ProtocolOptions, type ProtocolScene } from './scene.ts';

export const callback = 'https://shop.example/callback';

export const aWebsite = (id = 'shop', overrides = {}) =>
  aClient(id, {
    client_name: 'The shop',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [callback],
    post_logout_redirect_uris: ['https://shop.example/'],
    ...overrides,
  });

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

export type SignInScene = Awaited<ReturnType<typeof openSignIn>>;

export async function openSignIn(
  options: ProtocolOptions & {
    sessionSeconds?: number;
    scan?: boolean;
    formsPerMinute?: number;
    wrap?: (scene: Scene) => Partial<ProtocolDeps>;
  } = {},
) {
  const pages = await createSignInPages({
    issuer: 'http://127.0.0.1',
    authenticatorOrigin: 'http://localhost:3002',
    language: 'en',
  });
  const settings = {
    sessionSeconds: options.sessionSeconds ?? 8 * 3600,
    match: 'choose',
    scan: options.scan ?? true,
  } as const;
  const scene = await openProtocol({
    clients: [aWebsite(), aWebsite('library', { client_name: 'The library' }), aClient('helpdesk')],
    ...options,
    overrides: (domain) => ({ signIn: { settings, pages, offers: domain.offers }, ...options.wrap?.(domain) }),
  });
  const { issuer } = scene.deps;
  const appOf = (protocol: (typeof scene)['protocol']): RequestListener => {
    const limit = addressLimit({ perMinute: options.formsPerMinute ?? 0, clock: scene.clock.now });
    const routes = createSignInRoutes({
      issuer,
      signIn: protocol.signIn!,
      pages,
      assets: new Map(),
      stopping: scene.stopping.signal,
      log: quiet as never,
      bodyLimitBytes: 4096,
      limit,
    });
    return publicApp({ issuer, engine: limited(protocol, { issuer, pages, limit }), others: [routes] });
  };
  const apps = scene.protocols.map(appOf);
  let turn = 0;
  scene.server.removeAllListeners('request').on('request', (req, res) => apps[turn++ % apps.length]!(req, res));
  return { ...scene, issuer };
}

/** A relying party by its metadata. */
export async function relyingParty(scene: ProtocolScene, id = 'shop') {
  const secret = String(scene.clients.find(({ client_id }) => client_id === id)?.client_secret);
  const config = await client.discovery(
    new URL(scene.issuer),
    id,
    { id_token_signed_response_alg: 'ES256' },
    client.ClientSecretBasic(secret),
    { execute: [client.allowInsecureRequests] },
  );
  return {
    config,
    /** Where it sends the browser, and how it takes the answer. */
    async begin(parameters: Record<string, string> = {}, { pushed = false } = {}) {
      const pkceCodeVerifier = client.randomPKCECodeVerifier();
      const expectedState = client.randomState();
      const expectedNonce = client.randomNonce();
      const all = {
        scope: 'openid profile email',
        ...parameters,
        redirect_uri: callback,
        code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
        state: expectedState,
        nonce: expectedNonce,
      };
      const url = pushed
        ? await client.buildAuthorizationUrlWithPAR(config, all)
        : client.buildAuthorizationUrl(config, all);
      const checks = { pkceCodeVerifier, expectedState, expectedNonce };
      return { url, redeem: (at: URL) => client.authorizationCodeGrant(config, at, checks) };
    },
  };
}

export { browserOf, type Shown };

export type Browser = ReturnType<typeof browserOf>;

/** What waits for the person, newest last. */
export async function waitingFor({ store, clock }: ProtocolScene, { user }: Alice) {
  return store.operations.pendingOf(user.id, clock.now());
}

/** The person's answer to what waits for them. */
export async function answerOf(scene: ProtocolScene, alice: Alice, approved = true): Promise<void> {
  const [operation] = (await waitingFor(scene, alice)).slice(-1);
  if (!operation) throw new Error('nothing waits');
  const { result } = await decide(scene.scene, operation, alice.device, approved);
  if (result !== 'decided') throw new Error(result);
}

/** The person's device takes what the page shows. @param operations in place of the scene's, for a process that dies */
export async function claim(
  { scene, clock }: ProtocolScene,
  { user, device }: Alice,
  page: Shown,
  operations: Pick<Scene['operations'], 'start'> = scene.operations,
): Promise<string> {
  const code = /#c=([\w-]+)"/.exec(page.html)?.[1];
  const clients = { refuseStopped: async () => {} };
  const { claim: take } = createClaims({ ...scene, clock: clock.now, operations, clients });
  const signed = { jws: '', jwsHash: aHash(), payloadHash: '', payloadBytes: Buffer.alloc(0), proofs: [] };
  const from = {
    device: { device, userState: user.state },
    deviceId: device.id,
    act: 'claim',
    ctr: undefined,
  } as const;
  const message = { jti: aHash(), iat: 0, payload: { code }, signed };
  return (await take({ ...from, ...message }, { address: '192.0.2.1' })).op;
}

/** From the relying party's link to the address that it gets the browser back at. */
export async function signIn(
  scene: ProtocolScene,
  alice: Alice,
  browser: Browser,
  url: URL,
  who = 'alice',
): Promise<Shown> {
  const page = await browser.go(url);
  await browser.post(page.url, { do: 'ask', who });
  await answerOf(scene, alice);
  return browser.go(page.url);
}
