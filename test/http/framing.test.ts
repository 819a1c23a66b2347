import { exchangeRaw, limits, publicApp, startListener } from './support/server.ts';

const host = 'Host: localhost:3000\r\n';
const post = (headers: string, body = '') => `POST /oauth/token HTTP/1.1\r\n${host}${headers}\r\n${body}`;
const chunked = 'Transfer-Encoding: chunked\r\n';
const smuggled = `GET /health/live HTTP/1.1\r\n${host}\r\n`;

/** Each is a request that two parsers could cut at different places, or that is none at all (RFC 9112 §6, §11.2). */
const vectors: [string, string][] = [
  ['Content-Length and Transfer-Encoding', post(`Content-Length: 6\r\n${chunked}`, `0\r\n\r\n${smuggled}`)],
  ['Transfer-Encoding and Content-Length', post(`${chunked}Content-Length: 4\r\n`, `5c\r\n${smuggled}`)],
  ['both, chunked in capitals', post('Content-Length: 6\r\nTransfer-Encoding: CHUNKED\r\n', `0\r\n\r\n${smuggled}`)],
  ['two different Content-Length', post('Content-Length: 0\r\nContent-Length: 44\r\n', smuggled)],
  ['two equal Content-Length', post('Content-Length: 4\r\nContent-Length: 4\r\n', `a=bc${smuggled}`)],
  ['a list in Content-Length', post('Content-Length: 0, 44\r\n', smuggled)],
  ['a Content-Length with a plus', post('Content-Length: +4\r\n', `a=bc${smuggled}`)],
  ['a negative Content-Length', post('Content-Length: -1\r\n', smuggled)],
  ['a Content-Length in hexadecimal', post('Content-Length: 0x4\r\n', `a=bc${smuggled}`)],
  ['a Content-Length with an underscore', post('Content-Length: 1_0\r\n', `a=bc${smuggled}`)],
  ['a Content-Length with a decimal point', post('Content-Length: 4.0\r\n', `a=bc${smuggled}`)],
  ['an endless Content-Length', post('Content-Length: 99999999999999999999999999\r\n', smuggled)],
  ['a Content-Length with a blank inside', post('Content-Length: 4 4\r\n', `a=bc${smuggled}`)],
  ['chunked twice', post(`${chunked}${chunked}`, `0\r\n\r\n${smuggled}`)],
  ['chunked before identity', post('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${smuggled}`)],
  ['an unknown coding alone', post('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${smuggled}`)],
  ['a quoted coding', post('Transfer-Encoding: "chunked"\r\n', `0\r\n\r\n${smuggled}`)],
  ['a vertical tab before the coding', post('Transfer-Encoding: \x0bchunked\r\n', `0\r\n\r\n${smuggled}`)],
  ['a coding name with a blank before the colon', post('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${smuggled}`)],
  ['a length name with a blank before the colon', post('Content-Length : 4\r\n', `a=bc${smuggled}`)],
  ['a folded header line', post('Transfer-Encoding:\r\n chunked\r\n', `0\r\n\r\n${smuggled}`)],
  ['a first header line that is folded', `POST /oauth/token HTTP/1.1\r\n ${host}\r\n${smuggled}`],
  ['a bare line feed between header lines', `GET /health/live HTTP/1.1\r\nHost: a\nX: b\r\n\r\n${smuggled}`],
  ['a bare carriage return in a value', post('X-A: b\rTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`)],
  ['a NUL in a value', post('X-A: b\0c\r\n', smuggled)],
  ['a NUL in a name', post('X\0A: b\r\n', smuggled)],
  ['a header line without a colon', post('Transfer-Encoding chunked\r\n', smuggled)],
  ['a header line without a name', post(': chunked\r\n', smuggled)],
  ['a chunk size that is no number', post(chunked, `zz\r\n${smuggled}`)],
  ['a negative chunk size', post(chunked, `-1\r\n${smuggled}`)],
  ['a chunk size with 0x', post(chunked, `0x2\r\nab\r\n0\r\n\r\n${smuggled}`)],
  ['a chunk size that overflows', post(chunked, `ffffffffffffffffff\r\n${smuggled}`)],
  ['a chunk longer than its size', post(chunked, `2\r\nabcdef\r\n0\r\n\r\n${smuggled}`)],
  ['a chunk size ended by a bare line feed', post(chunked, `2\nab\r\n0\r\n\r\n${smuggled}`)],
  ['two Host headers', `GET /health/live HTTP/1.1\r\n${host}Host: evil.example\r\n\r\n`],
  ['no Host header', 'GET /health/live HTTP/1.1\r\n\r\n'],
  ['two Authorization headers', `GET /health/live HTTP/1.1\r\n${host}Authorization: a\r\nAuthorization: b\r\n\r\n`],
  ['two Content-Type headers', post('Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 0\r\n')],
  ['a version that does not exist', `GET /health/live HTTP/1.2\r\n${host}\r\n`],
  ['no version', `GET /health/live\r\n${host}\r\n`],
  ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a method that is no token', `GE\x01T /health/live HTTP/1.1\r\n${host}\r\n`],
  ['a blank in the path', `GET /health /live HTTP/1.1\r\n${host}\r\n`],
  ['TLS on a plain port', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
];

describe('TH-33 requests that could be read in two ways', () => {
  test.each(vectors)('TH-33 %s: 400, then the connection ends, with no second answer', async (_name, bytes) => {
    // a body that is never read is cut by the parser as well: the handler reads all of it before it answers
    const engine = {
      paths: ['/oauth/token'],
      async handle(req: AsyncIterable<Buffer>, res: { end(text: string): void }) {
        for await (const _chunk of req);
        res.end('read');
      },
    };
    await using server = await startListener(publicApp({ engine: engine as never }));
    const answer = await exchangeRaw(server.port, bytes);
    expect(answer.match(/^HTTP\/1\.1 \d{3}/gm)).toEqual(['HTTP/1.1 400']);
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(answer).not.toContain('"live"');
  });

  test('TH-33 there are at least 40 vectors', () => expect(vectors.length).toBeGreaterThanOrEqual(40));
});

describe('TH-20 what is too large is refused before it is read', () => {
  const request = (headers: string, path = '/oauth/token') =>
    `POST ${path} HTTP/1.1\r\n${host}Connection: close\r\n${headers}\r\n`;
  const statusOf = (answer: string) => Number(answer.slice(9, 12));

  test.each([
    ['a body over the limit', request(`Content-Length: ${limits.bodyLimitBytes + 1}\r\n`), 413],
    ['65 headers', request(Array.from({ length: 63 }, (_, i) => `X-${i}: 1\r\n`).join('')), 431],
    ['headers over 16 KiB', request(`X-A: ${'a'.repeat(17_000)}\r\n`), 431],
    ['a compressed body', request('Content-Encoding: gzip\r\nContent-Length: 0\r\n'), 415],
    ['101 parameters', request('Content-Length: 0\r\n', `/oauth/token?${'a=1&'.repeat(100)}b=1`), 400],
  ])('TH-20 %s', async (_name, bytes, status) => {
    await using server = await startListener(publicApp());
    expect(statusOf(await exchangeRaw(server.port, bytes))).toBe(status);
  });

  test('TH-20 exactly 64 headers, 100 parameters and 56 KiB pass', async () => {
    await using server = await startListener(publicApp());
    const headers = Array.from({ length: 61 }, (_, i) => `X-${i}: 1\r\n`).join('');
    const path = `/oauth/token?${'a=1&'.repeat(99)}b=1`;
    const bytes = request(`${headers}Content-Length: ${limits.bodyLimitBytes}\r\n`, path);
    expect(statusOf(await exchangeRaw(server.port, bytes + 'a'.repeat(limits.bodyLimitBytes)))).toBe(200);
  });
});

test('after a request to change the protocol the connection ends: the next one with many headers was never read', async () => {
  await using server = await startListener(publicApp());
  const upgrade = `GET /health/live HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  const answer = await exchangeRaw(server.port, upgrade);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer.toLowerCase()).toContain('connection: close');
});
