/** What a client may ask for, from its request to its tokens, on a real server; in Chromium where somebody must see it. */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as client from 'openid-client';
import { beginEnrollment, type Device, type InboxEvent, memoryStorage } from '../../src/device-sdk/index.ts';
import { acceptedBindingMessages } from '../support/binding-messages.ts';
import { accessibilityProblems, isInView, openBrowser, phoneSize } from '../support/browser.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { requireSystem } from '../support/system.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';

const pin = '493817';
const payment = {
  type: 'payment_initiation',
  instructedAmount: { amount: '12.50', currency: 'EUR' },
  creditorName: 'Flower shop 花屋',
};

let server: TestServer;
let plugins: TemporaryFolder;
/** Sends mail and messages; every notice comes to it. */
const gateway = createServer();
const told: Record<string, unknown>[] = [];
beforeAll(async () => {
  plugins = await temporaryFolder('plugins');
  const policy = join(plugins.path, 'policy.mjs');
  await writeFile(policy, "export default ({ bindingMessage }) => (bindingMessage === 'never' ? 'deny' : 'allow');");
  const notice = join(plugins.path, 'notice.mjs');
  const { port } = await startGateway();
  await writeFile(notice, tellingAt(`http://127.0.0.1:${port}/`));
  server = await startServer({ config: { plugins: { policy, notice } } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  gateway.close();
  await plugins.remove();
});

test('a policy that the configuration names refuses what it refuses', async () => {
  const agent = await configuration(server, 'demo-agent');
  const ask = (binding_message: string) =>
    client.initiateBackchannelAuthentication(agent, { scope: 'openid', login_hint: 'bob', binding_message });
  await expect(ask('never')).rejects.toMatchObject({ status: 403, error: 'access_denied' });
  // nobody can be asked yet, but the policy let it pass
  await expect(ask('now')).rejects.toMatchObject({ error_description: 'The user has no authentication device.' });
});

test('a person with a first and only device is told of it by a module that the configuration names', async () => {
  await manage(server, 'POST', '/users', { username: 'dora', email: 'dora@example.test', language: 'nl' });
  const phone = await enroll(server, 'dora');
  const isAbout = ({ user }: Record<string, unknown>) => (user as { username: string }).username === 'dora';
  while (!told.some(isAbout)) await once(gateway, 'told');
  expect(told.find(isAbout)).toMatchObject({
    type: 'device.activated',
    user: { email: 'dora@example.test', language: 'nl' },
    device: { id: phone.deviceId, name: 'Test phone', state: 'active' },
  });
});

test('B12 a payment is shown and signed on the device, and comes back in the access token', async () => {
  const agent = await configuration(server, 'demo-agent');
  const phone = await enroll(server, 'alice');
  const started = await client.initiateBackchannelAuthentication(agent, {
    scope: 'openid offline_access',
    login_hint: 'alice',
    authorization_details: JSON.stringify([payment]),
  });
  const polling = client.pollBackchannelAuthenticationGrant(agent, started);
  const view = await phone.present((await phone.inbox()).operations.at(-1)!.op);
  expect(view).toMatchObject({
    purpose: 'authorization',
    transaction: {
      amount: '12.50',
      currency: 'EUR',
      payee: 'Flower shop 花屋',
      texts: ['Pay 12.50 EUR to Flower shop 花屋.'],
      authorization_details: JSON.stringify([payment]),
    },
  });
  await phone.decide(view, { decision: 'approve', pin });
  const tokens = await polling;
  expect(tokens['authorization_details']).toEqual([payment]);
  const introspected = await client.tokenIntrospection(agent, tokens.access_token);
  expect(introspected).toMatchObject({ active: true, authorization_details: [payment] });
  const refreshed = await client.refreshTokenGrant(agent, tokens.refresh_token!);
  expect(refreshed['authorization_details']).toEqual([payment]);
});

test('a document reaches the device byte for byte, and nothing is approved before it has', async () => {
  const helpdesk = await configuration(server, 'demo-helpdesk');
  const phone = await enroll(server, 'alice');
  const content = '\u{1F600} The rate is 4,10 %.\r\n'.repeat(900);
  const started = await client.initiateBackchannelAuthentication(helpdesk, {
    scope: 'openid',
    login_hint: 'alice',
    document: JSON.stringify({ title: 'Terms of the loan', mime: 'text/plain', content }),
  });
  const polling = client.pollBackchannelAuthenticationGrant(helpdesk, started);
  const view = await phone.present((await phone.inbox()).operations.at(-1)!.op);
  const match = String(started['match_code']);
  await expect(phone.decide(view, { decision: 'approve', pin, match })).rejects.toMatchObject({
    code: 'document_unread',
  });
  expect(new TextDecoder().decode(await phone.document(view))).toBe(content);
  await phone.decide(view, { decision: 'approve', pin, match });
  expect((await polling).claims()).toHaveProperty('sub');
});

test('B08 a client that cancels takes the request off the device', async () => {
  const agent = await configuration(server, 'demo-agent');
  const phone = await enroll(server, 'bob');
  const events = listen(phone);
  await events.next('inbox');
  const started = await client.initiateBackchannelAuthentication(agent, { scope: 'openid', login_hint: 'bob' });
  const { op } = (await events.next('operation')) as { op: string };
  const headers = { authorization: `Basic ${btoa(`demo-agent:${server.secretOf('demo-agent')}`)}` };
  const cancel = () =>
    fetch(`${server.issuer}/bc-authorize?auth_req_id=${started.auth_req_id}`, { method: 'DELETE', headers });
  expect([(await cancel()).status, (await cancel()).status]).toEqual([204, 204]);
  expect(await events.next('closed')).toMatchObject({ event: 'closed', op, state: 'cancelled' });
  expect((await phone.inbox()).operations).toEqual([]);
  await expect(client.pollBackchannelAuthenticationGrant(agent, started)).rejects.toMatchObject({
    error: 'access_denied',
  });
  await events.stop();
});

test('TH-03 a text that is accepted at /bc-authorize is on the device as the very bytes that the client sent', async () => {
  const agent = await configuration(server, 'demo-agent');
  await manage(server, 'POST', '/users', { username: 'reader' });
  const phone = await enroll(server, 'reader');
  for (const binding_message of acceptedBindingMessages) {
    const request = { scope: 'openid', login_hint: 'reader', binding_message };
    await client.initiateBackchannelAuthentication(agent, request);
    const { bindingMessage } = await phone.present((await phone.inbox()).operations.at(-1)!.op);
    expect(Buffer.from(bindingMessage!).toString('hex')).toBe(Buffer.from(binding_message).toString('hex'));
  }
});

test('a user code is set through the management API, and never told again', async () => {
  await using strict = await startServer({
    config: {
      ciba: { userCode: { enabled: true } },
      clients: [
        {
          client_id: 'coded',
          client_secret: 'coded-secret-0123456789abcdef0123456789',
          grant_types: ['urn:openid:params:grant-type:ciba'],
          backchannel_token_delivery_mode: 'poll',
          backchannel_user_code_parameter: true,
        },
      ],
    },
  });
  const created = await manage(strict, 'POST', '/users', { username: 'carol', user_code: 'blue-harbor-42' });
  expect(JSON.stringify([created, await manage(strict, 'GET', `/users/${created['id']}`)])).not.toMatch(/code|harbor/);
  await enroll(strict, 'carol');
  const headers = { authorization: `Basic ${btoa('coded:coded-secret-0123456789abcdef0123456789')}` };
  const ask = async (more: Record<string, string>) => {
    const body = new URLSearchParams({ scope: 'openid', login_hint: 'carol', ...more });
    const response = await fetch(`${strict.issuer}/bc-authorize`, { method: 'POST', headers, body });
    const { error, error_description } = (await response.json()) as { error?: string; error_description?: string };
    return [response.status, error, error_description];
  };
  expect(await ask({})).toEqual([400, 'missing_user_code', 'The user has a user code, and the request has none.']);
  const wrong = await ask({ user_code: 'red-harbor-42' });
  expect(wrong).toEqual([400, 'invalid_user_code', 'The user code is not right.']);
  expect(await ask({ user_code: 'blue-harbor-42' })).toEqual([200, undefined, undefined]);
  expect(strict.output()).not.toMatch(/harbor/);
});

test('H-04 a login_hint_token of an issuer whose keys are fetched names the person', async () => {
  const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const jwk = { ...(await crypto.subtle.exportKey('jwk', publicKey)), kid: 'h1', alg: 'ES256', key_ops: undefined };
  const keys = createServer((_req, res) =>
    res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] })),
  );
  await new Promise<void>((listening) => keys.listen(0, '127.0.0.1', listening));
  const hintIssuer = `http://127.0.0.1:${(keys.address() as AddressInfo).port}`;
  await using trusting = await startServer({
    config: { hints: { issuers: [{ issuer: hintIssuer, jwks_uri: `${hintIssuer}/jwks.json` }] } },
  });
  const phone = await enroll(trusting, 'alice');
  const agent = await configuration(trusting, 'demo-agent');
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sub_id = { format: 'email', email: 'alice@example.test' };
  const exp = Math.floor(Date.now() / 1000) + 60;
  const input = `${encode({ alg: 'ES256', kid: 'h1' })}.${encode({ iss: hintIssuer, aud: trusting.issuer, exp, sub_id })}`;
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, Buffer.from(input));
  const login_hint_token = `${input}.${Buffer.from(signature).toString('base64url')}`;
  const started = await client.initiateBackchannelAuthentication(agent, { scope: 'openid', login_hint_token });
  expect(started.expires_in).toBeGreaterThan(0);
  expect((await phone.inbox()).operations).toHaveLength(1);
  await new Promise((closed) => keys.close(closed).closeAllConnections());
});

