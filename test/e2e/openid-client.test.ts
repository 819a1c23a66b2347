/** An ordinary client against a real server, and a phone made of the device SDK. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as client from 'openid-client';
import { beginEnrollment, type ChallengeView, type Device, memoryStorage } from '../../src/device-sdk/index.ts';
import { browserOf } from '../support/cookie-browser.ts';
import { repository, startServer, type TestServer } from '../support/server.ts';

const pin = '493817';

let server: TestServer;
let phone: Device;
beforeAll(async () => {
  server = await startServer();
  phone = await enroll(server, 'alice');
});
afterAll(async () => server[Symbol.asyncDispose]());

test('the README’s lines, as they stand, sign Alice in', async () => {
  const asked = nextChallenge(phone);
  const program = run(readmeLines(), { ISSUER: server.issuer });
  const [view, number] = await Promise.all([asked, program.says(/Tell Alice this number: (\d+)/)]);
  expect(view).toMatchObject({ client: { name: 'Demo help desk' }, bindingMessage: 'Case 4711' });
  expect(view.match.options).toContain(number);
  await phone.decide(view, { decision: 'approve', pin, match: number });

  const output = await program.ends();
  expect(output).toContain("acr: 'urn:assent:acr:two-factor'");
  expect(output).toMatch(/amr: \[ 'swk', 'pin', 'mfa' \]/);
  expect(output).toContain("preferred_username: 'alice'");
});

test('F200 an approval brings a validated ID token and an access token that works', async () => {
  const config = await configuration(server);
  const asked = nextChallenge(phone);
  const started = await client.initiateBackchannelAuthentication(config, {
    scope: 'openid profile email phone offline_access',
    login_hint: 'alice@example.test',
    binding_message: 'W4SCT',
  });
  const polling = client.pollBackchannelAuthenticationGrant(config, started);
  const before = Math.floor(Date.now() / 1000);
  await phone.decide(await asked, { decision: 'approve', pin, match: String(started['match_code']) });

  const tokens = await polling;
  const claims = tokens.claims()!;
  expect(claims).toMatchObject({ iss: server.issuer, aud: 'demo-helpdesk', acr: 'urn:assent:acr:two-factor' });
  expect(Number(claims['auth_time'])).toBeGreaterThanOrEqual(before);
  const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  expect(user).toMatchObject({ name: 'Alice', email: 'alice@example.test', phone_number: '+31612345678' });

  const introspected = await client.tokenIntrospection(config, tokens.access_token);
  expect(introspected).toMatchObject({ active: true, sub: claims.sub });
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token!);
  expect(refreshed.claims()?.sub).toBe(claims.sub);
  await client.tokenRevocation(config, refreshed.refresh_token!);
  expect(await client.tokenIntrospection(config, refreshed.access_token)).toEqual({ active: false });
});

test('F199 a denial reaches the client as access_denied', async () => {
  const config = await configuration(server);
  const asked = nextChallenge(phone);
  const started = await client.initiateBackchannelAuthentication(config, { scope: 'openid', login_hint: 'alice' });
  const polling = client.pollBackchannelAuthenticationGrant(config, started);
  const outcome = expect(polling).rejects.toMatchObject({ error: 'access_denied' });
  await phone.decide(await asked, { decision: 'deny', reason: 'not_me' });
  await outcome;
});

test('F197 a hint that names nobody is unknown_user_id, and the phone hears nothing', async () => {
  const config = await configuration(server);
  await expect(
    client.initiateBackchannelAuthentication(config, { scope: 'openid', login_hint: 'nobody' }),
  ).rejects.toMatchObject({ error: 'unknown_user_id' });
  expect((await phone.inbox()).operations).toEqual([]);
});

test('T-02 TH-07 another client cannot fetch the tokens, and the one that asked still can', async () => {
  const config = await configuration(server);
  const asked = nextChallenge(phone);
  const started = await client.initiateBackchannelAuthentication(config, { scope: 'openid', login_hint: 'alice' });
  await phone.decide(await asked, { decision: 'approve', pin, match: String(started['match_code']) });
  const thief = await configuration(server, 'demo-tv');
  await expect(client.pollBackchannelAuthenticationGrant(thief, started)).rejects.toMatchObject({
    error: 'invalid_grant',
  });
  expect((await client.pollBackchannelAuthenticationGrant(config, started)).access_token).toBeDefined();
});

describe('sign-in at a website without typing a name', () => {
  const redirectUri = 'https://shop.example/callback';
  let shop: client.Configuration;
  let other: Device;
  beforeAll(async () => {
    const metadata = { grant_types: ['authorization_code'], response_types: ['code'], redirect_uris: [redirectUri] };
    const registered = await manage(server, 'POST', '/clients', { client_name: 'The shop', ...metadata });
    shop = await configuration(server, String(registered['client_id']), String(registered['client_secret']));
    other = await enroll(server, 'bob');
  });

  /** Up to the page with the code. */
  async function scanning() {
    const verifier = client.randomPKCECodeVerifier();
    const url = client.buildAuthorizationUrl(shop, {
      redirect_uri: redirectUri,
      scope: 'openid profile',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const browser = browserOf({ issuer: server.issuer, origin: server.issuer });
    const page = await browser.go(url, { headers: { 'user-agent': firefox } });
    const shown = await browser.post(page.url, { do: 'scan' }, { 'user-agent': firefox });
    const link = /href="([^"]*#c=[^"]*)"/.exec(shown.html)![1]!;
    const look = () => browser.go(page.url);
    const told = (shows: string) => browser.go(`${page.url.pathname}/events?shows=${shows}`);
    const redeem = (back: URL) => client.authorizationCodeGrant(shop, back, { pkceCodeVerifier: verifier });
    return { browser, page, link, look, told, redeem };
  }

  test('S-09 the phone claims the code, shows where it comes from, and signs in with the number; nobody is named before', async () => {
    const { link, look, told, redeem } = await scanning();
    expect(link).toMatch(new RegExp(`^${server.authenticator}/#c=`));
    const claimed = told('scan');
    const view = await phone.claim(link);
    expect(view).toMatchObject({ client: { name: 'The shop' }, match: { mode: 'type2' } });
    expect(view.origin).toMatchObject({ browser: 'Firefox', os: 'Linux' });
    expect((await claimed).html).toContain('data: look');
    // whoever comes later, and shows the code still, is told at once
    expect((await told('scan')).html).toContain('data: look');

    const page = await look();
    expect(page.title).toBe('Approve on your device');
    expect(page.html).not.toMatch(/alice/i);
    const number = /id="number">(\d\d)</.exec(page.html)![1]!;
    const approved = told('waiting');
    await expect(phone.decide(view, { decision: 'approve', pin })).rejects.toMatchObject({ code: 'match_required' });
    await phone.decide(view, { decision: 'approve', pin, match: number });
    expect((await approved).html).toContain('data: look');

    const tokens = await redeem((await look()).url);
    expect(tokens.claims()).toMatchObject({ acr: 'urn:assent:acr:two-factor', amr: ['swk', 'pin', 'mfa'] });
    const user = await client.fetchUserInfo(shop, tokens.access_token, tokens.claims()!.sub);
    expect(user).toMatchObject({ preferred_username: 'alice' });
  });

  test('S-09 of two phones that claim one code one is asked; the other can neither see nor answer it', async () => {
    const { link, look } = await scanning();
    const outcomes = await Promise.allSettled([phone.claim(link), other.claim(link)]);
    const won = outcomes.findIndex(({ status }) => status === 'fulfilled');
    const [winner, loser] = won === 0 ? [phone, other] : [other, phone];
    expect(outcomes[1 - won]).toMatchObject({ reason: { code: 'claim_taken' } });
    const view = (outcomes[won] as PromiseFulfilledResult<ChallengeView>).value;
    await expect(loser.present(view.op)).rejects.toMatchObject({ code: 'operation_not_found' });
    // once more is the same request
    expect((await winner.claim(link)).op).toBe(view.op);
    await winner.decide(view, { decision: 'deny', reason: 'not_me' });
    const ended = await look();
    expect(ended.title).toBe('Reported: not started by who scanned it');
    expect(ended.html).not.toMatch(/alice|bob/i);
  });

  test('whoever goes back, before or after a phone has claimed it, takes it from the phone', async () => {
    const before = await scanning();
    expect((await before.browser.post(before.page.url, { do: 'again' })).title).toBe('Sign in');
    await expect(phone.claim(before.link)).rejects.toMatchObject({ code: 'operation_cancelled' });

    const after = await scanning();
    const view = await phone.claim(after.link);
    const back = await after.browser.post(after.page.url, { do: 'leave' });
    expect(back.url.searchParams.get('error')).toBe('access_denied');
    await expect(phone.present(view.op)).rejects.toMatchObject({ code: 'operation_cancelled' });
    expect((await phone.inbox()).operations).toEqual([]);
  });
});

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

