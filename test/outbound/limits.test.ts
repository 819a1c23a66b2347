import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect as connectTls, type SecureVersion } from 'node:tls';
import { asFetch, createOutbound, OutboundError, type OutboundOptions } from '../../src/support/outbound.ts';
import { createAuthority, selfSigned } from '../support/certificates.ts';
import { createClock } from '../support/clock.ts';
import { createTimers } from '../support/timers.ts';
import { plainServer, rawServer, secureServer } from './far-side.ts';

const calls = (changed: Partial<OutboundOptions> = {}) =>
  createOutbound({ allowLoopback: true, resolve: async () => ['127.0.0.1'], ...changed });

const reasonOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'answered',
    (error) => (error instanceof OutboundError ? error.reason : `unexpected ${error}`),
  );

/** Also after a reset, which `once` would report as an error. */
const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

/** Calls whose patience ends when the test says so. */
function patient(changed: Partial<OutboundOptions> = {}) {
  const clock = createClock();
  const timers = createTimers(clock);
  return { timers, outbound: calls({ timers, timeouts: { connectMs: 2_500, totalMs: 8_000 }, ...changed }) };
}

describe('N-12 a call takes a bounded time', () => {
  test('N-12 a name server that never answers', async () => {
    const { outbound, timers } = patient({ resolve: () => new Promise(() => {}) });
    const outcome = reasonOf(outbound.request('https://rp.example/'));
    timers.advance(3);
    expect(await outcome).toBe('timeout');
    expect(timers.pending()).toBe(0);
  });

  test('N-12 a server that accepts and never speaks TLS', async () => {
    const arrived = Promise.withResolvers<Socket>();
    await using server = await rawServer(arrived.resolve);
    const { outbound, timers } = patient();
    const outcome = reasonOf(outbound.request(`https://rp.example:${server.port}/`));
    const cut = closed(await arrived.promise);
    timers.advance(3);
    expect(await outcome).toBe('timeout');
    await cut;
  });

  test('N-12 a server that reads the request and never answers', async () => {
    const asked = Promise.withResolvers<void>();
    await using server = await plainServer(() => asked.resolve());
    const { outbound, timers } = patient();
    const outcome = reasonOf(outbound.request(`http://rp.example:${server.port}/`));
    await asked.promise;
    timers.advance(3); // connected: the shorter limit is over
    timers.advance(6);
    expect(await outcome).toBe('timeout');
  });

  test('N-12 a server that begins an answer and does not end it is cut off at the same moment', async () => {
    const begun = Promise.withResolvers<Socket>();
    await using server = await plainServer((_req, res) => {
      res.write('{');
      begun.resolve(res.socket!);
    });
    const { outbound, timers } = patient();
    const outcome = reasonOf(outbound.request(`http://rp.example:${server.port}/`));
    const cut = closed(await begun.promise);
    timers.advance(9);
    expect(await outcome).toBe('timeout');
    await cut;
  });

  test('a call may be more impatient than the setting, not less', async () => {
    const asked = Promise.withResolvers<void>();
    await using server = await plainServer(() => asked.resolve());
    const { outbound, timers } = patient();
    const outcomes = [1_000, 60_000].map((totalMs) =>
      reasonOf(outbound.request(`http://rp.example:${server.port}/`, { totalMs })),
    );
    await asked.promise;
    timers.advance(1);
    expect(await outcomes[0]).toBe('timeout');
    timers.advance(8);
    expect(await outcomes[1]).toBe('timeout');
  });

  test('a caller that gives up gets its connection closed', async () => {
    const asked = Promise.withResolvers<Socket>();
    await using server = await plainServer((req) => asked.resolve(req.socket));
    const leave = new AbortController();
    const outcome = reasonOf(calls().request(`http://rp.example:${server.port}/`, { signal: leave.signal }));
    const cut = closed(await asked.promise);
    leave.abort();
    expect(await outcome).toBe('aborted');
    await cut;
  });
});

