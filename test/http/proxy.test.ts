import type { Exchange } from '../../src/http/edge/exchange.ts';
import { trustedProxies } from '../../src/http/edge/proxies.ts';
import { exchangeRaw, publicApp, startListener } from './support/server.ts';

/** What every piece behind the edge sees of a request that pretends everything at once. */
const pretended = [
  'X-Forwarded-For: 203.0.113.7',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: evil.example',
  'X-Forwarded-Client-Cert: Hash=abc',
  'Forwarded: for=203.0.113.7;proto=https;host=evil.example',
  'X-Real-IP: 203.0.113.7',
  'X-SSL-Client-Cert: MIIB',
  'SSL-Client-Verify: SUCCESS',
  'X-Client-Cert: MIIB',
  'X-Original-URL: /management/v1/users',
  'X-HTTP-Method-Override: DELETE',
];

async function seenBehindTheEdge(hops: number, headers = pretended) {
  let seen: { headers: Record<string, unknown>; ip?: string } = { headers: {} };
  const engine = {
    paths: ['/oauth/token'],
    handle(req: { headers: Record<string, unknown> }, res: { end(): void }) {
      seen = { headers: req.headers };
      res.end();
    },
  };
  const app = publicApp({ proxyHops: hops, engine: engine as never, issuer: 'https://login.example' });
  await using server = await startListener(app);
  const lines = [
    'POST /oauth/token HTTP/1.1',
    'Host: evil.example',
    ...headers,
    'Connection: close',
    'Content-Length: 0',
  ];
  await exchangeRaw(server.port, `${lines.join('\r\n')}\r\n\r\n`);
  return seen;
}

describe('TH-32 headers that only a proxy may set', () => {
  test('TH-32 without configured proxies all of them are gone, and the address is the peer', async () => {
    const { headers } = await seenBehindTheEdge(0);
    const { connection, 'content-length': length, ...rest } = headers;
    // host and scheme are the issuer's, whatever the request said
    expect(rest).toEqual({ host: 'login.example', 'x-forwarded-proto': 'https', 'x-forwarded-for': '127.0.0.1' });
  });

  test('TH-32 with one proxy only the address that it saw is believed; certificates and hosts never', async () => {
    const { headers } = await seenBehindTheEdge(1);
    const { connection, 'content-length': length, ...rest } = headers;
    expect(rest).toEqual({ host: 'login.example', 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7' });
  });

  const ipOf = (hops: number, forwarded: string | undefined, peer: string) => {
    const req = { headers: { 'x-forwarded-for': forwarded }, socket: { remoteAddress: peer } };
    const exchange = { req, address: '' } as unknown as Exchange;
    trustedProxies({ hops })(exchange);
    return exchange.address;
  };

  test.each([
    [0, '1.1.1.1', '10.0.0.1', '10.0.0.1'],
    [1, undefined, '10.0.0.1', '10.0.0.1'],
    [1, '6.6.6.6, 1.1.1.1', '10.0.0.1', '1.1.1.1'],
    [2, '6.6.6.6, 1.1.1.1, 10.0.0.2', '10.0.0.1', '1.1.1.1'],
    [2, '1.1.1.1', '10.0.0.1', '1.1.1.1'],
    [1, '1.1.1.1, not-an-address', '10.0.0.1', '10.0.0.1'],
    [1, '2001:db8::1', '10.0.0.1', '2001:db8::1'],
    [0, undefined, '::ffff:192.0.2.1', '192.0.2.1'],
  ])('TH-32 hops %d, X-Forwarded-For %s, peer %s: the client is %s', (hops, forwarded, peer, expected) => {
    expect(ipOf(hops, forwarded, peer)).toBe(expected);
  });
});