function configuration(
  { issuer, secretOf }: TestServer,
  clientId = 'demo-helpdesk',
  secret?: string,
): Promise<client.Configuration> {
  const metadata = { id_token_signed_response_alg: 'ES256' };
  const options = { execute: [client.allowInsecureRequests] };
  const authentication = client.ClientSecretBasic(secret ?? secretOf(clientId));
  return client.discovery(new URL(issuer), clientId, metadata, authentication, options);
}

async function manage({ management, managementKey }: TestServer, method: string, path: string, body?: object) {
  const headers = { authorization: `Bearer ${managementKey}`, ...(body && { 'content-type': 'application/json' }) };
  const sent = { method, headers, ...(body && { body: JSON.stringify(body) }) };
  const response = await fetch(`${management}/management/v1${path}`, sent);
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Record<string, unknown>;
}

async function enroll(server: TestServer, username: string): Promise<Device> {
  const [user] = (await manage(server, 'GET', `/users?username=${username}`))['items'] as { id: string }[];
  const ticket = await manage(server, 'POST', `/users/${user!.id}/enrollment-tickets`);
  const enrollment = await beginEnrollment(memoryStorage(), String(ticket['ticket_uri']));
  return enrollment.finish({ device: { name: 'Test phone' }, pin });
}

/** What the phone is asked next; it listens from now on. */
async function nextChallenge(device: Device): Promise<ChallengeView> {
  const enough = new AbortController();
  const heard = Promise.withResolvers<string>();
  const listening = device.events(
    (event) => {
      const op = event.event === 'operation' ? event.op : event.event === 'inbox' ? event.operations[0]?.op : undefined;
      if (op !== undefined) heard.resolve(op);
    },
    { signal: enough.signal },
  );
  listening.catch(heard.reject);
  const view = await device.present(await heard.promise);
  enough.abort();
  await listening;
  return view;
}

function readmeLines(): string {
  const readme = readFileSync(join(repository, 'README.md'), 'utf8');
  return /<!-- the e2e suite runs this block as it stands -->\s*```js\n([\s\S]*?)```/.exec(readme)![1]!;
}

/** A module of its own process, which finds its packages where the repository has them. */
function run(source: string, env: Record<string, string>) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: repository,
    env: { ...process.env, ...env },
  });
  let output = '';
  const looks = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
      for (const look of looks) look();
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    says: (pattern: RegExp) =>
      new Promise<string>((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(output);
          if (found) resolve(found[1]!);
        };
        looks.add(look);
        look();
        void ended.then(() => reject(new Error(`it ended without saying so:\n${output}`)));
      }),
    async ends(): Promise<string> {
      if ((await ended) !== 0) throw new Error(output);
      return output;
    },
  };
}
