import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:tls';
import type { PublicParts } from '../../src/http/app.ts';
import { peerCertificateOf } from '../../src/http/edge/peer-certificate.ts';
import { createAuthority, selfSigned } from '../support/certificates.ts';
import { exchangeRaw, publicApp, startListener } from './support/server.ts';
import { startTls, tlsFolder } from './support/tls.ts';

const clients = createAuthority('Client authority');
const shown = clients.issue({ name: 'backend' });
const own = selfSigned({ name: 'backend' });
const der = (pem: string) => new X509Certificate(pem).raw;
const thumbprint = (pem: string) => createHash('sha256').update(der(pem)).digest('base64url');

/** RFC 9440, and what nginx calls `$ssl_client_escaped_cert`. */
const rfc9440 = (pem: string) => `:${der(pem).toString('base64')}:`;
const escaped = (pem: string) => encodeURIComponent(pem);

/** An app whose engine answers with the certificate that it was told of, and the headers that it saw. */
function telling(parts: Partial<PublicParts> = {}) {
  return publicApp({
    ...parts,
    engine: {
      paths: ['/oauth/token'],
      handle(req, res) {
        const peer = peerCertificateOf(req);
        const told = peer && {
          thumbprint: peer.thumbprint,
          verified: peer.verified,
          subject: peer.certificate.subject,
        };
        res.end(JSON.stringify({ told, address: req.headers['x-forwarded-for'], headers: Object.keys(req.headers) }));
      },
    },
  });
}

