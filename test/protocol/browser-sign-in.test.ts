/** Authorization code with PKCE, as an ordinary relying party sees it, and what a browser can do wrong in between. */
import * as client from 'openid-client';
import { openOperationContext } from '../../src/domain/context.ts';
import type { ArtifactStore } from '../../src/protocol/ports.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { decide, newUser } from '../domain/scene.ts';
import { countRoundTrips } from './round-trips.ts';
import { type Alice, claimsOf, settings, withAlice } from './scene.ts';
import {
  answerOf,
  aWebsite,
  browserOf,
  callback,
  claim,
  openSignIn,
  relyingParty,
  type SignInScene,
  signIn,
  waitingFor,
} from './sign-in-scene.ts';

let scene: SignInScene;
let alice: Alice;
const open = async (options?: Parameters<typeof openSignIn>[0]) => {
  scene = await openSignIn(options);
  alice = await withAlice(scene);
  return { browser: browserOf(scene), shop: await relyingParty(scene) };
};
afterEach(() => scene.close());

describe('an ordinary relying party', () => {
  test('gets an ID token that tells how and when the person approved, and userinfo by scope', async () => {
    const { browser, shop } = await open();
    const { url, redeem } = await shop.begin();
    const back = await signIn(scene, alice, browser, url);
    expect(back.url.href).toContain(`${callback}?code=`);
    expect(back.url.searchParams.get('iss')).toBe(scene.issuer);

    const tokens = await redeem(back.url);
    expect(tokens.claims()).toMatchObject({
      sub: alice.user.id,
      acr: 'urn:assent:acr:two-factor',
      amr: ['swk', 'pin', 'mfa'],
      auth_time: Math.floor(scene.clock.now() / 1000),
    });
    const userinfo = await client.fetchUserInfo(shop.config, tokens.access_token, alice.user.id);
    expect(userinfo).toEqual({
      sub: alice.user.id,
      name: 'Alice',
      preferred_username: 'alice',
      locale: 'nl',
      email: 'alice@example.test',
    });
    expect(tokens.refresh_token).toBeUndefined();
  });

  test('that asks for offline access with consent gets a refresh token that works', async () => {
    const { browser, shop } = await open();
    const { url, redeem } = await shop.begin({ scope: 'openid offline_access', prompt: 'consent' });
    const tokens = await redeem((await signIn(scene, alice, browser, url)).url);
    const refreshed = await client.refreshTokenGrant(shop.config, tokens.refresh_token!);
    expect(refreshed.claims()?.sub).toBe(alice.user.id);
  });

  test('pushes its request, and the address that it gets is good once', async () => {
    const { browser, shop } = await open();
    const { url, redeem } = await shop.begin({}, { pushed: true });
    expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
    const late = browserOf(scene);
    const latePage = await late.go(url);
    expect((await redeem((await signIn(scene, alice, browser, url)).url)).claims()?.sub).toBe(alice.user.id);

    // it came before the address was used up, and may not finish any more
    await late.post(latePage.url, { do: 'ask', who: 'alice' });
    await answerOf(scene, alice);
    expect((await late.go(latePage.url)).url.searchParams.get('error')).toBe('invalid_request_uri');
    const again = await browserOf(scene).go(url);
    expect(again.url.searchParams.get('error')).toBe('invalid_request_uri');
  });

  test('that registered to push its requests is asked about nobody unless it pushes', async () => {
    const pushing = aWebsite('shop', { require_pushed_authorization_requests: true });
    const { browser, shop } = await open({ clients: [pushing] });
    const direct = await browser.go((await shop.begin()).url);
    expect(direct.url.searchParams.get('error')).toBe('invalid_request');
    const { url, redeem } = await shop.begin({}, { pushed: true });
    expect((await redeem((await signIn(scene, alice, browser, url)).url)).claims()?.sub).toBe(alice.user.id);
  });

  test('a code is good once, and its second use takes back what the first one brought', async () => {
    const { browser, shop } = await open();
    const { url, redeem } = await shop.begin();
    const back = await signIn(scene, alice, browser, url);
    const tokens = await redeem(back.url);
    await client.fetchUserInfo(shop.config, tokens.access_token, alice.user.id);
    await expect(redeem(back.url)).rejects.toMatchObject({ error: 'invalid_grant' });
    await expect(client.fetchUserInfo(shop.config, tokens.access_token, alice.user.id)).rejects.toThrow();
  });

  test('a code that is used many times at once brings tokens once', async () => {
    const { browser, shop } = await open();
    const { url, redeem } = await shop.begin();
    const back = await signIn(scene, alice, browser, url);
    const all = await Promise.allSettled(Array.from({ length: 10 }, () => redeem(back.url)));
    expect(all.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
  });

  test('must use PKCE, also with a secret', async () => {
    const { browser, shop } = await open();
    const { url } = await shop.begin();
    url.searchParams.delete('code_challenge');
    url.searchParams.delete('code_challenge_method');
    const back = await browser.go(url);
    expect([back.url.origin, back.url.searchParams.get('error')]).toEqual(['https://shop.example', 'invalid_request']);
  });

  test('a redirect address that is not registered is told to the person, not followed', async () => {
    const { browser, shop } = await open();
    const { url } = await shop.begin();
    url.searchParams.set('redirect_uri', 'https://evil.example/');
    const page = await browser.go(url);
    expect([page.status, page.title]).toEqual([400, 'You cannot sign in this way']);
    expect(page.html).toContain('invalid_redirect_uri');
    expect(page.html).not.toContain('evil.example');
  });

  test('asks for a resource: one approval, and the access token is for that', async () => {
    const resources = [{ indicator: 'https://api.example', scopes: ['orders'], format: 'jwt' as const }];
    const { browser, shop } = await open({ settings: { ...settings, resources } });
    const { url, redeem } = await shop.begin({ scope: 'openid orders nothing-else', resource: 'https://api.example' });
    const page = await browser.go(url);
    const shares = [...page.html.matchAll(/<li>(.*?)<\/li>/g)].map(([, text]) => text);
    expect(shares).toEqual(['that it is you', 'access called “orders”', 'access to https://api.example']);
    const tokens = await redeem((await signIn(scene, alice, browser, url)).url);
    expect(claimsOf(tokens.access_token)).toMatchObject({ aud: 'https://api.example', scope: 'orders' });
  });

  test('S-03 gets the claims that it may have, and the person reads which; others are not granted', async () => {
    const { browser, shop } = await open({ clients: [aWebsite('shop', { scope: 'openid email' })] });
    const claims = JSON.stringify({
      id_token: { phone_number: { essential: true } },
      userinfo: { email: null, name: null },
    });
    const first = await shop.begin({ scope: 'openid', claims });
    const page = await browser.go(first.url);
    expect(page.html).toContain('your e-mail address');
    for (const other of ['your phone number', 'your name']) expect(page.html).not.toContain(other);
    await browser.post(page.url, { do: 'ask', who: 'alice' });
    const [operation] = await waitingFor(scene, alice);
    expect(JSON.parse(openOperationContext(scene.secrets, operation!)!).context).toEqual({
      text: 'Met uw goedkeuring krijgt The shop: uw e-mailadres.',
    });
    await answerOf(scene, alice);
    const tokens = await first.redeem((await browser.go(page.url)).url);
    expect(tokens.claims()).not.toHaveProperty('phone_number');
    const userinfo = await client.fetchUserInfo(shop.config, tokens.access_token, alice.user.id);
    expect(userinfo).toEqual({ sub: alice.user.id, email: 'alice@example.test' });
    // and once more, in this session: what was refused is not asked for again
    expect((await browser.go((await shop.begin({ scope: 'openid', claims })).url)).url.searchParams.has('code')).toBe(
      true,
    );
  });

  test('S-03 that asks for one claim is no less named than one that asks for a scope', async () => {
    const { browser, shop } = await open();
    const page = await browser.go((await shop.begin({ scope: 'openid', claims: '{"id_token":{"email":null}}' })).url);
    expect(page.html).toContain('your e-mail address');
  });

  test.each(['{"id_token":{"sub":{"value":"SUB"}}}', '{"userinfo":{"sub":{"values":["x","SUB"]}}}'])(
    'OIDC Core 5.5.1 that asks for one person gets nobody else: %s',
    async (template) => {
      const { browser, shop } = await open();
      const bob = await withBob();
      const claims = template.replace('SUB', alice.user.id);
      const asked = await shop.begin({ claims });
      const again = await signIn(scene, bob, browser, asked.url, 'bob');
      expect(again.title).toBe('Sign in');
      expect(again.html).not.toContain('Continue as Bob');
      // who is signed in here is not who is asked for
      const none = await browser.go((await shop.begin({ claims, prompt: 'none' })).url);
      expect(none.url.searchParams.get('error')).toBe('login_required');
      expect((await browser.post(again.url, { do: 'ask-account' })).title).toBe('Sign in');
      await browser.post(again.url, { do: 'ask', who: 'alice' });
      await answerOf(scene, alice);
      expect((await redeemed(asked, (await browser.go(again.url)).url)).sub).toBe(alice.user.id);
    },
  );

  test('cannot ask for details that this page would not show', async () => {
    const authorizationDetails = [{ type: 'payment', schema: {}, display: { en: 'Pay.' } }];
    const { browser, shop } = await open({
      settings: { ...settings, authorizationDetails },
      clients: [aWebsite('shop', { authorization_details_types: ['payment'] })],
    });
    const { url } = await shop.begin({ authorization_details: '[{"type":"payment"}]' });
    expect((await browser.go(url)).url.searchParams.get('error')).toBe('invalid_authorization_details');
    const pushed = await scene.client('shop').post('/oauth/par', Object.fromEntries(url.searchParams));
    expect([pushed.status, pushed.body.error]).toEqual([400, 'invalid_authorization_details']);
  });

  test('discovery tells where, and what works', async () => {
    await open();
    const { body } = await scene.send('GET', '/.well-known/openid-configuration');
    expect(body).toMatchObject({
      authorization_endpoint: `${scene.issuer}/authorize`,
      pushed_authorization_request_endpoint: `${scene.issuer}/oauth/par`,
      end_session_endpoint: `${scene.issuer}/logout`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    });
    expect(body.grant_types_supported).toContain('authorization_code');
    expect((await scene.send('POST', '/authorize')).status).toBe(405);
  });
});

describe('the session of a browser', () => {
  test('a second client needs consent, and gets it by an approval of the same person; the first one none', async () => {
    const { browser, shop } = await open();
    await signIn(scene, alice, browser, (await shop.begin()).url);
    const again = await shop.begin();
    const back = await browser.go(again.url);
    expect((await redeemed(again, back.url)).sub).toBe(alice.user.id);

    const library = await (await relyingParty(scene, 'library')).begin();
    const page = await browser.go(library.url);
    expect(page.html).toContain('Continue as Alice');
    await browser.post(page.url, { do: 'ask-account' });
    await answerOf(scene, alice);
    expect((await redeemed(library, (await browser.go(page.url)).url)).sub).toBe(alice.user.id);
  });

  test('ends when its time is over, however much it was used', async () => {
    const { browser, shop } = await open({ sessionSeconds: 600 });
    await signIn(scene, alice, browser, (await shop.begin()).url);
    scene.clock.advance(599);
    expect((await browser.go((await shop.begin()).url)).url.searchParams.has('code')).toBe(true);
    scene.clock.advance(1);
    expect((await browser.go((await shop.begin()).url)).title).toBe('Sign in');
  });

  test.each([
    ['prompt=login', { prompt: 'login' }],
    ['max_age', { max_age: '60' }],
  ])('%s asks again, and auth_time is the new approval', async (_, parameters) => {
    const { browser, shop } = await open();
    await signIn(scene, alice, browser, (await shop.begin()).url);
    scene.clock.advance(100);
    const again = await shop.begin(parameters as Record<string, string>);
    const back = await signIn(scene, alice, browser, again.url);
    expect(await redeemed(again, back.url)).toMatchObject({ auth_time: Math.floor(scene.clock.now() / 1000) });
  });

  test('prompt=none never shows a page', async () => {
    const { browser, shop } = await open();
    const none = async () => (await browser.go((await shop.begin({ prompt: 'none' })).url)).url.searchParams;
    expect((await none()).get('error')).toBe('login_required');
    await signIn(scene, alice, browser, (await shop.begin()).url);
    expect((await none()).has('code')).toBe(true);
  });

  test('a session that is too weak for acr_values is not enough', async () => {
    const { browser, shop } = await open();
    const weak = await shop.begin({ acr_values: 'urn:assent:acr:possession' });
    await signIn(scene, alice, browser, weak.url);
    // what this scene's phone proves is two factors; only the other one is asked for now
    const other = await browser.go((await shop.begin({ acr_values: 'urn:assent:acr:possession' })).url);
    expect(other.title).toBe('Sign in');
    const strong = await browser.go((await shop.begin({ acr_values: 'urn:assent:acr:two-factor' })).url);
    expect(strong.url.searchParams.has('code')).toBe(true);
  });

  test('B10 where two factors are a must, who asks for possession alone gets both', async () => {
    const requests = { ...settings.ciba.requests, mustBeTwoFactor: true };
    const { browser, shop } = await open({ settings: { ...settings, ciba: { ...settings.ciba, requests } } });
    const page = await browser.go((await shop.begin({ acr_values: 'urn:assent:acr:possession' })).url);
    await browser.post(page.url, { do: 'ask', who: 'alice' });
    expect((await waitingFor(scene, alice))[0]?.methods).not.toContain('device');
  });

  test('of somebody who was locked since is none', async () => {
    const { browser, shop } = await open();
    await signIn(scene, alice, browser, (await shop.begin()).url);
    await scene.users.lock(alice.user.id, { actor: 'management:test' });
    const page = await browser.go((await shop.begin()).url);
    expect(page.title).toBe('Sign in');
    expect(page.html).not.toContain('Alice');
    const none = await browser.go((await shop.begin({ prompt: 'none' })).url);
    expect(none.url.searchParams.get('error')).toBe('login_required');
  });

  test('somebody else signs in: the former session is over, and nobody is mixed up', async () => {
    const { browser, shop } = await open();
    await signIn(scene, alice, browser, (await shop.begin()).url);
    const bob = await withBob();
    const again = await shop.begin({ prompt: 'login' });
    const back = await signIn(scene, bob, browser, again.url, 'bob');
    expect((await redeemed(again, back.url)).sub).toBe(bob.user.id);
    const next = await shop.begin();
    expect((await redeemed(next, (await browser.go(next.url)).url)).sub).toBe(bob.user.id);
  });

  test('signing out asks, ends the session, and leads back', async () => {
    const { browser, shop } = await open();
    const first = await shop.begin();
    const tokens = await first.redeem((await signIn(scene, alice, browser, first.url)).url);
    const end = client.buildEndSessionUrl(shop.config, {
      id_token_hint: tokens.id_token!,
      post_logout_redirect_uri: 'https://shop.example/',
    });
    const page = await browser.go(end);
    expect(page.title).toBe('Sign out');
    expect(page.html).toContain('The shop asks to sign you out');
    const [, action] = /action="([^"]+)"/.exec(page.html)!;
    const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(page.html)!;
    const forged = await browser.post(action!, { xsrf: 'a'.repeat(48), logout: 'yes' });
    expect(forged.status).toBe(400);
    expect((await browser.post(action!, { xsrf: xsrf!, logout: 'yes' })).url.href).toBe('https://shop.example/');
    expect((await browser.go((await shop.begin()).url)).title).toBe('Sign in');
  });

  test('the cookie of the former session is of no use after a new sign-in (fixation)', async () => {
    const { browser, shop } = await open();
    await signIn(scene, alice, browser, (await shop.begin()).url);
    const before = new Map(browser.jar);
    await signIn(scene, alice, browser, (await shop.begin({ prompt: 'login' })).url);
    const thief = browserOf(scene);
    for (const [key, cookie] of before) thief.jar.set(key, cookie);
    expect((await thief.go((await shop.begin()).url)).title).toBe('Sign in');
  });
});

