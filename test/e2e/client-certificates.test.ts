import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { type Certificate, createAuthority, selfSigned } from '../support/certificates.ts';
import { freePorts } from '../support/ports.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** What the operator's proxy writes; at the ports with TLS there is no proxy. */
const ofProxy = 'Proxy-Certificate';
const ciba = 'urn:openid:params:grant-type:ciba';
const serverAuthority = createAuthority('Web');
const clientAuthority = createAuthority('Members');
const bank = clientAuthority.issue({ name: 'bank.example' });
const own = selfSigned({ name: 'own.example' });
const partners = createAuthority('Partners');
const stranger = createAuthority('Anybody').issue({ name: 'bank.example' });

const der = (certificate: Certificate) => new X509Certificate(certificate.cert);
const client = (client_id: string, more: object) => ({
  client_id,
  client_name: client_id,
  grant_types: [ciba],
  backchannel_token_delivery_mode: 'poll',
  tls_client_certificate_bound_access_tokens: true,
  ...more,
});
const clients = [
  client('bank', { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'bank.example' }),
  client('own', {
    token_endpoint_auth_method: 'self_signed_tls_client_auth',
    jwks: { keys: [{ ...der(own).publicKey.export({ format: 'jwk' }), x5c: [der(own).raw.toString('base64')] }] },
  }),
];
const pinged = (client_id: string, { url }: Receiver) =>
  client(client_id, {
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_san_dns: 'bank.example',
    backchannel_token_delivery_mode: 'ping',
    backchannel_client_notification_endpoint: url,
  });

