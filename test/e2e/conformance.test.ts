/**
 * docs/conformance.md, done by machine: a server runs with what `assent init --conformance` wrote, and the steps of the
 * suite's FAPI-CIBA modules are taken with the settings that it wrote for the suite, and nothing else.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants, createPublicKey, type JsonWebKey, randomUUID, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { runCli } from '../support/cli.ts';
import { freePorts } from '../support/ports.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { inherited, repository } from '../support/server.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';

type Key = JsonWebKey & { kid: string };
interface Client {
  client_id: string;
  scope: string;
  jwks: { keys: [Key] };
  hint_value: string;
  acr_value: string;
}
interface Certificate {
  cert: string;
  key: string;
}
/** What the suite reads. */
interface Settings {
  server: { discoveryUrl: string };
  client: Client;
  client2: Client;
  mtls: Certificate;
  mtls2: Certificate;
  resource: { resourceUrl: string };
  automated_ciba_approval_url: string;
}
// biome-ignore lint/suspicious/noExplicitAny: answers of any shape
type Json = any;

let folder: TemporaryFolder;
let receiver: Receiver;
let server: ChildProcess;
let written: { config: string; masterKey: string; certificate: string; issuer: string; suites: string[] };

beforeAll(async () => {
  folder = await temporaryFolder('assent-conformance');
  receiver = await startReceiver();
  const port = await portAndNext();
  const place = ['--issuer', `https://localhost:${port}`, '--suite', `https://localhost:${receiver.port}`];
  const init = await runCli(['init', folder.path, '--conformance', ...place, '--json']);
  expect(init).toMatchObject({ status: 0, stderr: '' });
  written = init.json();
  server = await serve();
  const device = await call(`${written.issuer}/simulator/devices`, {
    method: 'POST',
    json: { user: 'alice', methods: ['pin'] },
  });
  expect(device.status).toBe(201);
});
afterAll(async () => {
  server?.kill('SIGKILL');
  if (server) await once(server, 'close');
  await receiver.close();
  await folder.remove();
});

/** The port for certificates is the next one. */
async function portAndNext(): Promise<number> {
  for (;;) {
    const [port = 0] = await freePorts(1);
    const next = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      next.once('error', () => resolve(false));
      next.listen(port + 1, () => next.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/** `assent serve`, on ports of its own beside those of the issuer. */
async function serve(): Promise<ChildProcess> {
  const [port, management, authenticator] = await freePorts(3);
  const ca = join(folder.path, 'suite-ca.pem');
  writeFileSync(ca, receiver.ca);
  const env = {
    ...inherited(),
    ASSENT_MASTER_KEY_FILE: written.masterKey,
    ASSENT_PORT: String(port),
    ASSENT_MANAGEMENT_PORT: String(management),
    ASSENT_AUTHENTICATOR_PORT: String(authenticator),
    ASSENT_AUTHENTICATOR_ORIGIN: `http://localhost:${authenticator}`,
    NODE_EXTRA_CA_CERTS: ca,
  };
  const args = ['--disable-warning=ExperimentalWarning', join(repository, 'src/cli/main.ts')];
  const child = spawn(process.execPath, [...args, 'serve', '--config', written.config], {
    env,
    cwd: folder.path,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
        if (output.includes('"process.ready"')) resolve();
      });
    }
    child.once('exit', () => reject(new Error(output)));
  });
  return child;
}

interface Call {
  method?: string;
  form?: Record<string, string>;
  json?: object;
  headers?: Record<string, string>;
  certificate?: Certificate;
}

/** The suite's HTTP client: one certificate or none. */
async function call(url: string, { method = 'GET', form, json, headers, certificate }: Call = {}) {
  const body = form ? new URLSearchParams(form).toString() : json && JSON.stringify(json);
  const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
  const req = httpsRequest(url, {
    method,
    ca: readFileSync(written.certificate),
    agent: false,
    ...certificate,
    headers: { ...headers, ...(body && { 'content-type': type }) },
  });
  req.end(body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of res) text += chunk;
  return { status: res.statusCode, headers: res.headers, body: (text ? JSON.parse(text) : undefined) as Json };
}

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

function jwt(claims: object, key: Key, alg = 'PS256', typ?: string): string {
  const text = `${base64url({ alg, kid: key.kid, typ })}.${base64url(claims)}`;
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const how = { key, format: 'jwk' as const, ...(alg === 'PS256' ? pss : {}) };
  return `${text}.${sign('sha256', Buffer.from(text), how).toString('base64url')}`;
}

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());