describe('S-09 an approval belongs to the browser that asked for it', () => {
  test('another browser finds nothing at the address of the sign-in, before and after the approval', async () => {
    const { browser, shop } = await open();
    const page = await browser.go((await shop.begin()).url);
    await browser.post(page.url, { do: 'ask', who: 'alice' });
    const thief = browserOf(scene);
    expect([(await thief.go(page.url)).title, (await thief.go(page.url)).status]).toEqual([
      'This sign-in is over',
      404,
    ]);
    await answerOf(scene, alice);
    expect((await thief.go(page.url)).title).toBe('This sign-in is over');
    expect((await thief.go(page.url.href.replace('/sign-in/', '/authorize/'))).status).toBe(400);
    expect((await thief.post(page.url, { do: 'leave' })).title).toBe('This sign-in is over');
    expect((await browser.go(page.url)).url.searchParams.has('code')).toBe(true);
  });

  test('the approval of one sign-in does not continue another one of the same person', async () => {
    const { browser, shop } = await open();
    const attacker = browserOf(scene);
    const theirs = await attacker.go((await shop.begin()).url);
    await attacker.post(theirs.url, { do: 'ask', who: 'alice' });
    const [first] = await waitingFor(scene, alice);
    const mine = await browser.go((await shop.begin()).url);
    await browser.post(mine.url, { do: 'ask', who: 'alice' });
    const [second] = (await waitingFor(scene, alice)).filter(({ id }) => id !== first!.id);
    await decide(scene.scene, second!, alice.device);
    expect((await attacker.go(theirs.url)).title).not.toBe('');
    expect((await browser.go(mine.url)).url.searchParams.has('code')).toBe(true);
    expect((await attacker.go(theirs.url)).url.origin).toBe(scene.origin);
  });

  test('a number is to be matched, and a reload shows the same one', async () => {
    const { browser, shop } = await open();
    const page = await browser.go((await shop.begin()).url);
    const waiting = await browser.post(page.url, { do: 'ask', who: 'alice' });
    const [operation] = await waitingFor(scene, alice);
    expect(operation!.match).toMatchObject({
      mode: 'choose',
      options: expect.arrayContaining([numberIn(waiting.html)]),
    });
    expect(numberIn((await browser.go(page.url)).html)).toBe(numberIn(waiting.html));
    // the form once more: nobody is asked twice
    await browser.post(page.url, { do: 'ask', who: 'alice' });
    expect(await waitingFor(scene, alice)).toHaveLength(1);
  });

  test('a form that is sent twice at the same moment asks once, at whatever server; after “start again” it asks anew', async () => {
    const { browser, shop } = await open({ peers: 1 });
    const page = await browser.go((await shop.begin()).url);
    for (let round = 1; round <= 3; round++) {
      const forms = Array.from({ length: 4 }, () => browser.post(page.url, { do: 'ask', who: 'alice' }));
      const titles = (await Promise.all(forms)).map(({ title }) => title);
      expect(new Set(titles)).toEqual(new Set(['Approve on your device']));
      expect(scene.logged.filter(({ event }) => event === 'sign_in.asked')).toHaveLength(round);
      await browser.post(page.url, { do: 'again' });
    }
  });

  test('a process that died while it asked holds the page up for seconds', async () => {
    const { browser, shop } = await open();
    const page = await browser.go((await shop.begin()).url);
    const now = scene.clock.now();
    const lease = { leaseUntil: now + 10_000, until: now + 10_000 };
    const key = page.url.pathname.split('/').at(-1)!;
    await scene.store.idempotency.begin({ scope: 'sign-in', key, requestHash: '', now, ...lease });
    const ask = () => browser.post(page.url, { do: 'ask', who: 'alice' });
    expect((await ask()).title).toBe('Sign in');
    scene.clock.advance(10);
    expect((await ask()).title).toBe('Approve on your device');
    expect(await waitingFor(scene, alice)).toHaveLength(1);
  });

  test('forms from elsewhere do nothing', async () => {
    const { browser, shop } = await open();
    const page = await browser.go((await shop.begin()).url);
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': '', origin: 'https://evil.example' },
      { 'sec-fetch-site': '', origin: 'null' },
    ]) {
      const refused = await browser.post(page.url, { do: 'ask', who: 'alice' }, headers as Record<string, string>);
      expect([refused.status, refused.title]).toEqual([403, 'This form came from somewhere else']);
    }
    expect(await waitingFor(scene, alice)).toEqual([]);
  });
});