describe('clients with certificates, at a real server over TLS', () => {
  let server: TestServer;
  let clientPort: number;
  /** One that only people with a certificate of its private authority reach, and one of the web. */
  let partner: Receiver;
  let web: Receiver;
  let clean: () => Promise<void>;

  beforeAll(async () => {
    const folder = await temporaryFolder('assent-mtls');
    const file = (name: string, text: string) => {
      writeFileSync(join(folder.path, name), text);
      return join(folder.path, name);
    };
    const issued = serverAuthority.issue({ name: 'localhost' });
    const [port = 0, second = 0] = await freePorts(2);
    clientPort = second;
    const tls = {
      port,
      clientPort,
      certificate: file('cert.pem', issued.cert),
      key: file('key.pem', issued.key),
      clientAuthorities: file('members.pem', clientAuthority.cert),
    };
    const ours = partners.issue({ name: 'assent.example' });
    partner = await startReceiver({ authority: partners, asks: true });
    web = await startReceiver({ authority: serverAuthority });
    clean = async () => {
      await server?.[Symbol.asyncDispose]();
      await partner.close();
      await web.close();
      await folder.remove();
    };
    server = await startServer({
      config: {
        tls,
        proxyHops: 1,
        proxy: { clientCertificateHeader: ofProxy, clientCertificatesVerified: true },
        clients: [...clients, pinged('partner', partner), pinged('web', web)],
        outbound: {
          trustAnchors: [file('partners.pem', partners.cert)],
          clientCertificate: { certificate: file('ours.pem', ours.cert), key: file('ours-key.pem', ours.key) },
        },
      },
      // what everybody believes
      env: { NODE_EXTRA_CA_CERTS: file('web.pem', serverAuthority.cert) },
    });
    const device = { user: 'alice', methods: ['device', 'pin'], behaviour: { decide: 'ignore' } };
    const enrolled = await fetch(`${server.issuer}/simulator/devices`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(device),
    });
    expect(enrolled.ok).toBe(true);
  }, 60_000);
  afterAll(() => clean());

  interface Call {
    certificate?: Certificate | undefined;
    params?: Record<string, string>;
    headers?: Record<string, string>;
  }
  async function call(path: string, { certificate, params, headers = {} }: Call = {}) {
    const body = params && new URLSearchParams(params).toString();
    const req = request({
      host: '127.0.0.1',
      port: clientPort,
      path,
      method: body === undefined ? 'GET' : 'POST',
      servername: 'localhost',
      ca: serverAuthority.cert,
      agent: false,
      ...certificate,
      headers: { ...(body && { 'content-type': 'application/x-www-form-urlencoded' }), ...headers },
    }).end(body);
    const [res] = await once(req, 'response');
    let text = '';
    for await (const chunk of res) text += chunk;
    return { status: res.statusCode as number, body: JSON.parse(text) };
  }
  const start = (client_id: string, certificate?: Certificate, headers?: Record<string, string>, more = {}) =>
    call('/bc-authorize', {
      certificate,
      params: { client_id, scope: 'openid', login_hint: 'alice', ...more },
      ...(headers && { headers }),
    });
  const allow = (authReqId: string) =>
    fetch(`${server.issuer}/simulator/decide?auth_req_id=${authReqId}&action=allow`, { method: 'POST' });
  const refused = { status: 401, body: { error: 'invalid_client' } };

  test.each([
    ['bank', bank],
    ['own', own],
  ])(
    'A-09 I-05 I-06 %s signs somebody in, its token is bound to its certificate, and the resource takes it from nobody else',
    async (id, certificate) => {
      const started = await start(id, certificate);
      expect(started.status).toBe(200);
      const { auth_req_id } = started.body;
      expect((await allow(auth_req_id)).status).toBe(204);
      const params = { client_id: id, grant_type: ciba, auth_req_id };
      expect(await call('/oauth/token', { params })).toMatchObject(refused);
      const tokens = await call('/oauth/token', { certificate, params });
      expect(tokens.status).toBe(200);

      const token = tokens.body.access_token;
      const introspected = await call('/oauth/introspect', { certificate, params: { client_id: id, token } });
      const thumbprint = createHash('sha256').update(der(certificate).raw).digest('base64url');
      expect(introspected.body).toMatchObject({ active: true, cnf: { 'x5t#S256': thumbprint } });
      const headers = { authorization: `Bearer ${token}` };
      expect(await call('/fapi/resource', { certificate, headers })).toMatchObject({
        status: 200,
        body: { client_id: id },
      });
      for (const another of [stranger, id === 'bank' ? own : bank, undefined]) {
        expect(await call('/fapi/resource', { certificate: another, headers })).toMatchObject({ status: 401 });
      }
      expect((await fetch(`${server.issuer}/fapi/resource`, { headers })).status).toBe(401);
    },
  );

  test('A-09 another’s certificate, one of an authority that nobody named, and none at all open nothing', async () => {
    for (const certificate of [stranger, own, undefined])
      expect(await start('bank', certificate)).toMatchObject(refused);
    for (const certificate of [stranger, bank, undefined])
      expect(await start('own', certificate)).toMatchObject(refused);
  });

  test('B06 N-09 a ping reaches a receiver that has a private authority and wants a certificate, and still those of the web', async () => {
    for (const [id, receiver, shown] of [['partner', partner, 'assent.example'] as const, ['web', web] as const]) {
      const started = await start(id, bank, undefined, { client_notification_token: 'a-notification-token' });
      await allow(started.body.auth_req_id);
      const [call] = await receiver.until(1);
      expect([call!.body, call!.shown]).toEqual([{ auth_req_id: started.body.auth_req_id }, shown]);
    }
  });

  test('TH-32 I-05 I-06 a proxy that the operator names hands over the certificate: the client is known by it, and its token bound to it', async () => {
    const params = { client_id: 'bank', scope: 'openid', login_hint: 'alice' };
    expect(await start('bank', undefined, { [ofProxy]: encodeURIComponent(bank.cert) })).toMatchObject(refused);
    const through = async (path: string, shown: Certificate | undefined, init: RequestInit) => {
      const header = shown && { [ofProxy]: encodeURIComponent(shown.cert) };
      const answer = await fetch(server.issuer + path, { ...init, headers: { ...init.headers, ...header } });
      return { status: answer.status, body: (await answer.json()) as { auth_req_id: string; access_token: string } };
    };
    const post = (path: string, shown: Certificate | undefined, form: Record<string, string>) =>
      through(path, shown, { method: 'POST', body: new URLSearchParams(form) });

    for (const shown of [own, undefined]) expect(await post('/bc-authorize', shown, params)).toMatchObject(refused);
    const { auth_req_id } = (await post('/bc-authorize', bank, params)).body;
    await allow(auth_req_id);
    const redeem = { client_id: 'bank', grant_type: ciba, auth_req_id };
    expect(await post('/oauth/token', own, redeem)).toMatchObject(refused);
    const token = (await post('/oauth/token', bank, redeem)).body.access_token;
    const introspected = await post('/oauth/introspect', bank, { client_id: 'bank', token });
    const thumbprint = createHash('sha256').update(der(bank).raw).digest('base64url');
    expect(introspected.body).toMatchObject({ active: true, cnf: { 'x5t#S256': thumbprint } });
    const headers = { authorization: `Bearer ${token}` };
    const statuses = [bank, stranger, undefined].map((shown) => through('/fapi/resource', shown, { headers }));
    expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([200, 401, 401]);
  });

  test('a certificate that is only written into a header opens nothing, at either listener', async () => {
    const pem = encodeURIComponent(bank.cert);
    for (const name of ['client-cert', 'x-ssl-client-cert', 'x-client-cert', 'x-forwarded-client-cert']) {
      expect(await start('bank', undefined, { [name]: pem })).toMatchObject(refused);
      const plain = await fetch(`${server.issuer}/bc-authorize`, {
        method: 'POST',
        headers: { [name]: pem },
        body: new URLSearchParams({ client_id: 'bank', scope: 'openid', login_hint: 'alice' }),
      });
      expect(plain.status).toBe(401);
    }
  });

  test('M-10 M-11 the aliases lead to the port where certificates are asked for', async () => {
    const metadata = (await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json()) as {
      mtls_endpoint_aliases: Record<string, string>;
    };
    expect(metadata.mtls_endpoint_aliases).toMatchObject({
      token_endpoint: `https://localhost:${clientPort}/oauth/token`,
      backchannel_authentication_endpoint: `https://localhost:${clientPort}/bc-authorize`,
    });
    for (const member of Object.keys(metadata.mtls_endpoint_aliases)) expect(metadata).toHaveProperty(member);
  });
});