/** One client of one variant, as the suite plays it. */
async function player(variant: string, number: 1 | 2 = 1) {
  const file = written.suites.find((each) => each.endsWith(`suite-${variant}.json`))!;
  const settings: Settings = JSON.parse(readFileSync(file, 'utf8'));
  const client = number === 1 ? settings.client : settings.client2;
  const certificate = number === 1 ? settings.mtls : settings.mtls2;
  const [key] = client.jwks.keys;
  const metadata = (await call(settings.server.discoveryUrl)).body;
  const isMtls = variant.endsWith('mtls');
  const alias = metadata.mtls_endpoint_aliases;
  const now = () => Math.floor(Date.now() / 1000);

  const credentials = (changed: object = {}, alg?: string): Record<string, string> => {
    if (isMtls) return { client_id: client.client_id };
    const { client_id: id } = client;
    const claims = {
      iss: id,
      sub: id,
      aud: metadata.issuer,
      jti: randomUUID(),
      iat: now(),
      exp: now() + 60,
      ...changed,
    };
    return {
      client_assertion: jwt(claims, key, alg),
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    };
  };
  const requestObject = (changed: object = {}, alg?: string, typ?: string) =>
    jwt(
      {
        aud: metadata.issuer,
        iss: client.client_id,
        iat: now(),
        nbf: now(),
        exp: now() + 300,
        jti: randomUUID(),
        scope: client.scope,
        login_hint: client.hint_value,
        binding_message: '1234',
        acr_values: client.acr_value,
        ...(variant.startsWith('ping') && { client_notification_token: TOKEN }),
        ...changed,
      },
      key,
      alg,
      typ,
    );
  const backchannel = isMtls ? alias.backchannel_authentication_endpoint : metadata.backchannel_authentication_endpoint;
  return {
    settings,
    metadata,
    certificate,
    requestObject,
    credentials,
    startAs: (form: Record<string, string>) => call(backchannel, { method: 'POST', form }),
    start: (form: Record<string, string> = { request: requestObject() }) =>
      call(backchannel, { method: 'POST', form: { ...form, ...credentials() }, ...(isMtls && { certificate }) }),
    // tokens are bound to the certificate: at the alias, also with an assertion
    token: (auth_req_id: string) =>
      call(alias.token_endpoint, {
        method: 'POST',
        form: { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id, ...credentials() },
        certificate,
      }),
    refresh: (refresh_token: string) =>
      call(alias.token_endpoint, {
        method: 'POST',
        form: { grant_type: 'refresh_token', refresh_token, ...credentials() },
        certificate,
      }),
    decide: async (authReqId: string, action: 'allow' | 'deny') => {
      const url = settings.automated_ciba_approval_url.replace('{auth_req_id}', authReqId).replace('{action}', action);
      expect((await call(url, { method: 'POST' })).status).toBe(204);
    },
    resource: (accessToken: string, shown: Certificate = certificate) =>
      call(settings.resource.resourceUrl, {
        headers: { authorization: `Bearer ${accessToken}`, 'x-fapi-interaction-id': INTERACTION },
        certificate: shown,
      }),
  };
}

const TOKEN = 'suite-token-0123456789~+/==';
const INTERACTION = 'c770aef3-6784-41f7-8e0e-ff5f97bddb3a';

const variants = ['poll-private_key_jwt', 'poll-mtls', 'ping-private_key_jwt', 'ping-mtls'];

test('what init writes passes the check and is for its owner only', async () => {
  const env = { ASSENT_MASTER_KEY_FILE: written.masterKey };
  const checked = await runCli(['config', 'check', written.config, '--json'], { env });
  expect(checked.json()).toMatchObject({ ok: true, environment: 'conformance', clients: 8 });
  expect(written.suites).toHaveLength(4);
  // the suite's settings hold the clients' private keys
  for (const file of [...written.suites, written.masterKey]) expect(statSync(file).mode & 0o777).toBe(0o600);
  const again = await runCli(['init', folder.path, '--conformance', '--json']);
  expect([again.status, again.json().error.code]).toEqual([2, 'file_exists']);
});

test('discovery and keys are what the plan asks for', async () => {
  const { metadata } = await player(variants[0]!);
  expect(metadata).toMatchObject({
    issuer: written.issuer,
    backchannel_token_delivery_modes_supported: ['poll', 'ping'],
    backchannel_user_code_parameter_supported: false,
    tls_client_certificate_bound_access_tokens: true,
    token_endpoint_auth_methods_supported: ['private_key_jwt', 'self_signed_tls_client_auth'],
    grant_types_supported: expect.arrayContaining(['urn:openid:params:grant-type:ciba']),
  });
  const algs: string[] = metadata.backchannel_authentication_request_signing_alg_values_supported;
  expect([...algs].sort()).toEqual(['ES256', 'PS256']);
  const { keys } = (await call(metadata.jwks_uri)).body;
  expect(keys.every((each: Json) => each.kid && !each.d)).toBe(true);
});