describe('a name that is asked too often', () => {
  const limits = {
    perClient: { starts: 2, windowMs: 600_000 },
    perUser: { starts: 0, windowMs: 1 },
    backOff: { firstMs: 10_000, maxMs: 3_600_000 },
    notMeMs: 3_600_000,
  };

  test('S-02 TH-04 gets a page that says when to try again, whoever has it; that others ask them is not told', async () => {
    const { browser, shop } = await open({ limits });
    const page = await browser.go((await shop.begin()).url);
    const ask = async (who: string, language = 'en') => {
      const shown = await browser.post(page.url, { do: 'ask', who }, { 'accept-language': language });
      if (shown.title === 'Approve on your device') await browser.post(page.url, { do: 'again' });
      return shown;
    };
    for (const who of ['alice', 'nobody', 'alice', 'nobody']) expect((await ask(who)).status).toBe(200);
    scene.clock.advance(100);
    const told = [await ask('alice'), await ask('nobody')];
    for (const { status, headers, html } of told) {
      expect([status, headers.get('retry-after')]).toEqual([429, '500']);
      expect(html).toContain('Try again in 9 min.');
    }
    expect(told[0]!.html).toBe(told[1]!.html);
    expect((await ask('alice', 'nl')).html).toContain('Probeer het over 9 min opnieuw.');
    // the same person under another name: nobody is asked
    expect((await ask('alice@example.test')).title).toBe('Approve on your device');
    expect(await waitingFor(scene, alice)).toEqual([]);
    scene.clock.advance(500);
    await browser.post(page.url, { do: 'ask', who: 'alice' });
    expect(await waitingFor(scene, alice)).toHaveLength(1);
  });

  test('S-02 what nobody answered lets them wait a little', async () => {
    const { browser, shop } = await open({ limits });
    const page = await browser.go((await shop.begin()).url);
    for (const who of ['alice', 'nobody']) {
      await browser.post(page.url, { do: 'ask', who });
      scene.clock.advance(303);
      expect((await browser.go(page.url)).title).toBe('No answer in time');
      await browser.post(page.url, { do: 'again' });
      const { status, headers, html } = await browser.post(page.url, { do: 'ask', who });
      expect([status, headers.get('retry-after')]).toEqual([429, '7']);
      expect(html).toContain('Try again in 1 min.');
    }
  });
});