requireSystem('chromium')('in a browser', () => {
  test('B12 a payment stands on the screen, amount and payee first, also while the PIN is typed', async () => {
    const user = String((await manage(server, 'POST', '/users', { username: 'payer', language: 'en' }))['username']);
    await using phone = await openBrowser({ size: phoneSize });
    await enrollPage(server, phone.page, user);
    const agent = await configuration(server, 'demo-agent');
    const started = await client.initiateBackchannelAuthentication(agent, {
      scope: 'openid email',
      login_hint: user,
      binding_message: 'Order 4711',
      authorization_details: JSON.stringify([payment]),
    });
    await phone.page.waitForSelector('#approve');
    const texts = await phone.page.locator('.amount, .terms, blockquote').allTextContents();
    expect(texts).toEqual([
      '€12.50',
      'to Flower shop 花屋',
      'Pay 12.50 EUR to Flower shop 花屋.',
      'Approving gives Demo agent: your e-mail address.',
      'Order 4711',
    ]);
    for (const selector of ['.amount', '.payee', '#deny', '#approve'])
      expect([selector, await isInView(phone.page, selector)]).toEqual([selector, true]);
    expect(await accessibilityProblems(phone.page)).toEqual([]);
    await phone.page.click('#approve');
    await phone.page.fill('#pin', pin);
    expect(await phone.page.locator('.amount').allTextContents()).toEqual(['€12.50', 'to Flower shop 花屋']);
    await phone.page.click('#confirm');
    await phone.page.waitForSelector('text=Approved');
    const tokens = await client.pollBackchannelAuthenticationGrant(agent, started);
    expect(tokens['authorization_details']).toEqual([payment]);
    expect(phone.complaints).toEqual([]);
  });

  test('a document stands on the screen, and what cannot be shown is saved as the very bytes', async () => {
    const user = String((await manage(server, 'POST', '/users', { username: 'signer', language: 'en' }))['username']);
    await using phone = await openBrowser({ size: phoneSize });
    const { page } = phone;
    await enrollPage(server, page, user);
    const helpdesk = await configuration(server, 'demo-helpdesk');
    const ask = (document: object) =>
      client.initiateBackchannelAuthentication(helpdesk, {
        scope: 'openid',
        login_hint: user,
        document: JSON.stringify(document),
      });
    const text = 'Terms of the loan\n\n1.\tThe rate is 4,10 %.\n<b>2.</b>\tNo other costs.\n'.repeat(8);
    const started = await ask({ title: 'Terms of the loan', mime: 'text/plain', content: text });
    await page.waitForSelector('.document-text');
    expect(await page.locator('.document-text').textContent()).toBe(text);
    for (const selector of ['.document h2', '#deny', '#approve'])
      expect([selector, await isInView(page, selector)]).toEqual([selector, true]);
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.check(`input[value="${started['match_code']}"]`);
    await page.click('#approve');
    await page.fill('#pin', pin);
    expect(await page.locator('.terms').allTextContents()).toContain('Document: Terms of the loan');
    await page.click('#confirm');
    await page.waitForSelector('text=Approved');
    await page.click('button:has-text("Done")');

    const pdf = Buffer.from('%PDF-1.7\n%\u00e4\n', 'latin1');
    await ask({ title: '../Contract: 17', mime: 'application/pdf', content: pdf.toString('base64') });
    const [saved] = await Promise.all([page.waitForEvent('download'), page.click('#document')]);
    expect(saved.suggestedFilename()).toBe('Contract_ 17.pdf');
    expect(await readFile(await saved.path())).toEqual(pdf);

    const sha256 = createHash('sha256').update(pdf).digest('base64url');
    await ask({ title: 'Deed', mime: 'application/pdf', content_sha256: sha256 });
    await page.click('#show-request');
    await page.waitForSelector('.hash');
    expect(await page.locator('.hash').textContent()).toBe(sha256);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(phone.complaints).toEqual([]);
  });

  test('S-03 what the client gets stands on the screen in the server’s words, beside a long text of the client and three numbers', async () => {
    const user = String((await manage(server, 'POST', '/users', { username: 'sharer', language: 'nl' }))['username']);
    await using phone = await openBrowser({ size: phoneSize });
    await enrollPage(server, phone.page, user);
    const started = await client.initiateBackchannelAuthentication(await configuration(server, 'demo-helpdesk'), {
      scope: 'openid profile email phone offline_access',
      login_hint: user,
      binding_message: 'Your address changes to Langestraat 17 in Utrecht. '.repeat(4).slice(0, 160),
    });
    await phone.page.waitForSelector('#approve');
    expect(await phone.page.textContent('.shared')).toBe(
      'Met uw goedkeuring krijgt Demo help desk: uw naam, gebruikersnaam en taal, uw e-mailadres, uw telefoonnummer, ' +
        'toegang terwijl u er niet bent, tot u die intrekt.',
    );
    for (const selector of ['.shared', 'blockquote', '.choices', '#deny', '#approve']) {
      expect([selector, await isInView(phone.page, selector)]).toEqual([selector, true]);
    }
    expect(await accessibilityProblems(phone.page)).toEqual([]);
    expect(started.expires_in).toBeGreaterThan(0);
    expect(phone.complaints).toEqual([]);
  });

  test('B08 TH-03 the client’s text stands on the screen character for character, and goes with the prompt when the client cancels', async () => {
    const user = String((await manage(server, 'POST', '/users', { username: 'leaver' }))['username']);
    await using phone = await openBrowser({ size: phoneSize });
    await enrollPage(server, phone.page, user);
    const agent = await configuration(server, 'demo-agent');
    const binding_message =
      '  <b>5</b> &amp; <img src=x onerror=alert(1)>  é e\u0301 אישור 42 تأكيد 支払い\u3000👍🏽 %0a \\u202e ';
    const request = { scope: 'openid', login_hint: user, binding_message };
    const started = await client.initiateBackchannelAuthentication(agent, request);
    await phone.page.waitForSelector('#approve');
    expect(await phone.page.locator('blockquote').textContent()).toBe(binding_message);
    expect(phone.complaints).toEqual([]);
    const headers = { authorization: `Basic ${btoa(`demo-agent:${server.secretOf('demo-agent')}`)}` };
    const body = new URLSearchParams({ auth_req_id: started.auth_req_id });
    expect((await fetch(`${server.issuer}/bc-authorize`, { method: 'DELETE', headers, body })).status).toBe(204);
    await phone.page.waitForSelector('#approve', { state: 'detached' });
    expect(await phone.page.locator('#approve').count()).toBe(0);
  });
});