describe.each(variants)('%s', (variant) => {
  test('the happy path: signed request, polls, approval, tokens, resource, once', async () => {
    receiver.forget();
    const player1 = await player(variant);
    const { metadata, settings } = player1;
    const started = await player1.start();
    expect(started).toMatchObject({ status: 200, body: { expires_in: 300, interval: 5 } });
    const { auth_req_id: id } = started.body;
    for (const error of ['authorization_pending', 'slow_down']) {
      expect(await player1.token(id)).toMatchObject({ status: 400, body: { error } });
    }
    await player1.decide(id, 'allow');
    if (variant.startsWith('ping')) {
      const [ping] = await receiver.until(1);
      expect(ping).toMatchObject({
        path: '/test/a/assent/ciba-notification-endpoint',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': expect.stringMatching(/^application\/json/) },
      });
      expect(ping!.body).toEqual({ auth_req_id: id });
    }
    const { status, body } = await player1.token(id);
    expect([status, body.token_type]).toEqual([200, 'Bearer']);
    await expectIdToken(body.id_token, metadata.jwks_uri, {
      iss: metadata.issuer,
      aud: settings.client.client_id,
      acr: settings.client.acr_value,
    });

    const resource = await player1.resource(body.access_token);
    expect(resource.status).toBe(200);
    expect(resource.headers).toMatchObject({
      'x-fapi-interaction-id': INTERACTION,
      'content-type': expect.stringMatching(/^application\/json/),
      date: expect.any(String),
    });
    expect((await player1.resource(body.access_token, settings.mtls2)).status).toBe(401);
    expect((await player1.token(id)).body).toMatchObject({ error: 'invalid_grant' });
    expect((await player1.resource(body.access_token)).status).toBe(200);
  });

  test('a refresh token comes with the scope of the settings, and is good for its own client only', async () => {
    const first = await player(variant);
    const { auth_req_id: id } = (await first.start()).body;
    await first.decide(id, 'allow');
    const { refresh_token: issued } = (await first.token(id)).body;
    const theirs = await (await player(variant, 2)).refresh(issued);
    expect(theirs).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    const { status, body } = await first.refresh(issued);
    expect([status, body.token_type]).toEqual([200, 'Bearer']);
    expect((await first.resource(body.access_token)).status).toBe(200);
  });

  test('the person rejects: access_denied', async () => {
    receiver.forget();
    const { start, decide, token } = await player(variant);
    const { auth_req_id: id } = (await start()).body;
    await decide(id, 'deny');
    if (variant.startsWith('ping')) expect((await receiver.until(1))[0]!.body).toEqual({ auth_req_id: id });
    expect(await token(id)).toMatchObject({ status: 400, body: { error: 'access_denied' } });
  });

  test('what is the first client’s is not the second’s', async () => {
    const first = await player(variant);
    const second = await player(variant, 2);
    const { auth_req_id: id } = (await first.start()).body;
    expect(await second.token(id)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    const theirs = await second.start({ request: first.requestObject() });
    expect(theirs).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  test('requests that are not signed as they must be are invalid_request', async () => {
    const { start, requestObject, metadata } = await player(variant);
    const now = Math.floor(Date.now() / 1000);
    const unsigned = {
      scope: 'openid',
      login_hint: 'alice',
      binding_message: '1234',
      client_notification_token: TOKEN,
    };
    const wrong: Record<string, string>[] = [
      unsigned,
      { request: requestObject({}, 'RS256') },
      { request: requestObject({ aud: 'https://other.example' }) },
      { request: requestObject({ iss: 'somebody' }) },
      ...['aud', 'iss', 'exp', 'iat', 'nbf', 'jti'].map((claim) => ({
        request: requestObject({ [claim]: undefined }),
      })),
      { request: requestObject({ exp: now - 300 }) },
      { request: requestObject({ exp: now + 70 * 60 }) },
      { request: requestObject({ nbf: now + 600 }) },
      { request: requestObject({ nbf: now - 70 * 60 }) },
      { request: requestObject({ login_hint: undefined }) },
      { request: requestObject({ login_hint_token: 'x' }) },
    ];
    for (const form of wrong) {
      const { status, body } = await start(form);
      expect([form, status, body.error]).toEqual([form, 400, 'invalid_request']);
    }
    expect(metadata.issuer).toBe(written.issuer);
  });
});

test('what the suite’s other modules send is taken: types, orders, numbers as text, the longest token', async () => {
  const { start, requestObject, settings } = await player('ping-private_key_jwt');
  const request = (changed: object) => start({ request: requestObject(changed) });
  expect((await start({ request: requestObject({}, 'PS256', 'OautH-auThZ-REQ+jWt') })).status).toBe(200);
  expect((await request({ scope: settings.client.scope.split(' ').reverse().join(' ') })).status).toBe(200);
  expect(
    (await request({ aud: [settings.server.discoveryUrl.replace('/.well-known/openid-configuration', '')] })).status,
  ).toBe(200);
  for (const requested_expiry of [30, '30']) {
    expect((await request({ requested_expiry })).body).toMatchObject({ expires_in: 30 });
  }
  expect((await request({ client_notification_token: 'a'.repeat(1024) })).status).toBe(200);
  expect((await request({ request_context: { location: { lat: 51.17 } } })).status).toBe(200);
  const long = '1234 漢字😀 '.repeat(60).slice(0, 456);
  expect((await request({ binding_message: long })).body).toMatchObject({ error: 'invalid_binding_message' });
});

test('assertions that are not good in every part are refused as CIBA Core 13 says', async () => {
  const { startAs, requestObject, credentials } = await player('poll-private_key_jwt');
  const { client_assertion: good = '', client_assertion_type: type = '' } = credentials();
  const [, claims] = good.split('.');
  const wrong: Record<string, string>[] = [
    ...['sub', 'iss', 'aud'].map((claim) => credentials({ [claim]: undefined })),
    credentials({ sub: 'somebody' }),
    credentials({ iss: 'somebody' }),
    credentials({ aud: 'https://other.example' }),
    credentials({ exp: Math.floor(Date.now() / 1000) - 300 }),
    credentials({}, 'RS256'),
    { client_assertion: `${base64url({ alg: 'none' })}.${claims}.`, client_assertion_type: type },
    { client_assertion: `${good.slice(0, -8)}AAAAAAAA`, client_assertion_type: type },
  ];
  const refused = async (form: Record<string, string>) => {
    const { status, body } = await startAs({ request: requestObject(), ...form });
    return [form, status, body.error];
  };
  for (const form of [...wrong, {}]) expect(await refused(form)).toEqual([form, 401, 'invalid_client']);
  // RFC 7521 4.2: not an assertion at all without its type
  for (const more of [{}, { client_assertion_type: 'urn:x' }] as Record<string, string>[]) {
    const form = { client_assertion: good, ...more };
    expect(await refused(form)).toEqual([form, 400, 'invalid_request']);
  }
  const { status } = await startAs({ request: requestObject(), ...credentials() });
  expect(status).toBe(200);
});

test('the certificate of one client is not good for the other: 401 invalid_client', async () => {
  const first = await player('poll-mtls');
  const second = { client_id: first.settings.client2.client_id };
  const { certificate, metadata, requestObject } = first;
  const { mtls_endpoint_aliases: alias } = metadata;
  const form = { request: requestObject(), ...second };
  const start = await call(alias.backchannel_authentication_endpoint, { method: 'POST', form, certificate });
  expect(start).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  const { auth_req_id = '' } = (await first.start()).body;
  const grant = { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id, ...second };
  const token = await call(alias.token_endpoint, { method: 'POST', form: grant, certificate });
  expect(token).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
});

test('tokens are only for whoever shows the certificate', async () => {
  const { start, decide, token, metadata, credentials } = await player('poll-private_key_jwt');
  const { auth_req_id } = (await start()).body;
  await decide(auth_req_id, 'allow');
  const form = { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id, ...credentials() };
  const bare = await call(metadata.mtls_endpoint_aliases.token_endpoint, { method: 'POST', form });
  expect([bare.status, bare.body.error]).toEqual([400, 'invalid_request']);
  expect((await token(auth_req_id)).status).toBe(200);
});

/** Signed by a published key, for this client, now. */
async function expectIdToken(token: string, jwksUri: string, claims: object): Promise<void> {
  const [head = '', body = '', signature = ''] = token.split('.');
  const { alg, kid } = JSON.parse(Buffer.from(head, 'base64url').toString());
  expect(alg).toBe('PS256');
  const { keys } = (await call(jwksUri)).body;
  const key = createPublicKey({ key: keys.find((each: Key) => each.kid === kid), format: 'jwk' });
  const how = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  expect(verify('sha256', Buffer.from(`${head}.${body}`), how, Buffer.from(signature, 'base64url'))).toBe(true);
  const found = claimsOf(token);
  const now = Date.now() / 1000;
  expect(found).toMatchObject({ ...claims, sub: expect.any(String) });
  expect(found.iat).toBeGreaterThan(now - 300);
  expect(found.exp).toBeGreaterThan(now);
}
