import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { exchange } from '../http.ts';
import { watchedLog } from '../log.ts';
import { repository, startServer } from '../server.ts';
import { canaries, expectNoCanary } from './index.ts';
import { createSearch } from './search.ts';

const random = (bytes = 24) => randomBytes(bytes).toString('base64url');

/** What is found in a log that has this line between two others. */
function foundIn(text: string): string {
  try {
    expectNoCanary('the log', `{"event":"before"}\n{"event":"x","note":"${text}"}\n{"event":"after"}\n`);
    return 'nothing';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('TH-22 what a server shows fails the test that stops it', () => {
  test('TH-22 a planted secret in the log of a process', async () => {
    const server = await startServer();
    // of a path the log shows words: nothing tells it that these are a password
    const planted = `correct-horse-${random()
      .replaceAll(/[^a-z]/gi, '')
      .toLowerCase()
      .slice(0, 16)}`;
    canaries.add('a planted secret', planted);
    await fetch(`${server.issuer}/${planted}`);
    await expect(server.stop()).rejects.toThrow(
      /TH-22: the log shows a planted secret: ….*"path":"\/‹a planted secret›.*…$/,
    );
    // told once: what comes after it in the test is not hidden by it
    await server[Symbol.asyncDispose]();
    expect(() => readdirSync(server.folder)).toThrow('ENOENT');
  });

  test('TH-22 one on the command line, and one that became a label in /metrics', async () => {
    const onCommandLine = random();
    const client_id = `planted-${random()}`;
    const client = {
      ...{ client_id, client_secret: random(32), client_name: 'Planted', backchannel_token_delivery_mode: 'poll' },
      grant_types: ['urn:openid:params:grant-type:ciba'],
    };
    const wrapper = ['bash', '-c', 'exec -a "$0" "$@"', onCommandLine];
    await using server = await startServer({ wrapper, config: { clients: [client], metrics: { clientLabel: true } } });
    canaries.add('a planted argument', onCommandLine);
    await expect(server.stop()).rejects.toThrow('TH-22: the command line shows a planted argument');

    await server.restart();
    const params = { client_id, grant_type: client.grant_types[0]!, auth_req_id: `00${random(32)}` };
    const authorization = `Basic ${btoa(`${client_id}:${client.client_secret}`)}`;
    const body = new URLSearchParams(params);
    await fetch(`${server.issuer}/oauth/token`, { method: 'POST', headers: { authorization }, body });

    canaries.add('a planted label', client_id);
    await expect(server.stop()).rejects.toThrow('TH-22: /metrics shows a planted label');
  });

  test('TH-22 one that passes by the masks of a log in this process', () => {
    const { log, check } = watchedLog();
    const planted = random();
    canaries.add('a planted secret', planted);
    log.debug('x', { note: `came with ${planted}` });
    expect(check).toThrow(/TH-22: the log shows a planted secret: …{.*"came with ‹a planted secret›"}…/);
  });
});

test('TH-22 nothing that starts a server asks Node for reports or heap snapshots of a crash, and a container writes no core', () => {
  const starters = [
    'package.json',
    'Dockerfile',
    'compose.yaml',
    'compose.production.yaml',
    'bin/setup.js',
    'bin/assent.js',
  ];
  const texts = starters.map((file) => readFileSync(join(repository, file), 'utf8')).join('\n');
  expect(texts).not.toMatch(/--report|--heapsnapshot|--heap-prof|--abort-on-uncaught|--diagnostic-dir|NODE_OPTIONS/);
  expect(readFileSync(join(repository, 'compose.production.yaml'), 'utf8')).toContain('ulimits: { core: 0 }');
  const { reportOnFatalError, reportOnSignal, reportOnUncaughtException } = process.report;
  expect([reportOnFatalError, reportOnSignal, reportOnUncaughtException]).toEqual([false, false, false]);
});

describe('what is learnt without being told', () => {
  const answer = {
    ...{ access_token: random(), refresh_token: random(), id_token: `eyJh.${random()}.${random(64)}` },
    ...{ auth_req_id: `a0${random(32)}`, activation_code: 'K7QD-93MX-RRTW', client_secret: random(32) },
    ticket_uri: `https://phone.example/#t=5f${random(32)}&k=public`,
  };
  const cookie = random();
  const code = random();
  const sent = {
    ...{
      client_assertion: `eyJh.${random()}.${random(64)}`,
      user_code: 'blue-horse-7',
      request: `eyJh.e30.${random(64)}`,
    },
    ...{ client_notification_token: random(), binding_message: 'Pay 12.50 to the ☂ shop' },
    login_hint: '+31687001122',
  };
  const ticket_uri = answer.ticket_uri.split(/[=&]/)[1]!;
  const secrets = { ...answer, ...sent, cookie, ticket_uri };

  test.each([['fetch'], ['node:http']])('from what passes through %s, in both directions', async (by) => {
    const server = createServer((_req, res) => {
      res.writeHead(200, { 'set-cookie': `sid=${cookie}; HttpOnly`, location: `/cb?t=${code}` });
      res.end(JSON.stringify(answer));
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const [basic, bearer, proof] = [random(32), random(32), `eyJh.e30.${random(64)}`];
    const headers = { authorization: `Basic ${btoa(`shop:${basic}`)}`, dpop: proof };
    const body = new URLSearchParams(sent);
    if (by === 'fetch') await (await fetch(url, { method: 'POST', headers, body })).text();
    else await (await exchange(url, { method: 'POST', headers, body })).text();
    if (by === 'fetch') await (await fetch(url, { headers: { authorization: `DPoP ${bearer}` } })).text();
    await new Promise((closed) => server.close(closed).closeAllConnections());

    for (const [name, secret] of Object.entries(secrets))
      expect([name, foundIn(secret)]).not.toEqual([name, 'nothing']);
    expect(foundIn(basic)).toContain('‹a client secret›');
    expect(foundIn(headers.authorization)).toContain('‹what follows Basic in an Authorization header›');
    expect(foundIn(proof)).toContain('‹a DPoP proof›');
    if (by === 'fetch') expect(foundIn(bearer)).toContain('‹what follows DPoP in an Authorization header›');
    if (by === 'fetch') expect(foundIn(code)).toContain('‹a device ticket›');
  });

  test('what is public is no secret: a user name, an id, a word', () => {
    canaries.sent('login_hint=alice-of-the-shop&user_code=4711&scope=openid');
    canaries.learn(JSON.stringify({ user: { id: `3f${random(16)}` }, error: 'invalid_request', key: '/etc/key.pem' }));
    for (const text of ['alice-of-the-shop', '4711', 'invalid_request', '/etc/key.pem'])
      expect(foundIn(text)).toBe('nothing');
  });
});

describe('the search', () => {
  test('finds one of many, at either end of a text, and its beginning where a log cuts it', () => {
    const search = createSearch();
    const all = Array.from({ length: 5_000 }, (_, i) => `${(i % 256).toString(16).padStart(2, '0')}${random(32)}`);
    for (const [i, secret] of all.entries()) search.add(`secret ${i}`, secret);
    const haystack = Array.from({ length: 5_000 }, () => random(32)).join(' ');
    expect(search.find(haystack)).toBeUndefined();
    for (const i of [0, 2_500, 4_999]) {
      for (const text of [`${all[i]} ${haystack}`, haystack + all[i], `${haystack} ${all[i]!.slice(0, 20)}…`])
        expect(search.find(text)).toMatchObject({ name: `secret ${i}` });
    }
  });

  test('tells the line without the secret, and no other line', () => {
    const search = createSearch();
    const secret = random(32);
    search.add('a secret', secret);
    const { line } = search.find(`first\n{"second":"${secret.slice(0, 12)}… ${secret}"}\nthird`)!;
    expect(line).toMatch(/^…{"second":".*‹a secret›.*$/);
    expect(line).not.toMatch(/first|third/);
    expect(line).not.toContain(secret.slice(-12));
  });
});