describe('the port where clients may show a certificate', () => {
  const ask = async (server: Awaited<ReturnType<typeof startTls>>, options = {}) =>
    JSON.parse((await server.ask({ path: '/oauth/token', ...options })).body);

  async function started({ trusting }: { trusting: boolean }) {
    const folder = await tlsFolder();
    folder.write('clients.pem', `${createAuthority('Another').cert}${clients.cert}`);
    const settings = trusting ? { clientAuthorities: folder.path('clients.pem') } : {};
    const server = await startTls({ folder, kind: 'client-certificates', handler: telling(), settings });
    return {
      server,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  }

  test('the certificate of the handshake is handed over; verified if a named authority has issued it', async () => {
    await using trusting = await started({ trusting: true });
    expect((await ask(trusting.server, shown)).told).toEqual({
      thumbprint: thumbprint(shown.cert),
      verified: true,
      subject: 'CN=backend',
    });
    expect((await ask(trusting.server, own)).told).toEqual({
      thumbprint: thumbprint(own.cert),
      verified: false,
      subject: 'CN=backend',
    });
  });

  test('without named authorities no chain is verified, and certificates are handed over all the same', async () => {
    await using trustless = await started({ trusting: false });
    expect((await ask(trustless.server, shown)).told).toMatchObject({
      thumbprint: thumbprint(shown.cert),
      verified: false,
    });
  });

  test('nobody has to show one', async () => {
    await using trusting = await started({ trusting: true });
    expect((await ask(trusting.server)).told).toBeUndefined();
  });

  test('a certificate without its key is no certificate', async () => {
    await using trusting = await started({ trusting: true });
    const thief = { cert: shown.cert, key: own.key };
    await expect(ask(trusting.server, thief)).rejects.toThrow();
  });

  test('no session is resumed: each connection is judged by the authorities of its time', async () => {
    await using trusting = await started({ trusting: true });
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      let tickets = 0;
      const options = {
        host: '127.0.0.1',
        port: trusting.server.port,
        rejectUnauthorized: false,
        maxVersion,
        ...shown,
      };
      const first = connect(options).on('session', () => (tickets += 1));
      first.write('GET /oauth/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      first.resume();
      await new Promise((resolve) => first.once('close', resolve));
      const second = connect({ ...options, session: first.getSession() });
      await once(second, 'secureConnect');
      expect([maxVersion, second.isSessionReused()]).toEqual([maxVersion, false]);
      second.destroy();
    }
  });

  test('on the other port nobody is asked for a certificate', async () => {
    await using folder = await tlsFolder();
    await using server = await startTls({ folder, handler: telling() });
    expect((await ask(server, shown)).told).toBeUndefined();
  });

  test('TH-32 on both TLS ports headers about certificates and addresses mean nothing, whatever is configured for proxies', async () => {
    await using folder = await tlsFolder();
    const handler = telling({
      proxyHops: 1,
      proxy: { clientCertificateHeader: 'Client-Cert', clientCertificatesVerified: true },
    });
    for (const kind of ['server', 'client-certificates'] as const) {
      await using server = await startTls({ folder, kind, handler });
      const headers = { 'Client-Cert': rfc9440(shown.cert), 'X-Forwarded-For': '203.0.113.7' };
      const { told, address, headers: seen } = await ask(server, { headers });
      expect({ told, address }).toEqual({ told: undefined, address: '127.0.0.1' });
      expect(seen).not.toContain('client-cert');
    }
  });
});

describe('a certificate that a proxy hands over', () => {
  interface Asked {
    hops?: number;
    proxy?: PublicParts['proxy'];
    headers?: string[];
  }
  const proxy = { clientCertificateHeader: 'Client-Cert' };

  async function askPlain({ hops = 1, proxy: setting = proxy, headers = [] }: Asked) {
    await using server = await startListener(telling({ proxyHops: hops, proxy: setting }));
    const lines = ['POST /oauth/token HTTP/1.1', 'Host: x', ...headers, 'Connection: close', 'Content-Length: 0'];
    const answer = await exchangeRaw(server.port, `${lines.join('\r\n')}\r\n\r\n`);
    const status = Number(answer.slice(9, 12));
    const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
    const text = /transfer-encoding: chunked/i.test(answer)
      ? body.replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/gi, '')
      : body;
    return { status, ...JSON.parse(text) };
  }

  test.each([
    ['as RFC 9440 writes it', rfc9440],
    ['as PEM in URL encoding', escaped],
  ])('%s', async (_how, write) => {
    const answer = await askPlain({ headers: [`Client-Cert: ${write(shown.cert)}`] });
    expect(answer.told).toEqual({ thumbprint: thumbprint(shown.cert), verified: false, subject: 'CN=backend' });
    expect(answer.headers).not.toContain('client-cert');
  });

  test('it counts as verified where the operator says that the proxy does that', async () => {
    const vouching = { ...proxy, clientCertificatesVerified: true };
    const answer = await askPlain({ proxy: vouching, headers: [`client-cert: ${rfc9440(shown.cert)}`] });
    expect(answer.told.verified).toBe(true);
  });

  test('any header name will do, and is removed before anybody else reads it', async () => {
    const named = { clientCertificateHeader: 'X-Backend-Identity' };
    const answer = await askPlain({ proxy: named, headers: [`X-Backend-Identity: ${escaped(own.cert)}`] });
    expect(answer.told.thumbprint).toBe(thumbprint(own.cert));
    expect(answer.headers).not.toContain('x-backend-identity');
  });

  test.each<[string, Asked]>([
    ['no proxy is configured', { hops: 0 }],
    ['no header is configured', { proxy: {} }],
    ['another header is configured', { proxy: { clientCertificateHeader: 'X-SSL-Client-Cert' } }],
  ])('TH-32 a certificate in a header is ignored where %s', async (_when, asked) => {
    const answer = await askPlain({ ...asked, headers: [`Client-Cert: ${rfc9440(shown.cert)}`] });
    expect([answer.status, answer.told]).toEqual([200, undefined]);
    expect(answer.headers).not.toContain('client-cert');
  });

  const good = rfc9440(shown.cert);
  test.each([
    ['two of them, one from the client itself', [`Client-Cert: ${rfc9440(own.cert)}`, `Client-Cert: ${good}`]],
    ['two in one line', [`Client-Cert: ${rfc9440(own.cert)}, ${good}`]],
    ['bytes that are no certificate', ['Client-Cert: :AAAA:']],
    ['base64 without its colons', [`Client-Cert: ${good.slice(1, -1)}`]],
    ['a key in PEM', [`Client-Cert: ${escaped(shown.key)}`]],
    ['two certificates in PEM', [`Client-Cert: ${escaped(own.cert + shown.cert)}`]],
    ['half of an encoding', ['Client-Cert: -----BEGIN%20CERTIFICATE-----%']],
    ['a word', ['Client-Cert: none']],
  ])('%s is a 400 and not a certificate', async (_what, headers) => {
    expect(await askPlain({ headers })).toMatchObject({ status: 400, code: 'bad_request' });
  });

  test('an empty header is what proxies send for no certificate', async () => {
    const answer = await askPlain({ headers: ['Client-Cert: '] });
    expect([answer.status, answer.told]).toEqual([200, undefined]);
  });
});