describe('what happens is told', () => {
  const asked = async () => {
    const { browser, shop } = await open();
    const { url } = await shop.begin();
    const page = await browser.go(url);
    await browser.post(page.url, { do: 'ask', who: 'alice' });
    return { browser, page };
  };

  test('denied: what was kept, and what to do; starting again works, and so does going back', async () => {
    const { browser, page } = await asked();
    await answerOf(scene, alice, false);
    const denied = await browser.go(page.url);
    expect(denied.title).toBe('You denied on your device');
    expect(denied.html).toContain('Start again');
    expect((await browser.post(page.url, { do: 'again' })).title).toBe('Sign in');
    await browser.post(page.url, { do: 'ask', who: 'alice@example.test' });
    await answerOf(scene, alice);
    expect((await browser.go(page.url)).url.searchParams.has('code')).toBe(true);
  });

  test('expired', async () => {
    const { browser, page } = await asked();
    scene.clock.advance(301);
    expect((await browser.go(page.url)).title).toBe('No answer in time');
  });

  test('whoever goes back is not asked any longer, and the relying party learns access_denied', async () => {
    const { browser, page } = await asked();
    const back = await browser.post(page.url, { do: 'leave' });
    expect(back.url.origin + back.url.pathname).toBe(callback);
    expect(back.url.searchParams.get('error')).toBe('access_denied');
    expect(await waitingFor(scene, alice)).toEqual([]);
  });

  test('a newer sign-in of the same name takes over', async () => {
    const { browser, shop } = await open({ cap: { perClient: 1, policy: 'replace', perUser: 10 } });
    const older = await browser.go((await shop.begin()).url);
    await browser.post(older.url, { do: 'ask', who: 'alice' });
    const newer = await browser.go((await shop.begin()).url);
    await browser.post(newer.url, { do: 'ask', who: 'Alice' });
    expect((await browser.go(older.url)).title).toBe('A newer sign-in took over');
    await answerOf(scene, alice);
    expect((await browser.go(newer.url)).url.searchParams.has('code')).toBe(true);
  });

  test('a page that waits is told when it should look again', async () => {
    const { browser, page } = await asked();
    const told = browser.go(`${page.url.pathname}/events`);
    await answerOf(scene, alice);
    expect((await told).html).toContain('data: look');
    // also who comes when it is decided, and whoever has nothing to wait for
    for (const each of [browser, browserOf(scene)]) {
      expect((await each.go(`${page.url.pathname}/events`)).html).toContain('data: look');
    }
  });

  test('after a sign-in its address is over, not an error', async () => {
    const { browser, page } = await asked();
    await answerOf(scene, alice);
    await browser.go(page.url);
    expect((await browser.go(page.url)).title).toBe('This sign-in is over');
  });

  test('in the language of the relying party, else of the browser', async () => {
    const { browser, shop } = await open();
    const page = await browser.go((await shop.begin()).url, { headers: { 'accept-language': 'nl-BE,nl;q=0.9' } });
    const dutch = await browser.go(page.url, { headers: { 'accept-language': 'nl-BE,nl;q=0.9' } });
    expect(dutch.html).toContain('<html lang="nl">');
    const english = await browser.go((await shop.begin({ ui_locales: 'en' })).url);
    expect((await browser.go(english.url, { headers: { 'accept-language': 'nl' } })).html).toContain(
      '<html lang="en">',
    );
  });

  test('what came in is text on the page, whatever it is', async () => {
    const { browser, shop } = await open({ clients: [aWebsite('shop', { client_name: '<b>&"Shop"' })] });
    const page = await browser.go((await shop.begin()).url);
    expect(page.html).toContain('&lt;b&gt;&amp;&quot;Shop&quot;');
    const waiting = await browser.post(page.url, { do: 'ask', who: '"><script>alert(1)</script>' });
    expect(waiting.html).toContain('&lt;script&gt;');
    expect(waiting.html).not.toContain('<script>alert');
  });
});

