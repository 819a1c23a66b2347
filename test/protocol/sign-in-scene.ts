/** Browser sign-in with its pages, an ordinary relying party (openid-client), and browsers that know cookies and redirects only. */
import type { RequestListener } from 'node:http';
import * as client from 'openid-client';
import { createSignInRoutes } from '../../src/http/pages/sign-in.ts';
import { createSignInPages } from '../../src/http/pages/sign-in-pages.ts';
import type { ProtocolDeps } from '../../src/protocol/deps.ts';
import type { Scene } from '../domain/scene.ts';
import { decide } from '../domain/scene.ts';
import { publicApp } from '../http/support/server.ts';
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
  options: ProtocolOptions & { sessionSeconds?: number; wrap?: (scene: Scene) => Partial<ProtocolDeps> } = {},
) {
  const pages = await createSignInPages({
    issuer: 'http://127.0.0.1',
    authenticatorOrigin: 'http://localhost:3002',
    language: 'en',
  });
  const settings = { sessionSeconds: options.sessionSeconds ?? 8 * 3600, match: 'choose', scan: true } as const;
  const scene = await openProtocol({
    clients: [aWebsite(), aWebsite('library', { client_name: 'The library' }), aClient('helpdesk')],
    ...options,
    overrides: (domain) => ({ signIn: { settings, pages, offers: domain.offers }, ...options.wrap?.(domain) }),
  });
  const { issuer } = scene.deps;
  const appOf = (protocol: (typeof scene)['protocol']): RequestListener => {
    const routes = createSignInRoutes({
      issuer,
      signIn: protocol.signIn!,
      pages,
      assets: new Map(),
      stopping: scene.stopping.signal,
      log: quiet as never,
      bodyLimitBytes: 4096,
    });
    return publicApp({ issuer, engine: protocol, others: [routes] });
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

export interface Shown {
  status: number;
  /** The last address; at the relying party nothing was fetched. */
  url: URL;
  html: string;
  headers: Headers;
  title: string;
}

/** Follows redirects until somebody else's address, and keeps cookies by name and path. */
export function browserOf(scene: ProtocolScene) {
  const jar = new Map<string, { name: string; value: string; path: string }>();
  const headers: string[] = [];
  const keep = (header: string) => {
    headers.push(header);
    const [pair = '', ...attributes] = header.split(';').map((part) => part.trim());
    const [name = '', value = ''] = pair.split(/=(.*)/s);
    const path = attributes.find((each) => /^path=/i.test(each))?.slice(5) ?? '/';
    const isGone = /expires=Thu, 01 Jan 1970/i.test(header);
    if (isGone) jar.delete(`${name} ${path}`);
    else jar.set(`${name} ${path}`, { name, value, path });
  };
  const cookiesFor = ({ pathname }: URL) =>
    [...jar.values()]
      .filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');

  async function go(to: string | URL, init: RequestInit = {}): Promise<Shown> {
    const url = new URL(to, scene.issuer);
    if (url.origin !== new URL(scene.issuer).origin)
      return { status: 0, url, html: '', headers: new Headers(), title: '' };
    const sent = { cookie: cookiesFor(url), ...(init.headers as Record<string, string>) };
    // a proxy in front may be what speaks https
    const at = scene.origin + url.pathname + url.search;
    const response = await fetch(at, { ...init, headers: sent, redirect: 'manual' });
    for (const each of response.headers.getSetCookie()) keep(each);
    const location = response.headers.get('location');
    if (location) return go(new URL(location, url));
    const html = await response.text();
    const title = /<title>(.*?) ·/.exec(html)?.[1] ?? '';
    return { status: response.status, url, html, headers: response.headers, title };
  }
  return {
    jar,
    /** Every `Set-Cookie` so far. */
    headers,
    go,
    post: (to: string | URL, form: Record<string, string>, headers: Record<string, string> = {}) =>
      go(to, {
        method: 'POST',
        body: new URLSearchParams(form),
        headers: { origin: new URL(scene.issuer).origin, 'sec-fetch-site': 'same-origin', ...headers },
      }),
  };
}

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
