import type { Case } from '../case.ts';
import { nameOf, nowhere, type Route, routes } from '../routes.ts';
import type { Random } from './index.ts';

const all = [...routes.values()];
const at = (route: Route, more: Partial<Case> & { name: string }): Case => ({
  family: 'http',
  route: nameOf(route),
  listener: route.listener,
  method: route.method,
  path: route.path,
  ...more,
});

/** Methods that a route does not have, and some that nobody has. Event streams and pages answer GET and HEAD. */
export function methods(): Case[] {
  const others = ['HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'PATCH', 'PROPFIND', 'PURGE', 'M-SEARCH', 'LINK'];
  return all.flatMap((route) =>
    others
      .filter((method) => method !== route.method)
      .map((method) =>
        at(route, {
          name: `${method} ${route.path}`,
          method,
          headers: { origin: 'https://evil.example', authorization: 'Bearer x' },
          // what a route has beside its own method: HEAD for GET, CORS preflights, another row of the table
          only: [200, 204, 302, 400, 401, 403, 404, 405],
        }),
      ),
  );
}

const foreignPaths = [
  ...['//', '///', '/%2e%2e', '/..', '/../../etc/passwd', '/%00', '/%e0%a4%a', '/%', '/%zz', '/%ff', '/\u00e9'],
  ...[
    '/.git/config',
    '/management/v1/users',
    '/metrics',
    '/console/',
    '/oauth//token',
    '/oauth/token/',
    '/oauth/token/x',
  ],
  ...[
    '/OAUTH/TOKEN',
    '/bc-authorize/',
    '/bc-authorize%00',
    '/bc-authorize;a=b',
    '/oauth/%74oken',
    '/oauth\\token',
    '/oauth/token%2f',
  ],
  ...[
    '/authorize',
    '/logout',
    '/oauth/register',
    '/request',
    '/device',
    '/device/v1',
    '/device/v1/',
    '/device/v1/keys/x',
  ],
  ...[
    '/device/v1/__proto__',
    '/device/v1/constructor',
    '/device/v2/keys',
    '/simulator',
    '/simulator/',
    '/simulator/x',
    '/demo',
  ],
  ...[
    '/demo/',
    '/demo/assets/..%2f..%2fpackage.json',
    '/demo/assets/%ff',
    '/demo/assets/__proto__',
    '/demo/assets/constructor',
  ],
  ...[
    '/demo/x',
    '/demo/helpdesk/requests/%ff/events',
    '/demo/helpdesk/requests/__proto__/events',
    '/health',
    '/health/x',
  ],
  ...[
    '/index.html%00',
    '/..%2f..%2fpackage.json',
    '/sw.js.map',
    '/assets/../../package.json',
    '/__proto__',
    '/constructor',
  ],
  ...['?', '?a', '?%', '?a=%ff&a=%00', `?${'a=1&'.repeat(200)}`, `/${'a'.repeat(8000)}`, `/?${'b'.repeat(8000)}`],
];

/** Paths that lie beside what there is. */
export function paths(): Case[] {
  return (['public', 'management', 'authenticator'] as const).flatMap((listener) =>
    ['GET', 'POST'].flatMap((method) =>
      foreignPaths.map((path) => ({
        family: 'http',
        name: `${method} ${path.slice(0, 60)}`,
        route: nowhere,
        listener,
        method,
        path: encodeURI(path.startsWith('/') ? path : `/${path}`).replaceAll('%25', '%'),
        only: [200, 301, 302, 400, 401, 404, 405, 413, 415, 431],
      })),
    ),
  );
}

/** Headers that somebody might believe. */
export function headers(): Case[] {
  const hostile: [string, Record<string, string>][] = [
    ['a foreign Host', { host: 'evil.example' }],
    ['an empty Host', { host: '' }],
    ['the authenticator’s Host', { host: 'localhost:3002' }],
    [
      'a forwarded host',
      { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', forwarded: 'host=evil.example' },
    ],
    ['a rewritten path', { 'x-original-url': '/management/v1/users', 'x-rewrite-url': '/management/v1/users' }],
    ['another method', { 'x-http-method-override': 'DELETE', 'x-method-override': 'PUT' }],
    ['a client certificate', { 'x-ssl-client-cert': '-----BEGIN CERTIFICATE-----', 'x-client-cert': 'x' }],
    [
      'a trace id that is none',
      { traceparent: '00-{{jti}}-\u00ff-01', 'x-trace-id': '{"level":"error"}', 'x-request-id': 'a b' },
    ],
    ['a trace id of zeros', { traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01` }],
    ['Basic without a colon', { authorization: 'Basic YWJj' }],
    ['Basic that is no base64', { authorization: 'Basic \u00ff\u00fe%%%' }],
    ['Basic of a NUL', { authorization: `Basic ${Buffer.from('a\0b:\0').toString('base64')}` }],
    [
      'Basic of bytes that are no UTF-8',
      { authorization: `Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0xff]).toString('base64')}` },
    ],
    ['Basic of a lone percent', { authorization: `Basic ${Buffer.from('%:%zz').toString('base64')}` }],
    ['Basic of __proto__', { authorization: `Basic ${Buffer.from('__proto__:__proto__').toString('base64')}` }],
    ['Basic of nothing', { authorization: 'Basic' }],
    ['Basic of 8 kB', { authorization: `Basic ${'YTpi'.repeat(2000)}` }],
    ['Bearer of nothing', { authorization: 'Bearer ' }],
    ['Bearer of a comma', { authorization: 'Bearer a, Basic b' }],
    ['a scheme that nobody knows', { authorization: 'Negotiate {{fuzzed_secret}}' }],
    ['a key as a Basic password', { authorization: `Basic ${Buffer.from('x:y').toString('base64')}` }],
    ['a cookie', { cookie: '__proto__=1; _session=x; _session.sig=y' }],
    ['Accept that wants HTML', { accept: 'text/html,application/xhtml+xml;q=0.9,\u00ff' }],
    ['a Range', { range: 'bytes=0-,0-,0-' }],
    ['Expect of something else', { expect: 'the-unexpected' }],
    ['an Upgrade', { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }],
    [
      'an Upgrade to HTTP/2',
      { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' },
    ],
    ['If-Match of a text', { 'if-match': 'W/"x"', 'if-none-match': '*', 'if-modified-since': 'yesterday' }],
    ['an Idempotency-Key of 5 kB', { 'idempotency-key': 'k'.repeat(5000) }],
    ['an Idempotency-Key of blanks', { 'idempotency-key': ' \t ' }],
    ['a DPoP proof that is none', { dpop: 'a.b.c' }],
    ['a foreign Origin', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
    ['63 headers of 200 bytes', Object.fromEntries(Array.from({ length: 58 }, (_, i) => [`x-${i}`, 'v'.repeat(200)]))],
    ['90 headers', Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`x-${i}`, 'v']))],
    ['a header of 20 kB', { 'x-long': 'v'.repeat(20_000) }],
  ];
  return all
    .filter((route) => route.path !== '/userinfo' || route.method === 'GET')
    .flatMap((route) =>
      hostile.map(([name, more]) =>
        at(route, {
          name: `${name}: ${route.method} ${route.path}`,
          headers: latin1(more),
          // creating calls get nothing that they could create something of
          ...(route.method !== 'GET' && { body: '', headers: { 'content-type': 'text/plain', ...latin1(more) } }),
        }),
      ),
    );
}

const latin1 = (members: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(members).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]),
  );

/** RFC 7240, by a client that may be made to wait: for what has ended nobody waits. */
export function preferences(): Case[] {
  const hostile = [
    'wait',
    'wait=',
    'wait=-1',
    'wait=1e9',
    'wait=999999999',
    'wait=99999999999999',
    'wait=0x10',
    'wait="',
    'wait=""',
  ];
  const long = [
    'wait=' + ' '.repeat(9_000) + '""x',
    ','.repeat(9_000),
    'wait=1,'.repeat(1_500),
    '"'.repeat(9_000),
    ';'.repeat(9_000),
  ];
  return [...hostile, ...long].flatMap((prefer) =>
    ['consumed', 'denied', 'cancelled', 'foreign', 'op'].map(
      (handle): Case => ({
        family: 'http',
        name: `Prefer ${prefer.slice(0, 30)} for ${handle}`,
        route: 'public POST /oauth/token',
        listener: 'public',
        method: 'POST',
        path: '/oauth/token',
        headers: { authorization: '{{fuzzed}}', 'content-type': mediaTypes.form, prefer },
        body: `grant_type=urn:openid:params:grant-type:ciba&auth_req_id={{${handle}}}`,
        only: [400],
      }),
    ),
  );
}

/** Content types, charsets and encodings. */
export function contentTypes(): Case[] {
  const types = [
    ...['', 'text/plain', 'text/html', 'application/xml', 'application/x-www-form-urlencoded; charset=utf-7'],
    ...['application/x-www-form-urlencoded; charset=utf-16', 'application/json; charset=utf-16le', 'application/json;'],
    ...[
      'application/json; charset="utf-8',
      'multipart/form-data; boundary=x',
      'multipart/form-data',
      'application/jose+json',
    ],
    ...[
      'application/jwt',
      'application/json, application/x-www-form-urlencoded',
      'APPLICATION/JSON',
      'application/__proto__',
    ],
    ...[
      'application/x-www-form-urlencoded\u00a0',
      '*/*',
      'application/json+x',
      `application/${'x'.repeat(4000)}`,
      ';',
      '/',
    ],
  ];
  const bodies: Record<string, string> = {
    form: 'scope=openid&login_hint=nobody-at-all',
    json: '{"user":1}',
    jose: 'a.b.c.d.e',
  };
  return all
    .filter(({ body }) => body !== undefined)
    .flatMap((route) => [
      ...types.map((type) =>
        at(route, {
          name: `as ${type.slice(0, 40)}: ${route.method} ${route.path}`,
          headers: { ...credentials(route), ...(type && { 'content-type': Buffer.from(type).toString('latin1') }) },
          body: bodies[route.body!]!,
        }),
      ),
      ...['gzip', 'deflate', 'br', 'zstd', 'identity, gzip', 'x'].map((encoding) =>
        at(route, {
          name: `encoded as ${encoding}: ${route.method} ${route.path}`,
          headers: { ...credentials(route), 'content-type': mediaTypeOf(route), 'content-encoding': encoding },
          body: '\x1f\x8b\x08\x00',
          latin1: true,
          only: [415],
        }),
      ),
    ]);
}

export const mediaTypes = {
  form: 'application/x-www-form-urlencoded',
  json: 'application/json',
  jose: 'application/jose',
};
export const mediaTypeOf = ({ body }: Route) => mediaTypes[body!];

export function credentials({ auth }: Route): Record<string, string> {
  if (auth === 'client') return { authorization: '{{fuzzed}}' };
  if (auth === 'key') return { authorization: 'Bearer {{management_key}}' };
  if (auth === 'token') return { authorization: 'Bearer {{access_token}}' };
  if (auth === 'registrar') return { authorization: 'Bearer {{initial_token}}' };
  if (auth === 'registered') return { authorization: 'Bearer {{registration_token}}' };
  // one of its own pages, in the browser that came from /authorize
  if (auth === 'browser') return { cookie: '{{sign_in_cookie}}', 'sec-fetch-site': 'same-origin' };
  return {};
}

const forClients = all.filter(({ kind, method }) => kind === 'oauth' && method === 'POST').map(({ path }) => path);

/** Byte for byte; framing that two parsers could cut in two ways is in test/http/framing.test.ts. */
export function wires(random: Random): Case[] {
  const ports = ['public', 'management', 'authenticator'] as const;
  const head = 'Host: localhost\r\nConnection: close\r\n';
  const wire = (listener: Case['listener'], name: string, text: string, more: Partial<Case> = {}): Case => ({
    family: 'wire',
    name,
    route: nowhere,
    listener,
    method: 'GET',
    path: '/',
    wire: text,
    only: [200, 204, 302, 400, 401, 404, 405, 408, 413, 415, 431],
    ...more,
  });
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  return ports.flatMap((port) => [
    ...bytes
      .filter((byte) => byte < 33 || byte > 126 || random.below(8) === 0)
      .flatMap((byte) => [
        wire(
          port,
          `byte ${byte} in a value`,
          `GET /health/live HTTP/1.1\r\n${head}X-A: a${String.fromCharCode(byte)}b\r\n\r\n`,
        ),
        wire(
          port,
          `byte ${byte} in a name`,
          `GET /health/live HTTP/1.1\r\n${head}X${String.fromCharCode(byte)}A: b\r\n\r\n`,
        ),
        wire(port, `byte ${byte} in the path`, `GET /health/${String.fromCharCode(byte)}live HTTP/1.1\r\n${head}\r\n`),
        wire(
          port,
          `byte ${byte} in the method`,
          `GE${String.fromCharCode(byte)}T /health/live HTTP/1.1\r\n${head}\r\n`,
        ),
      ]),
    ...[8, 64, 256, 1024].flatMap((kilobytes) => [
      wire(port, `a request line of ${kilobytes} kB`, `GET /${'a'.repeat(kilobytes * 1024)} HTTP/1.1\r\n${head}\r\n`),
      wire(
        port,
        `a header of ${kilobytes} kB`,
        `GET / HTTP/1.1\r\n${head}X-A: ${'a'.repeat(kilobytes * 1024)}\r\n\r\n`,
      ),
      wire(port, `a method of ${kilobytes} kB`, `${'A'.repeat(kilobytes * 1024)} / HTTP/1.1\r\n${head}\r\n`),
    ]),
    ...[
      'http://evil.example/management/v1/users',
      'http://',
      'https://user:pass@localhost/health/live',
      'file:///etc/passwd',
      '*',
      'localhost:80',
      '//evil.example/',
      'http://[::1',
      'javascript:alert(1)',
      'http://localhost/\u00ff',
    ].map((target) =>
      wire(port, `asked for ${target}`, `GET ${Buffer.from(target).toString('latin1')} HTTP/1.1\r\n${head}\r\n`),
    ),
    wire(port, 'CONNECT', `CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n`, { abandoned: true }),
    wire(
      port,
      'an Upgrade, then another protocol',
      `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n\0\0\0`,
      { abandoned: true },
    ),
    wire(
      port,
      '100 requests at once',
      `${'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(99)}GET /health/live HTTP/1.1\r\n${head}\r\n`,
    ),
    wire(
      port,
      'a body announced and never sent',
      `POST /oauth/token HTTP/1.1\r\n${head}Content-Length: 100\r\n\r\nabc`,
      { abandoned: true },
    ),
    wire(
      port,
      'a chunk cut off',
      `POST /device/v1/decide HTTP/1.1\r\n${head}Content-Type: application/jose\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nab`,
      { abandoned: true },
    ),
    wire(port, 'a request line cut off', 'POST /oauth/to', { abandoned: true }),
    wire(port, 'nothing at all', '', { abandoned: true }),
    wire(
      port,
      'an expectation that is met',
      `POST /oauth/token HTTP/1.1\r\n${head}Expect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b`,
    ),
    wire(
      port,
      'an expectation for a body that is too large',
      `POST /oauth/token HTTP/1.1\r\n${head}Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n`,
    ),
    wire(
      port,
      'a trailer',
      `POST /oauth/token HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n0\r\nAuthorization: {{fuzzed}}\r\n\r\n`,
    ),
    wire(
      port,
      'a chunk extension of 20 kB',
      `POST /oauth/token HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n1;${'a'.repeat(20_000)}\r\na\r\n0\r\n\r\n`,
    ),
    ...forClients.map((path) =>
      wire(
        port,
        `more chunks than allowed to ${path}`,
        `POST ${path} HTTP/1.1\r\n${head}Authorization: {{fuzzed}}\r\nContent-Type: ${mediaTypes.form}\r\nTransfer-Encoding: chunked\r\n\r\n${'1000\r\n'.concat('a'.repeat(4096), '\r\n').repeat(16)}0\r\n\r\n`,
      ),
    ),
  ]);
}