describe('without a name', () => {
  async function scanning(options?: Parameters<typeof openSignIn>[0]) {
    const { browser, shop } = await open(options);
    const { url, redeem } = await shop.begin();
    const page = await browser.go(url);
    return { browser, shop, redeem, first: page, page: await browser.post(page.url, { do: 'scan' }) };
  }

  test('S-09 the code is claimed, the number is typed, and the browser that showed it is signed in; no other one', async () => {
    const { browser, page, redeem } = await scanning();
    expect(page.title).toBe('Open your authenticator');
    const op = await claim(scene, alice, page);
    const operation = (await scene.store.operations.get(op))!;
    expect(operation).toMatchObject({ userId: alice.user.id, deviceId: alice.device.id, match: { mode: 'type2' } });
    const ctx = JSON.parse(openOperationContext(scene.scene.secrets, operation)!);
    expect(ctx).toMatchObject({ client: { id: 'shop', name: 'The shop' }, origin: { ip: expect.any(String) } });

    const waiting = await browser.go(page.url);
    const number = /id="number">(\d\d)</.exec(waiting.html)?.[1];
    expect(scene.scene.operations.matchCodeOf(operation)).toBe(number);
    await answerOf(scene, alice);
    // S-09: the approval is of the browser that was asked in, whoever else knows its address
    expect((await browserOf(scene).go(page.url)).title).toBe('This sign-in is over');
    expect((await redeem((await browser.go(page.url)).url)).claims()?.sub).toBe(alice.user.id);
  });

  test('a form that is sent ten times offers one code; a reload shows the same', async () => {
    const { browser, shop } = await open();
    const page = await browser.go((await shop.begin()).url);
    const shown = await Promise.all(Array.from({ length: 10 }, () => browser.post(page.url, { do: 'scan' })));
    const codes = [...shown, await browser.go(page.url)].map(({ html }) => /#c=([\w-]+)/.exec(html)?.[1]);
    expect(new Set(codes).size).toBe(1);
    // a name that is typed in another tab of it asks nobody beside it
    await browser.post(page.url, { do: 'ask', who: 'alice' });
    expect(await waitingFor(scene, alice)).toEqual([]);
  });

  test('a code that nobody takes, and a request that nobody answers, end by themselves', async () => {
    const { browser, page } = await scanning();
    scene.clock.advance(200);
    await claim(scene, alice, page);
    // the request has its own time
    scene.clock.advance(200);
    expect((await browser.go(page.url)).title).toBe('Approve on your device');
    scene.clock.advance(101);
    expect((await browser.go(page.url)).title).toBe('No answer in time');
    const again = await browser.post(page.url, { do: 'again' });
    const next = await browser.post(again.url, { do: 'scan' });
    scene.clock.advance(301);
    expect((await browser.go(next.url)).title).toBe('No answer in time');
    await expect(claim(scene, alice, next)).rejects.toMatchObject({ code: 'operation_expired' });
  });

  test('promise 1: claimed by a process that died before it asked: the number is there, and is the one that the device is asked for', async () => {
    const { browser, page, redeem } = await scanning();
    const dying = { start: () => Promise.reject(new Error('the process has died')) };
    await expect(claim(scene, alice, page, dying)).rejects.toThrow('the process has died');
    const waiting = await browser.go(page.url);
    const number = /id="number">(\d\d)</.exec(waiting.html)?.[1];
    const op = await claim(scene, alice, page);
    expect(scene.scene.operations.matchCodeOf((await scene.store.operations.get(op))!)).toBe(number);
    await answerOf(scene, alice);
    expect((await redeem((await browser.go(page.url)).url)).claims()?.sub).toBe(alice.user.id);
  });

  test('a page shows ten codes, however often it begins again; then a name leads on', async () => {
    const { browser, page } = await scanning();
    for (let shown = 1; shown < 10; shown++) {
      await browser.post(page.url, { do: 'again' });
      expect((await browser.post(page.url, { do: 'scan' })).html).toContain('#c=');
    }
    await browser.post(page.url, { do: 'again' });
    const refused = await browser.post(page.url, { do: 'scan' });
    expect([refused.status, refused.title]).toEqual([429, 'Sign in']);
    expect(refused.html).toContain('too many codes');
    await browser.post(page.url, { do: 'ask', who: 'alice' });
    expect(await waitingFor(scene, alice)).toHaveLength(1);
  });

  test('a fourth code that one device takes ends the request of the first, and its page says so', async () => {
    const { shop } = await open();
    const pages = [];
    for (let taken = 0; taken < 4; taken++) {
      const browser = browserOf(scene);
      const page = await browser.go((await shop.begin()).url);
      await claim(scene, alice, await browser.post(page.url, { do: 'scan' }));
      pages.push({ browser, page });
    }
    const titles = await Promise.all(pages.map(async ({ browser, page }) => (await browser.go(page.url)).title));
    expect(titles).toEqual(['Newer requests took over', ...Array(3).fill('Approve on your device')]);
    expect(await waitingFor(scene, alice)).toHaveLength(3);
  });

  test('forms are counted by address: beyond the limit nothing is done, and the page says when to try again', async () => {
    // to begin counts as well
    const { browser, page } = await scanning({ formsPerMinute: 3 });
    await browser.post(page.url, { do: 'again' });
    const refused = await browser.post(page.url, { do: 'scan' });
    expect([refused.status, refused.title]).toEqual([429, 'Too many requests']);
    expect(refused.headers.get('retry-after')).toBe('20');
    scene.clock.advance(20);
    expect((await browser.post(page.url, { do: 'scan' })).html).toContain('#c=');
  });

  test('TH-20 to begin, and to sign out, is counted by address: who has shown nothing fills no store', async () => {
    const { browser, shop } = await open({ formsPerMinute: 2 });
    const { url } = await shop.begin();
    expect((await browser.go(url)).title).toBe('Sign in');
    expect((await browser.go('/logout')).status).toBe(200);
    for (const address of [url, '/logout']) {
      const refused = await browser.go(address);
      expect([refused.status, refused.title]).toEqual([429, 'Too many requests']);
      expect(refused.headers.get('retry-after')).toBe('30');
    }
    scene.clock.advance(30);
    expect((await browser.go(url)).title).toBe('Sign in');
  });

  test('six digits where the client’s requests have them', async () => {
    const { page } = await scanning({ clients: [aWebsite('shop', { assent_match: 'type6' })] });
    const operation = await scene.store.operations.get(await claim(scene, alice, page));
    expect(operation?.match?.mode).toBe('type6');
  });

  test('where it is switched off there is no such button, and the form leads nowhere', async () => {
    const { first, page } = await scanning({ scan: false });
    expect(first.html).not.toContain('value="scan"');
    expect(page.title).toBe('Sign in');
    expect(page.html).not.toContain('#c=');
  });
});

describe('promise 3: an approval is used once, and none is lost', () => {
  test('many looks at the same moment make one login', async () => {
    const { browser, shop } = await open();
    const { url, redeem } = await shop.begin();
    const page = await browser.go(url);
    await browser.post(page.url, { do: 'ask', who: 'alice' });
    const [operation] = await waitingFor(scene, alice);
    await answerOf(scene, alice);
    const looks = await Promise.all(Array.from({ length: 10 }, () => browser.go(page.url)));
    const codes = looks.flatMap((look) => look.url.searchParams.get('code') ?? []);
    expect(codes.length).toBeGreaterThanOrEqual(1);
    expect((await redeem(looks.find((look) => look.url.searchParams.has('code'))!.url)).claims()?.sub).toBe(
      alice.user.id,
    );
    const events = (await scene.store.operations.get(operation!.id))?.redemption;
    expect(events).toMatchObject({ state: 'delivered' });
  });

  test.each([1, 2])(
    'a store that fails at write %i after the approval costs a reload, not the approval',
    async (nth) => {
      let failAt = 0;
      const { browser, shop } = await open({
        wrap: ({ store }) => {
          const { artifacts } = store as unknown as { artifacts: ArtifactStore };
          const write: ArtifactStore['write'] = async (...args) => {
            if (failAt > 0 && --failAt === 0) throw new Error('the disk is full');
            return artifacts.write(...args);
          };
          return { artifacts: { ...bound(artifacts), write } };
        },
      });
      const { url, redeem } = await shop.begin();
      const page = await browser.go(url);
      await browser.post(page.url, { do: 'ask', who: 'alice' });
      await answerOf(scene, alice);
      failAt = nth;
      await browser.go(page.url).catch(() => undefined);
      failAt = 0;
      scene.clock.advance(6);
      const back = await browser.go(page.url);
      // once the engine has taken over, it keeps nothing of what failed: then the person begins anew
      if (nth <= 2) expect((await redeem(back.url)).claims()?.sub).toBe(alice.user.id);
      else expect(['This sign-in is over', '']).toContain(back.title);
    },
  );
});

test('a store that is away is told to the browser with the time to come back', async () => {
  const away = () => Promise.reject(new StoreUnavailable('away'));
  const { browser, shop } = await open({
    wrap: ({ store }) => {
      const { artifacts } = store as unknown as { artifacts: ArtifactStore };
      return { artifacts: { ...bound(artifacts), write: away } };
    },
  });
  const { status, headers } = await browser.go((await shop.begin()).url);
  expect([status, headers.get('retry-after')]).toEqual([503, '2']);
});

describe('TH-04 nobody learns who exists', () => {
  test('the unknown, those without a device and the locked get the same page by the same calls to the store', async () => {
    await open();
    await newUser(scene.scene, { username: 'nodevice' });
    const locked = await withBob();
    await scene.users.lock(locked.user.id, { actor: 'management:test' });
    const shop = await relyingParty(scene);
    const trips = countRoundTrips(scene.store);
    const seen = async (who: string) => {
      const browser = browserOf(scene);
      const page = await browser.go((await shop.begin()).url);
      trips.taken();
      await browser.post(page.url, { do: 'ask', who });
      const calls = trips.taken().filter((call) => !call.startsWith('artifacts.'));
      const { html, status } = await browser.go(page.url);
      const same = html
        .replaceAll(who, 'NAME')
        .replace(/id="number">\d\d</, 'id="number">NN<')
        .replace(/data-until="\d+"/, '');
      return { html: same, status, calls: calls.filter((call) => !call.startsWith('users.')) };
    };
    const known = await seen('alice');
    expect(known.html).toContain('Approve on your device');
    for (const who of ['nobody', 'nodevice', 'bob', 'nobody@example.test', '???']) {
      expect({ who, ...(await seen(who)) }).toEqual({ who, ...known });
    }
  });

  test('also the end is the same: no answer in time', async () => {
    const { browser, shop } = await open();
    const page = await browser.go((await shop.begin()).url);
    const waiting = await browser.post(page.url, { do: 'ask', who: 'nobody' });
    expect(numberIn(waiting.html)).toMatch(/^\d\d$/);
    scene.clock.advance(299);
    expect((await browser.go(page.url)).title).toBe('Approve on your device');
    scene.clock.advance(2);
    expect((await browser.go(page.url)).title).toBe('No answer in time');
  });
});

test('who goes astray below these pages reads a page; whatever asks for something else gets JSON', async () => {
  const { browser } = await open();
  const headers = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  const seen = async (to: string) => {
    const { status, title, headers: answered } = await browser.go(to, { headers });
    return [status, title, answered.get('content-security-policy')?.includes("default-src 'none'")];
  };
  const over = 'This sign-in is over';
  const noSignOut = 'You cannot sign out this way';
  for (const path of ['/authorize/', '/authorize/cut-off', '/sign-in', '/sign-in/x/y']) {
    expect([path, ...(await seen(path))]).toEqual([path, 404, over, true]);
  }
  // the sign-in of another browser, or one that was finished
  expect(await seen(`/authorize/${'a'.repeat(43)}`)).toEqual([400, over, true]);
  expect(await seen('/logout/elsewhere')).toEqual([404, noSignOut, true]);
  expect(await seen('/logout/confirm')).toEqual([405, noSignOut, true]);
  expect(await seen('/logout?client_id=shop&post_logout_redirect_uri=https://evil.example/')).toEqual([
    400,
    noSignOut,
    true,
  ]);
  for (const path of ['/authorize/cut-off', '/sign-in/x/y', '/logout/confirm']) {
    expect((await browser.go(path)).headers.get('content-type')).toMatch(/json/);
  }
});

describe('TH-25 every page', () => {
  test('allows nothing inline, no frame, no cache', async () => {
    const { browser, shop } = await open();
    const page = await browser.go((await shop.begin()).url);
    const waiting = await browser.post(page.url, { do: 'ask', who: 'alice' });
    const over = await browser.go('/sign-in/nothing');
    const wrong = await browser.go('/authorize?client_id=nobody');
    for (const { headers } of [page, waiting, over, wrong, await browser.go('/logout/success')]) {
      const csp = headers.get('content-security-policy')!;
      for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
        expect(csp).toContain(part);
      }
      expect(csp).not.toContain('unsafe');
      expect(csp).toMatch(/form-action 'self'/);
      expect(Object.fromEntries(headers)).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'cross-origin-opener-policy': 'same-origin',
      });
    }
  });

  test('cookies are for this server alone, and of one sign-in for its address alone', async () => {
    const { shop } = await open();
    const { url } = await shop.begin();
    const answer = await fetch(url, { redirect: 'manual' });
    for (const cookie of answer.headers.getSetCookie()) {
      expect(cookie).toMatch(/; httponly/i);
      expect(cookie).toMatch(/; samesite=lax/i);
      expect(cookie).not.toMatch(/domain=/i);
      expect(cookie).toMatch(/path=\/(sign-in|authorize)\/[A-Za-z0-9_-]{43};/);
    }
    expect(answer.headers.getSetCookie()).toHaveLength(4);
  });
});