function configuration({ issuer, secretOf }: TestServer, clientId: string): Promise<client.Configuration> {
  const metadata = { id_token_signed_response_alg: 'ES256' };
  const options = { execute: [client.allowInsecureRequests] };
  return client.discovery(new URL(issuer), clientId, metadata, client.ClientSecretBasic(secretOf(clientId)), options);
}

async function manage({ management, managementKey }: TestServer, method: string, path: string, body?: object) {
  const response = await fetch(`${management}/management/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${managementKey}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Record<string, unknown>;
}

async function enroll(on: TestServer, username: string): Promise<Device> {
  const [user] = (await manage(on, 'GET', `/users?username=${username}`))['items'] as { id: string }[];
  const ticket = await manage(on, 'POST', `/users/${user!.id}/enrollment-tickets`);
  const enrollment = await beginEnrollment(memoryStorage(), String(ticket['ticket_uri']));
  return enrollment.finish({ device: { name: 'Test phone' }, pin });
}

type Browser = Awaited<ReturnType<typeof openBrowser>>['page'];

async function enrollPage(on: TestServer, page: Browser, user: string): Promise<void> {
  await page.goto(`${on.issuer}/demo/enroll?user=${user}`);
  await page.click('#continue');
  await page.fill('#pin', pin);
  await page.fill('#pin-again', pin);
  await page.click('#save');
  await page.click('#done');
  await page.waitForSelector('.outcome, #approve');
}

async function startGateway(): Promise<AddressInfo> {
  gateway.on('request', async (req, res) => {
    let text = '';
    for await (const chunk of req) text += chunk;
    told.push(JSON.parse(text));
    res.end();
    gateway.emit('told');
  });
  await new Promise<void>((ready) => gateway.listen(0, '127.0.0.1', ready));
  return gateway.address() as AddressInfo;
}

const tellingAt = (url: string) => `
  export default async function tell(notice, { signal }) {
    const answer = await fetch('${url}', { method: 'POST', body: JSON.stringify(notice), signal });
    if (!answer.ok) throw new Error('the gateway answered ' + answer.status);
  }`;

/** What a device hears, in the order in which it hears it. */
function listen(device: Device) {
  const heard: InboxEvent[] = [];
  const stopped = new AbortController();
  let look = () => {};
  const listening = device.events(
    (event) => {
      heard.push(event);
      look();
    },
    { signal: stopped.signal },
  );
  return {
    /** The next of its kind; others before it are passed over. */
    async next(kind: InboxEvent['event']): Promise<InboxEvent> {
      for (;;) {
        const at = heard.findIndex(({ event }) => event === kind);
        if (at >= 0) return heard.splice(0, at + 1).at(-1)!;
        await new Promise<void>((resolve) => {
          look = resolve;
        });
      }
    },
    async stop() {
      stopped.abort();
      await listening;
    },
  };
}