describe('TH-17 an answer has a bounded size', () => {
  test('TH-17 what announces more than the limit is not read', async () => {
    const gone = Promise.withResolvers<void>();
    await using server = await plainServer((_req, res) => {
      res.on('close', () => gone.resolve());
      res.writeHead(200, { 'content-length': 10_000_000 }).flushHeaders();
    });
    expect(await reasonOf(calls().request(`http://rp.example:${server.port}/`))).toBe('too_large');
    await gone.promise;
  });

  test('TH-17 what does not end is cut at the limit', async () => {
    const gone = Promise.withResolvers<void>();
    await using server = await plainServer((_req, res) => {
      const pour = () => void (res.write(Buffer.alloc(16_384)) ? setImmediate(pour) : res.once('drain', pour));
      res.on('close', () => gone.resolve());
      pour();
    });
    expect(await reasonOf(calls().request(`http://rp.example:${server.port}/`))).toBe('too_large');
    await gone.promise;
  });

  test('N-04 where only the status matters, nothing of the rest is read', async () => {
    const gone = Promise.withResolvers<void>();
    await using server = await plainServer((_req, res) => {
      res.on('close', () => gone.resolve());
      res.writeHead(200, { 'content-length': 10_000_000 }).flushHeaders();
    });
    const { status, body } = await calls().request(`http://rp.example:${server.port}/`, { ignoreBody: true });
    expect([status, body.length]).toEqual([200, 0]);
    await gone.promise;
  });

  test.each([
    [64 * 1024, undefined, 'answered'],
    [64 * 1024 + 1, undefined, 'too_large'],
    [100, 100, 'answered'],
    [101, 100, 'too_large'],
    [64 * 1024 + 1, 1_000_000, 'too_large'],
  ])('TH-17 %d bytes where the call asks for %p: %s', async (size, maxBytes, expected) => {
    await using server = await plainServer((_req, res) => void res.end(Buffer.alloc(size)));
    expect(await reasonOf(calls().request(`http://rp.example:${server.port}/`, { maxBytes }))).toBe(expected);
  });

  test('TH-17 a head without end is no answer', async () => {
    await using server = await rawServer((socket) => socket.write(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(20_000)}`));
    expect(await reasonOf(calls().request(`http://rp.example:${server.port}/`))).toBe('answer');
  });

  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n'],
    ['an end in the middle', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['nothing', ''],
    ['a switch of protocols', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
    [
      'both kinds of length',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    ],
  ])('%s is no answer', async (_what, bytes) => {
    await using server = await rawServer((socket) => void socket.once('data', () => socket.end(bytes)));
    expect(await reasonOf(calls().request(`http://rp.example:${server.port}/`))).toBe('answer');
  });

  test('a port where nobody listens is a connection that failed', async () => {
    const server = await rawServer(() => {});
    await server[Symbol.asyncDispose]();
    expect(await reasonOf(calls().request(`http://rp.example:${server.port}/`))).toBe('connect');
  });
});

test('N-12 cookies are neither kept nor shown nor sent; a caller cannot bend the framing', async () => {
  const seen: Record<string, unknown>[] = [];
  await using server = await plainServer((req, res) => {
    seen.push(req.headers);
    res.setHeader('set-cookie', ['a=1', 'b=2']).end('{}');
  });
  const headers = {
    Authorization: 'Bearer x',
    Cookie: 'c=3',
    Host: 'evil.example',
    'Transfer-Encoding': 'chunked',
    'Content-Length': '99',
  };
  const outbound = calls();
  for (let i = 0; i < 2; i++) {
    const url = `http://rp.example:${server.port}/ping?a=b`;
    const answer = await outbound.request(url, { method: 'POST', headers, body: '{}', accept: 'application/json' });
    expect(Object.keys(answer.headers)).not.toContain('set-cookie');
  }
  expect(seen).toEqual(
    Array(2).fill({
      accept: 'application/json',
      authorization: 'Bearer x',
      'user-agent': 'Assent',
      'accept-encoding': 'identity',
      connection: 'close',
      'content-length': '2',
      host: `rp.example:${server.port}`,
    }),
  );
});

test('a header that HTTP cannot carry is refused before anything is sent', async () => {
  const attempt = calls().request('http://127.0.0.1:9/', { headers: { authorization: 'Bearer a\r\nX: y' } });
  expect(await reasonOf(attempt)).toBe('request');
});

describe('N-09 TLS', () => {
  const authority = createAuthority();
  const served = { ...authority.issue({ name: 'rp.example' }) };
  const ok = (_req: unknown, res: { end(text: string): void }) => res.end('ok');

  test('N-09 a server whose issuer nobody has named is refused, and accepted with the anchor', async () => {
    await using server = await secureServer(served, ok);
    const url = `https://rp.example:${server.port}/`;
    expect(await reasonOf(calls().request(url))).toBe('tls');
    expect((await calls({ ca: [authority.cert] }).request(url)).status).toBe(200);
  });

  test('N-09 a self-signed certificate is refused, and accepted where it is itself an anchor', async () => {
    const certificate = selfSigned({ name: 'rp.example' });
    await using server = await secureServer(certificate, ok);
    const url = `https://rp.example:${server.port}/`;
    expect(await reasonOf(calls().request(url))).toBe('tls');
    expect((await calls({ ca: [certificate.cert] }).request(url)).status).toBe(200);
  });

  test('N-09 the certificate must be for the name that was called, and not over', async () => {
    await using server = await secureServer(served, ok);
    await using late = await secureServer(
      authority.issue({ name: 'rp.example', notAfter: new Date('2021-01-01') }),
      ok,
    );
    const outbound = calls({ ca: [authority.cert] });
    expect(await reasonOf(outbound.request(`https://other.example:${server.port}/`))).toBe('tls');
    expect(await reasonOf(outbound.request(`https://127.0.0.1:${server.port}/`))).toBe('tls');
    expect(await reasonOf(outbound.request(`https://rp.example:${late.port}/`))).toBe('tls');
  });

  test('N-09 NODE_TLS_REJECT_UNAUTHORIZED does not switch it off', async () => {
    await using server = await secureServer(served, ok);
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      expect(await reasonOf(calls().request(`https://rp.example:${server.port}/`))).toBe('tls');
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    }
  });

  test('N-09 nothing older than TLS 1.2 is spoken', async () => {
    const old = {
      minVersion: 'TLSv1' as SecureVersion,
      maxVersion: 'TLSv1.1' as SecureVersion,
      ciphers: 'ALL@SECLEVEL=0',
    };
    await using server = await secureServer({ ...served, ...old }, ok);
    await using newer = await secureServer({ ...served, maxVersion: 'TLSv1.2' }, ok);
    // such a server does answer those who let it
    const lenient = connectTls({
      port: server.port,
      host: '127.0.0.1',
      servername: 'rp.example',
      ca: authority.cert,
      ...old,
    });
    await once(lenient, 'secureConnect');
    expect(lenient.getProtocol()).toBe('TLSv1.1');
    lenient.destroy();
    const outbound = calls({ ca: [authority.cert] });
    expect(await reasonOf(outbound.request(`https://rp.example:${server.port}/`))).toBe('tls');
    expect(await reasonOf(outbound.request(`https://rp.example:${newer.port}/`))).toBe('answered');
  });

  test('our certificate is shown to a server that asks for one', async () => {
    const ours = authority.issue({ name: 'assent' });
    const asking = { ...served, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
    await using server = await secureServer(asking, (req, res) => {
      res.end(
        (req.socket as unknown as { getPeerCertificate(): { subject: { CN: string } } }).getPeerCertificate().subject
          .CN,
      );
    });
    const url = `https://rp.example:${server.port}/`;
    expect(await reasonOf(calls({ ca: [authority.cert] }).request(url))).not.toBe('answered');
    const answer = await calls({ ca: [authority.cert], clientCertificate: ours }).request(url);
    expect(String(answer.body)).toBe('assent');
  });
});

describe('as fetch, for oidc-provider', () => {
  test('what a library sends and reads', async () => {
    const seen: unknown[] = [];
    await using server = await plainServer(async (req, res) => {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(chunk);
      seen.push([
        req.method,
        req.url,
        req.headers.authorization,
        req.headers['content-type'],
        String(Buffer.concat(chunks)),
      ]);
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"keys":[]}');
    });
    const fetch = asFetch(calls());
    const url = new URL(`http://rp.example:${server.port}/a?b`);
    const response = await fetch(url, { headers: { accept: 'application/json' } });
    expect([response.status, response.ok, await response.json()]).toEqual([200, true, { keys: [] }]);
    const headers = { authorization: 'Bearer t', 'content-type': 'application/json' };
    await fetch(url.href, { method: 'POST', redirect: 'manual', headers, body: '{"auth_req_id":"x"}' });
    await fetch(url.href, { method: 'POST', body: new URLSearchParams({ logout_token: 'y' }) });
    expect(seen).toEqual([
      ['GET', '/a?b', undefined, undefined, ''],
      ['POST', '/a?b', 'Bearer t', 'application/json', '{"auth_req_id":"x"}'],
      ['POST', '/a?b', undefined, 'application/x-www-form-urlencoded;charset=UTF-8', 'logout_token=y'],
    ]);
  });

  test('an answer without a body', async () => {
    await using server = await plainServer((_req, res) => void res.writeHead(204).end());
    const response = await asFetch(calls())(`http://rp.example:${server.port}/`, { method: 'POST', body: '{}' });
    expect([response.status, await response.text()]).toEqual([204, '']);
  });

  test('N-05 a redirect is an answer with `manual`, and otherwise an error, never a second call', async () => {
    await using server = await plainServer((_req, res) => void res.writeHead(302, { location: '/b' }).end());
    const fetch = asFetch(calls());
    const url = `http://rp.example:${server.port}/a`;
    expect((await fetch(url, { redirect: 'manual' })).status).toBe(302);
    await expect(fetch(url)).rejects.toMatchObject({ name: 'TypeError', cause: { reason: 'redirect' } });
    expect(server.connections()).toBe(2);
  });

  test('a refusal is a TypeError with the reason as its cause; a signal that fires is what is thrown', async () => {
    const fetch = asFetch(calls({ allowLoopback: false }));
    await expect(fetch('https://127.0.0.1/')).rejects.toMatchObject({
      name: 'TypeError',
      cause: { reason: 'refused_address' },
    });
    await expect(fetch('https://127.0.0.1/', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});