describe('TH-25 behind https', () => {
  test('cookies are secure, of this host alone, and a sign-in goes on with them', async () => {
    scene = await openSignIn({ wrap: () => ({ issuer: 'https://login.example' }) });
    alice = await withAlice(scene);
    const browser = browserOf(scene);
    const url = new URL('https://login.example/authorize');
    const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
    const parameters = { client_id: 'shop', response_type: 'code', scope: 'openid', redirect_uri: callback };
    url.search = `${new URLSearchParams({ ...parameters, code_challenge: challenge, code_challenge_method: 'S256' })}`;
    const back = await signIn(scene, alice, browser, url);
    expect(back.url.searchParams.has('code')).toBe(true);
    expect(browser.headers.length).toBeGreaterThanOrEqual(6);
    for (const cookie of browser.headers) {
      expect(cookie).toMatch(/; secure/i);
      expect(cookie).not.toMatch(/domain=/i);
      expect(cookie).toMatch(
        /^__Host-[^;]+; path=\/;|^__Secure-assent_(sign_in|resume)(\.sig)?=[^;]*; path=\/(sign-in|authorize)\//,
      );
    }
  });
});

test('two servers share every step', async () => {
  const { browser, shop } = await open({ peers: 1 });
  const { url, redeem } = await shop.begin();
  expect((await redeem((await signIn(scene, alice, browser, url)).url)).claims()?.sub).toBe(alice.user.id);
});

const numberIn = (html: string) => /id="number">(\d+)</.exec(html)?.[1];

async function redeemed({ redeem }: { redeem(at: URL): Promise<{ id_token?: string }> }, at: URL) {
  return claimsOf((await redeem(at)).id_token!);
}

async function withBob(): Promise<Alice> {
  const { enroll } = await import('../domain/scene.ts');
  const user = await newUser(scene.scene, { username: 'bob', name: 'Bob' });
  return { user, device: await enroll(scene.scene, user) };
}

/** A port whose methods may be taken off it. */
function bound<T extends object>(port: T): T {
  return Object.fromEntries(
    Object.entries(port).map(([name, member]) => [name, typeof member === 'function' ? member.bind(port) : member]),
  ) as T;
}
