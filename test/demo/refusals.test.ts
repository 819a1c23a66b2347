/** What a start shows, and the demo pages' own calls, on a real server. */
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => server?.[Symbol.asyncDispose]());

const call = (path: string, init?: RequestInit) => fetch(server.issuer + path, { redirect: 'manual', ...init });

test.each([
  ['a page that is not there', '/demo/nothing', 'GET', 404],
  ['an asset that is not there', '/demo/assets/..%2fpackage.json', 'GET', 404],
  ['a path that does not decode', '/demo/assets/%ff', 'GET', 404],
  ['a method that nothing here has', '/demo/helpdesk', 'OPTIONS', 404],
  ['a user whose name is too long to be one', `/demo/enroll?user=${'a'.repeat(9000)}`, 'GET', 404],
  ['a user who is not there', '/demo/enroll?user=nobody', 'GET', 404],
  ['a request that never was', '/demo/tv/requests/nothing/events', 'GET', 404],
  ['a request without a user', '/demo/tv/requests', 'POST', 400],
])(
  '%s is a problem document with a trace, and has the headers of every answer',
  async (_name, path, method, status) => {
    const answer = await call(path, { method });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const problem = (await answer.json()) as Record<string, unknown>;
    expect(problem).toMatchObject({
      type: `urn:assent:problem:${problem['code']}`,
      status,
      detail: expect.any(String),
    });
    expect(problem['trace_id']).toBe(answer.headers.get('x-trace-id'));
  },
);

test('a request that is too long is refused, and the refusal arrives', async () => {
  const body = JSON.stringify({ user: 'alice', text: 'a'.repeat(50_000) });
  for (let i = 0; i < 20; i++)
    expect((await call('/demo/helpdesk/requests', { method: 'POST', body })).status).toBe(400);
});

test('a person who comes to the address alone, or to one that leads nowhere, is shown where to begin', async () => {
  const headers = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  for (const [path, status] of [
    ['/', 200],
    ['/demo', 200],
    ['/demo/nothing', 404],
    ['/demo/enroll?user=nobody', 404],
  ] as const) {
    const answer = await call(path, { headers });
    expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
      path,
      status,
      expect.stringMatching(/^text\/html/),
    ]);
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await answer.text()).toContain('/demo/assets/index.js');
  }
});

test('who has just started it reads where everything is, and each of these addresses answers', async () => {
  const { issuer, authenticator, management } = server;
  // written last of all, a moment after it is ready
  while (!server.output().includes('Stop with Ctrl+C')) await call('/demo');
  const welcome = server.output().slice(server.output().indexOf('Assent is ready'));
  const enroll = `${issuer}/demo/enroll?user=alice`;
  for (const line of [
    `1. Enroll this browser as alice's authenticator:  ${enroll}`,
    `Issuer          ${issuer}`,
    `Authenticator   ${authenticator}`,
    `Management API  ${management}/management/v1    key: ${server.managementKey}`,
    'Users           alice, bob',
    `npx assent device enroll "${enroll}"`,
    `npx assent ciba login --client demo-helpdesk --hint alice --text "Case 4711" --issuer ${issuer}`,
  ])
    expect(welcome).toContain(`  ${line}\n`);
  for (const path of ['/demo/helpdesk', '/demo/tv', '/demo/web', '/.well-known/openid-configuration'])
    expect([path, welcome.includes(` ${issuer}${path}\n`), (await call(path)).status]).toEqual([path, true, 200]);
  expect((await fetch(authenticator)).status).toBe(200);
  // the page of this device, with a ticket that the address bar alone has
  const answer = await fetch(enroll, { redirect: 'manual' });
  expect([answer.status, answer.headers.get('location')]).toEqual([302, expect.stringContaining(`${authenticator}/#`)]);
});

test('who closes a page that waits leaves nothing behind in the log', async () => {
  const post = (path: string, body: object) =>
    call(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  const phone = { user: 'alice', methods: ['device', 'pin'], behaviour: { decide: 'ignore' } };
  expect((await post('/simulator/devices', phone)).status).toBe(201);
  const { id } = (await (await post('/demo/tv/requests', { user: 'alice' })).json()) as { id: string };
  const before = server.output().length;
  const leave = new AbortController();
  const { status, body } = await call(`/demo/tv/requests/${id}/events`, { signal: leave.signal });
  expect(status).toBe(200);
  await body!.getReader().read();
  leave.abort();
  // a later request is answered by the same loop, which by then has seen the socket close
  for (let i = 0; i < 3; i++) await call('/demo/tv');
  expect(server.output().slice(before)).not.toMatch(/Error|^\s+at /m);
});
