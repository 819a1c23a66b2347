import { createHealth } from '../../src/observability/health.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { watchedLog } from '../support/log.ts';
import { authenticatorApp, exchangeRaw, managementApp, publicApp, startListener } from './support/server.ts';

const leak = /at .*:\d+:\d+|node_modules|SQLITE|ECONN|Redis/;

describe('what every answer carries', () => {
  const apps = { public: publicApp(), management: managementApp(), authenticator: authenticatorApp() };

  test.each(Object.entries(apps))(
    '%s: a trace id, no sniffing, no frame, no store, no referrer, also on errors',
    async (_name, app) => {
      await using server = await startListener(app);
      for (const path of ['/', '/nothing', '/health/live', '/%', '/device/v1/nothing', '/..%2f..%2fetc/passwd']) {
        const answer = await fetch(server.url + path);
        const headers = Object.fromEntries(answer.headers);
        expect(headers['x-trace-id']).toMatch(/^[0-9a-f]{32}$/);
        expect(headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
        expect(headers).toMatchObject({
          'x-content-type-options': 'nosniff',
          'x-frame-options': 'DENY',
          'referrer-policy': 'no-referrer',
        });
        expect(headers['cache-control']).toMatch(/^no-(store|cache)$/);
        expect(headers['access-control-allow-origin']).toBeUndefined();
        expect(headers['strict-transport-security']).toBeUndefined();
      }
    },
  );

  test('behind an https issuer a browser never speaks http again', async () => {
    await using server = await startListener(publicApp({ issuer: 'https://login.example' }));
    const { headers } = await fetch(`${server.url}/health/live`);
    expect(headers.get('strict-transport-security')).toMatch(/^max-age=31536000/);
  });

  test('a trace that the caller brings goes on; text that is none begins a new one', async () => {
    await using server = await startListener(publicApp());
    const traced = async (traceparent: string) =>
      (await fetch(`${server.url}/health/live`, { headers: { traceparent } })).headers.get('x-trace-id');
    expect(await traced('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')).toBe(
      '4bf92f3577b34da6a3ce929d0e0e4736',
    );
    expect(await traced('00-<script>-00f067aa0ba902b7-01')).toMatch(/^[0-9a-f]{32}$/);
  });
});

test('a request target that is neither a path nor an address is 400, not a fault', async () => {
  for (const app of [publicApp(), managementApp(), authenticatorApp()]) {
    await using server = await startListener(app);
    for (const target of ['http://[::1', 'http://', 'localhost:80', 'javascript:alert(1)']) {
      const answer = await exchangeRaw(server.port, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    }
  }
});

test('TH-22 of a path the log shows words and ids; a token, a code, an address or kilobytes only by their length', async () => {
  const { log, lines } = watchedLog();
  await using server = await startListener(publicApp({ log }));
  const id = `3f${'A1_-'.repeat(5)}x9`;
  const shown = ['device/v1/keys', '.well-known/openid-configuration', 'icon-192.png', `users/${id}/lock`, 'a/demo-tv'];
  const token = `3f${'A1_-'.repeat(11)}`;
  const hidden = [
    token,
    'x'.repeat(8000),
    'K7QD-93MX-RRTW',
    'k7qd-93mx-rrtw',
    '493817',
    'a@b.example',
    '%2B31612345678',
  ];
  for (const path of [...shown, ...hidden.map((part) => `device/${part}/v1`)]) await fetch(`${server.url}/${path}`);
  const written = lines().filter(({ event }) => event === 'http.request');
  expect(written.map(({ path }) => path)).toEqual([
    ...shown.map((path) => `/${path}`),
    ...hidden.map((part) => `/device/[${part.length} characters]/v1`),
  ]);
});

describe('who serves what', () => {
  test('TH-24 from the public port every management path is 404, like any path that never existed', async () => {
    let asked = 0;
    const managementApi = async () => void (asked += 1);
    await using server = await startListener(publicApp());
    await using management = await startListener(managementApp({ managementApi }));
    const paths = ['/management/v1/users', '/management/v1/openapi.json', '/management', '/console/', '/metrics'];
    const withoutTrace = async (url: string, method: string) => {
      const answer = await fetch(url, { method, headers: { authorization: 'Bearer x' } });
      const { trace_id, ...body } = (await answer.json()) as Record<string, unknown>;
      const { 'x-trace-id': _, date, ...headers } = Object.fromEntries(answer.headers);
      return { status: answer.status, body, headers };
    };
    for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) {
      const unknown = await withoutTrace(`${server.url}/never-existed`, method);
      expect(unknown.status).toBe(404);
      for (const path of paths) expect(await withoutTrace(server.url + path, method)).toEqual(unknown);
    }
    expect(asked).toBe(0);
    await fetch(`${management.url}/management/v1/users`);
    expect(asked).toBe(1);
  });

  test('the authenticator origin serves its files and the device API, and nothing else', async () => {
    const deviceApi = async (ctx: { body: unknown }) => void (ctx.body = 'device');
    await using server = await startListener(authenticatorApp({ deviceApi: deviceApi as never }));
    const statusOf = async (path: string) => (await fetch(server.url + path)).status;
    expect(await statusOf('/')).toBe(200);
    expect(await statusOf('/device/v1/keys')).toBe(200);
    const others = [
      '/health/live',
      '/.well-known/openid-configuration',
      '/oauth/token',
      '/management/v1/users',
      '/demo/tv',
      '/app.js.map',
    ];
    for (const path of others) expect(await statusOf(path)).toBe(404);
  });

  test('the authenticator page may load only its own, and the browser asks whether it changed', async () => {
    await using server = await startListener(authenticatorApp());
    const answer = await fetch(server.url);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const directives = Object.fromEntries(
      answer.headers
        .get('content-security-policy')!
        .split('; ')
        .map((text) => [text.split(' ')[0], text.split(' ').slice(1).join(' ')]),
    );
    expect(directives).toEqual({
      'default-src': "'none'",
      'script-src': "'self'",
      'connect-src': "'self'",
      'style-src': "'self'",
      'img-src': "'self' data:",
      'manifest-src': "'self'",
      'worker-src': "'self'",
      'require-trusted-types-for': "'script'",
      'trusted-types': 'assent-service-worker',
      'frame-ancestors': "'none'",
      'base-uri': "'none'",
      'form-action': "'none'",
    });
    const etag = answer.headers.get('etag');
    const again = `GET / HTTP/1.1\r\nHost: localhost:3002\r\nIf-None-Match: ${etag}\r\nConnection: close\r\n\r\n`;
    expect(await exchangeRaw(server.port, again)).toMatch(/^HTTP\/1\.1 304 /);
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(405);
  });

  test("the authenticator's host gets none of the issuer's pages from the public listener", async () => {
    const app = publicApp({
      authenticatorOrigin: 'https://approve.example',
      deviceApi: (async (ctx: { body: unknown }) => void (ctx.body = 'x')) as never,
    });
    await using server = await startListener(app);
    const get = (path: string) =>
      exchangeRaw(server.port, `GET ${path} HTTP/1.1\r\nHost: approve.example\r\nConnection: close\r\n\r\n`);
    expect(await get('/.well-known/openid-configuration')).toMatch(/^HTTP\/1\.1 421 /);
    expect(await get('/device/v1/keys')).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('refusals and faults', () => {
  test('a request for an absolute address is answered like one for its path', async () => {
    await using server = await startListener(publicApp());
    const get = (target: string) =>
      exchangeRaw(server.port, `GET ${target} HTTP/1.1\r\nHost: localhost:3000\r\nConnection: close\r\n\r\n`);
    expect(await get('http://evil.example/health/live?x=1')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await get('http://evil.example/management/v1/users')).toMatch(/^HTTP\/1\.1 404 /);
    expect(await get('*')).toMatch(/^HTTP\/1\.1 404 /);
  });

  test('TH-23 a fault is a 500 without a word of what it was; the log has the cause and the trace id leads there', async () => {
    const { log, lines } = watchedLog();
    const engine = {
      paths: ['/oauth/token'],
      handle: async () => {
        throw new Error('SQLITE_CORRUPT at /srv/app/node_modules/x.js:1:2', { cause: new Error('ECONNRESET') });
      },
    };
    await using server = await startListener(publicApp({ log, engine }));
    const answer = await fetch(`${server.url}/oauth/token?auth_req_id=secret-in-the-query`);
    const text = await answer.text();
    expect(answer.status).toBe(500);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(text).not.toMatch(leak);
    const body = JSON.parse(text);
    expect(body).toMatchObject({ type: 'urn:assent:problem:server_error', status: 500, code: 'server_error' });
    const fault = lines().find(({ event }) => event === 'http.fault');
    expect(fault).toMatchObject({
      trace_id: body.trace_id,
      error: { message: expect.stringContaining('SQLITE'), cause: { message: 'ECONNRESET' } },
    });
    expect(JSON.stringify(lines())).not.toContain('secret-in-the-query');
  });

  test('IV-10 a store that is away is 503 with Retry-After, and says nothing about itself', async () => {
    const engine = {
      paths: ['/oauth/token'],
      handle: async () => {
        throw new StoreUnavailable('Redis at 10.0.0.1: ECONNREFUSED');
      },
    };
    await using server = await startListener(publicApp({ engine }));
    const answer = await fetch(`${server.url}/oauth/token`);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
    const text = await answer.text();
    expect(text).not.toMatch(leak);
    expect(JSON.parse(text)).toMatchObject({ code: 'unavailable' });
  });

  test('a path that does not decode is a 404 or a 400, never a fault', async () => {
    await using server = await startListener(publicApp());
    for (const path of ['/%', '/%ff', '/device/v1/%', '/oauth/token/%00', '//evil.example/', '/?%']) {
      expect((await fetch(server.url + path)).status).toBeLessThan(500);
    }
  });

  test('liveness does not depend on the store, readiness does, and only management tells what is down', async () => {
    const health = createHealth({ checkStore: () => Promise.reject(new StoreUnavailable('x')) });
    await using server = await startListener(publicApp({ health }));
    await using management = await startListener(managementApp({ health }));
    const get = async (url: string) => {
      const answer = await fetch(url);
      return [answer.status, await answer.json()];
    };
    expect(await get(`${server.url}/health/live`)).toEqual([200, { status: 'live' }]);
    expect(await get(`${server.url}/health/ready`)).toEqual([503, { status: 'not_ready' }]);
    expect(await get(`${management.url}/health/ready`)).toEqual([
      503,
      { status: 'not_ready', store: 'down', draining: false },
    ]);
    const wrong = await fetch(`${server.url}/health/ready`, { method: 'POST' });
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });
});

test('a person at an address that nothing answers is shown one way on; who asks for anything else gets a problem document', async () => {
  const look = { sheets: ['/tokens.css'], icon: '/icon.svg' };
  const nowhere = { language: 'en', look, link: { href: 'https://approve.example/', text: 'nowhere.home' as const } };
  const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'accept-language': 'nl-NL,nl;q=0.9' };
  const apps = [
    [publicApp({ nowhere }), '/device/v1'],
    [managementApp({ nowhere }), '/management/v1'],
    [authenticatorApp({ nowhere }), '/device/v1'],
  ] as const;
  for (const [app, api] of apps) {
    await using server = await startListener(app);
    const get = (path: string, headers: Record<string, string>, method = 'GET') =>
      fetch(server.url + path, { headers, method });
    const page = await get('/nothing', browser);
    expect([page.status, page.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const text = await page.text();
    expect(text).toContain('<h1>Op dit adres staat niets</h1>');
    expect(text.match(/<a [^>]+>/g)).toEqual(['<a class="button" href="https://approve.example/">']);
    const types = await Promise.all([
      get('/nothing', { accept: 'application/json' }),
      get('/nothing', {}),
      get('/nothing', browser, 'POST'),
      get(`${api}/nothing`, browser),
    ]);
    for (const { status, headers } of types) {
      expect([status, headers.get('content-type')]).toEqual([
        404,
        expect.stringMatching(/^application\/problem\+json/),
      ]);
    }
  }
});
