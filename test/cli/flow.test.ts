import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beginEnrollment, memoryStorage } from '../../src/device-sdk/index.ts';
import { runCli, runCliProcess, startCli } from '../support/cli.ts';
import { browserOf } from '../support/cookie-browser.ts';
import { repository, startServer, type TestServer } from '../support/server.ts';
import { temporaryFolder } from '../support/tmp.ts';

const pin = '493817';
/** Of one client for one person; more than the other tests need. */
const startsAllowed = 20;

let server: TestServer;
let env: Record<string, string>;
const cli = (...args: string[]) => runCli(args, { env });

beforeAll(async () => {
  const config = JSON.parse(await readFile(join(repository, 'config/development.json'), 'utf8'));
  const digits = { id: 'with-digits', name: 'With digits', enrollment_mode: 'multiple', confirm: 'code' };
  const attested = { id: 'attested', name: 'Attested', enrollment_mode: 'multiple', attestation: 'require' };
  const plugins = { attestation: join(repository, 'test/support/attestation.ts') };
  const applications = [...config.applications, digits, attested];
  const device = { pin: { proofRetention: 'sealed' } };
  const limits = { perUserAndClient: { starts: startsAllowed, windowSeconds: 600 } };
  server = await startServer({ config: { applications, plugins, device, limits } });
  env = { ...server.env, XDG_CONFIG_HOME: join(server.folder, 'xdg') };
});
afterAll(async () => server?.[Symbol.asyncDispose]());

const numberIn = (output: string) => /Number to match: (\d+)/.exec(output)![1]!;

test('B13 F205 three commands complete a sign-in without a browser or a page', async () => {
  const enroll = ['device', 'enroll', `${server.issuer}/demo/enroll?user=alice`, '--pin', pin];
  const enrolled = await runCliProcess(enroll, { env });
  expect(enrolled).toMatchObject({ status: 0, stderr: '' });
  expect(enrolled.stdout).toContain('This computer is now a device of');

  await using login = startCli(
    ['ciba', 'login', '--client', 'demo-helpdesk', '--hint', 'alice', '--text', 'Case 4711'],
    {
      env,
    },
  );
  const number = numberIn(await login.until('Waiting for alice to answer'));
  const approved = await runCliProcess(['device', 'approve', '--pin', pin, '--match', number], { env });
  expect(approved).toMatchObject({ status: 0, stderr: '' });
  expect(approved.stdout).toMatch(
    /Demo help desk asks to sign you in\..*“Case 4711”.*Approved\. Demo help desk now sees/s,
  );

  const { status, stdout } = await login.result;
  expect(status).toBe(0);
  expect(stdout).toMatch(/The ID token is verified.*acr +urn:assent:acr:two-factor.*preferred_username +alice/s);
  expect(stdout).not.toContain(server.secretOf('demo-helpdesk'));
});

test('the keys lie in one file that only its owner can read', async () => {
  const folder = join(env.XDG_CONFIG_HOME!, 'assent');
  expect(await readdir(folder)).toEqual(['.lock', 'default.json']);
  expect((await stat(join(folder, 'default.json'))).mode & 0o777).toBe(0o600);
  expect((await stat(join(folder, '.lock'))).size).toBe(0);
  const kept = await readFile(join(folder, 'default.json'), 'utf8');
  expect(JSON.parse(kept)).toMatchObject({ v: 1, device: { base: server.authenticator } });
  expect(kept).not.toContain(pin);
});

test('approve waits for a request that comes later, and says so', async () => {
  await using approve = startCli(['device', 'approve', '--pin', pin], { env });
  await approve.until('Waiting for a request');
  const started = await cli('ciba', 'start', '--client', 'demo-agent', '--hint', 'alice', '--json');
  const { auth_req_id: authReqId } = started.json();
  expect(await approve.result).toMatchObject({ status: 0, stdout: expect.stringContaining('Demo agent') });
  const polled = await cli('ciba', 'poll', authReqId, '--client', 'demo-agent', '--json');
  expect(polled.status).toBe(0);
  expect(polled.json()).toMatchObject({
    event: 'approved',
    claims: { aud: 'demo-agent' },
    userinfo: { name: 'Alice' },
  });
  expect(polled.json().tokens).toBeUndefined();
});

test('a document is sent from a file; a text is shown before it is approved, anything else is written where it is wanted', async () => {
  const folder = await temporaryFolder('documents');
  const file = (name: string) => join(folder.path, name);
  const pdf = Buffer.from([0x25, 0x50, 0x44, 0x46, 0xff, 0x0a]);
  await writeFile(file('terms.txt'), 'One.\n\tTwo \u{1F600}\n');
  await writeFile(file('deed.pdf'), pdf);
  const start = async (name: string) => {
    const started = [
      'ciba',
      'start',
      '--client',
      'demo-helpdesk',
      '--hint',
      'alice',
      '--document',
      file(name),
      '--json',
    ];
    return (await cli(...started)).json().match_code as string;
  };
  const answer = async (match: string, ...more: string[]) =>
    cli('device', 'approve', '--pin', pin, '--match', match, ...more);

  const approved = await answer(await start('terms.txt'));
  expect(approved).toMatchObject({ status: 0, stderr: '' });
  expect(approved.stdout).toMatch(
    /Document: +terms\.txt \(text\/plain, 15 bytes\).*│ One\.\n +│ +Two 😀\n.*Approved\./s,
  );

  const match = await start('deed.pdf');
  const unread = await answer(match, '--json');
  expect([unread.status, unread.json().error.code]).toEqual([2, 'document_unread']);
  const taken = await answer(match, '--document', file('terms.txt'), '--json');
  expect([taken.status, taken.json().error.code]).toEqual([2, 'document_exists']);
  expect(await answer(match, '--document', file('copy.pdf'))).toMatchObject({ status: 0 });
  expect(await readFile(file('copy.pdf'))).toEqual(pdf);

  await writeFile(file('page.html'), '<p>');
  const refused = await cli(
    'ciba',
    'start',
    '--client',
    'demo-helpdesk',
    '--hint',
    'alice',
    '--document',
    file('page.html'),
    '--json',
  );
  expect([refused.status, refused.json().error.code]).toEqual([2, 'document_type']);
  await folder.remove();
});

test('what proves the PIN of an approval is opened for a reason, which must be given', async () => {
  await cli('ciba', 'start', '--client', 'demo-agent', '--hint', 'alice');
  const { op } = (await cli('device', 'approve', '--pin', pin, '--json')).json();
  const became = (await cli('operation', 'show', op)).stdout;
  expect(became).toMatch(
    /state +approved.*asked by +demo-agent.*device +\S{24}.*method +pin.*acr +urn:assent:acr:two-factor/s,
  );
  expect((await cli('operation', 'pin-proof', op)).status).toBe(2);
  const opened = await cli('operation', 'pin-proof', op, '--reason', 'dispute 17', '--json');
  expect(opened.json()).toMatchObject({ operation_id: op, pin_proof: expect.any(String), pin_key: { kty: 'EC' } });
  const shown = await cli('operation', 'pin-proof', op, '--reason', 'dispute 17');
  expect(shown.stdout).toContain(opened.json().pin_proof);
  const none = await cli('operation', 'pin-proof', 'nothing', '--reason', 'dispute 17', '--json');
  expect([none.status, none.json().error.code]).toEqual([2, 'pin_proof_not_found']);
});

test('a denial with its reason reaches the client: exit status 1, in words and in JSON', async () => {
  await using login = startCli(['ciba', 'login', '--client', 'demo-tv', '--hint', 'alice', '--json'], { env });
  await login.until('"match_code"');
  const denied = await cli('device', 'deny', '--reason', 'not_me', '--json');
  expect(denied.json()).toMatchObject({ state: 'denied', reason: 'not_me' });
  const { status, stdout } = await login.result;
  expect(status).toBe(1);
  const [started, ended] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(started).toMatchObject({ event: 'started', match_code: expect.stringMatching(/^\d\d$/) });
  expect(ended).toMatchObject({ error: { code: 'access_denied' } });
});

test('S-09 a website’s code is claimed, shown with what it asks, and approved with the number of the page', async () => {
  const browser = browserOf({ issuer: server.issuer, origin: server.issuer });
  const page = await browser.go(`${server.issuer}/demo/web/sign-in`);
  const { html } = await browser.post(page.url, { do: 'scan' });
  const link = /href="([^"]*#c=[^"]*)"/.exec(html)![1]!;
  const claimed = await cli('device', 'claim', link);
  expect(claimed).toMatchObject({ status: 0, stdout: expect.stringContaining('Demo website asks to sign you in.') });
  const again = (await cli('device', 'claim', link, '--json')).json();
  expect(claimed.stdout).toContain(`device approve ${again.op} --match <the number on that screen>`);
  const number = /id="number">(\d\d)</.exec((await browser.go(page.url)).html)![1]!;
  const approved = await cli('device', 'approve', again.op, '--pin', pin, '--match', number, '--json');
  expect(approved.json()).toMatchObject({ op: again.op, state: 'approved' });
  expect((await browser.go(page.url)).url.pathname).toBe('/demo/web');

  const refused = async (text: string) => {
    const { status, json } = await cli('device', 'claim', text, '--json');
    return [status, json().error.code];
  };
  expect(await refused('https://approve.example.test/#t=x&k=y')).toEqual([2, 'claim_unreadable']);
  expect(await refused(`7f${'A'.repeat(43)}`)).toEqual([1, 'claim_not_found']);
  expect(await refused(link)).toEqual([1, 'operation_decided']);
});

describe('where nobody can be asked', () => {
  let authReqId: string;
  let number: string;
  beforeAll(async () => {
    const { auth_req_id, match_code } = (
      await cli('ciba', 'start', '--client', 'demo-tv', '--hint', 'alice', '--json')
    ).json();
    [authReqId, number] = [auth_req_id, match_code];
  });

  test('a number that is missing ends the command before anything is sent', async () => {
    const { status, stdout } = await cli('device', 'approve', '--pin', pin, '--json');
    expect(status).toBe(2);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'match_required',
      options: expect.arrayContaining([number]),
    });
  });

  test('so does a PIN', async () => {
    const approved = await cli('device', 'approve', '--match', number, '--json');
    expect(approved).toMatchObject({ status: 2 });
    expect(approved.json().error.code).toBe('pin_required');
  });

  test('a number that was not offered costs no try', async () => {
    const approved = await cli('device', 'approve', '--pin', pin, '--match', '100', '--json');
    expect(approved).toMatchObject({ status: 2 });
    expect(approved.json().error.code).toBe('match_unknown');
  });

  test('an answer that does not come is no end of the request', async () => {
    const poll = ['ciba', 'poll', authReqId, '--client', 'demo-tv', '--wait', '1', '--json'];
    const polled = await runCliProcess(poll, { env });
    expect(polled.status).toBe(1);
    expect(polled.json().error).toMatchObject({
      code: 'authorization_pending',
      advice: expect.stringContaining(authReqId),
    });
  });

  test('of several requests one must be named', async () => {
    const { auth_req_id: other } = (
      await cli('ciba', 'start', '--client', 'demo-agent', '--hint', 'alice', '--json')
    ).json();
    const approved = await cli('device', 'approve', '--pin', pin, '--json');
    expect(approved.status).toBe(2);
    const { code, operations } = approved.json().error;
    expect([code, operations.length]).toEqual(['several_requests', 2]);
    const inbox = (await cli('device', 'inbox', '--json')).json().operations;
    const { op } = inbox.find(({ client }: { client: { id: string } }) => client.id === 'demo-agent');
    expect(await cli('device', 'approve', op, '--pin', pin)).toMatchObject({ status: 0 });
    expect(await cli('ciba', 'poll', other, '--client', 'demo-agent')).toMatchObject({ status: 0 });
  });

  test('a wrong PIN approves nothing and ends a request whose number had one try', async () => {
    const failed = await cli('device', 'approve', '--pin', '493818', '--match', number, '--json');
    expect(failed.status).toBe(1);
    expect(failed.json().error.code).toBe('attempt_failed');
    const polled = await cli('ciba', 'poll', authReqId, '--client', 'demo-tv', '--json');
    expect(polled.status).toBe(1);
    expect(polled.json().error.code).toBe('access_denied');
  });
});

test('watch shows requests and what becomes of them, and stops when told', async () => {
  await using watch = startCli(['device', 'watch', '--json'], { env });
  await cli('ciba', 'start', '--client', 'demo-agent', '--hint', 'alice', '--text', 'Watched');
  await watch.until('Watched');
  await cli('device', 'deny');
  await watch.until('"closed"');
  watch.interrupt();
  const { status, stdout } = await watch.result;
  expect(status).toBe(0);
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { event: 'operation', client: { name: 'Demo agent' }, binding_message: 'Watched' },
    { event: 'closed', state: 'denied' },
  ]);
});

describe('enrollment', () => {
  test('shows six digits, and is enrolled when they were typed where the ticket came from', async () => {
    const ticket = await cli('ticket', 'bob', '--application', 'with-digits');
    const [, operation] = /assent ticket confirm bob (\S+) <digits>/.exec(ticket.stdout)!;
    await using enroll = startCli(['device', 'enroll', ticket.stdout, '--device', 'digits'], { env });
    const [, one, two] = /(\d{3}) (\d{3})/.exec(await enroll.until('Waiting'))!;
    const confirm = (typed: string) => cli('ticket', 'confirm', 'bob', operation!, typed, '--json');
    expect(await confirm('12 34')).toMatchObject({ status: 2 });
    expect((await confirm(one === '000' ? '111 111' : '000 000')).json()).toMatchObject({
      error: { code: 'code_wrong', attempts_left: 2, advice: 'The new device still waits. 2 tries are left.' },
    });
    expect((await confirm(`${one} ${two}`)).json()).toMatchObject({ confirmed_at: expect.any(String) });
    const enrolled = await enroll.result;
    expect(enrolled).toMatchObject({ status: 0, stdout: expect.stringContaining('now a device of') });
    expect(enrolled.stdout).toContain('npx assent device approve --device digits');
  });

  test('is refused where a platform must vouch for the keys; a device that has one is enrolled, and shown with it', async () => {
    const ticket = (await cli('ticket', 'bob', '--application', 'attested', '--json')).json();
    const refused = await cli('device', 'enroll', ticket.ticket_uri, '--device', 'attested', '--json');
    expect([refused.status, refused.json().error.code]).toEqual([1, 'attestation_refused']);

    const another = (await cli('ticket', 'bob', '--application', 'attested', '--json')).json();
    const enrollment = await beginEnrollment(memoryStorage(), another.ticket_uri);
    expect(enrollment.policy.attestation).toBe('require');
    const attest = async ({ challenge }: { challenge: string }) => ({
      kind: 'test-platform',
      blob: `signed.${challenge}`,
    });
    const { deviceId } = await enrollment.finish({ device: { name: 'Phone' }, attest });
    const { items } = (await cli('device', 'list', 'bob', '--json')).json();
    expect(items.find(({ id }: { id: string }) => id === deviceId)).toMatchObject({
      state: 'active',
      attestation: { kind: 'test-platform', verdict: 'trusted', level: 'hardware', detail: 'made of paper' },
    });
  });

  test('takes what `assent ticket` prints', async () => {
    const ticket = await cli('ticket', 'bob', '--after', 'Well done.\r\nYour card is at the desk.');
    expect(ticket.status).toBe(0);
    expect(ticket.stdout).not.toContain('at the desk');
    const enrolled = await cli('device', 'enroll', ticket.stdout, '--pin', pin, '--device', 'bob', '--json');
    expect(enrolled).toMatchObject({ status: 0 });
    expect(enrolled.json().post_context).toEqual({ text: 'Well done.\nYour card is at the desk.' });
    expect((await cli('device', 'status', '--device', 'bob', '--json')).json()).toMatchObject({
      device_id: enrolled.json().device_id,
      state: 'active',
      methods: ['device', 'pin'],
    });
  });

  test('takes an activation code, with the name of the user', async () => {
    const { activation_code: code } = (await cli('ticket', 'bob', '--after', 'One.\nTwo.', '--json')).json();
    expect((await cli('device', 'enroll', code, '--pin', pin, '--json')).json().error.code).toBe('user_missing');
    const enrolled = await cli('device', 'enroll', code, '--user', 'bob', '--pin', pin, '--device', 'by-code');
    expect(enrolled).toMatchObject({ status: 0, stdout: expect.stringContaining('  │ One.\n  │ Two.\n') });
  });

  test('an enrolled device changes its PIN and its keys, and adds another one', async () => {
    const here = ['--device', 'by-code', '--json'];
    const wrong = await cli('device', 'pin', '--pin', '493818', '--new-pin', '582604', ...here);
    expect([wrong.status, wrong.json().error]).toMatchObject([
      1,
      { code: 'attempt_failed', attempts_left: 2, advice: 'Nothing was changed. 2 tries are left.' },
    ]);
    const weak = await cli('device', 'pin', '--pin', pin, '--new-pin', '111111', ...here);
    expect([weak.status, weak.json().error.code]).toEqual([2, 'pin_weak']);
    expect((await cli('device', 'pin', '--pin', pin, ...here)).json().error.code).toBe('pin_required');
    const changed = await cli('device', 'pin', '--pin', pin, '--new-pin', '582604', '--device', 'by-code');
    expect(changed).toMatchObject({ status: 0, stdout: expect.stringContaining('The PIN is changed') });

    const file = join(env.XDG_CONFIG_HOME!, 'assent', 'by-code.json');
    const keyIn = async () => JSON.parse(await readFile(file, 'utf8')).device.sig.publicJwk.x;
    const before = await keyIn();
    expect(await cli('device', 'rotate', '--pin', '582604', ...here)).toMatchObject({ status: 0 });
    expect(await keyIn()).not.toBe(before);

    const ticket = await cli('device', 'ticket', '--pin', '582604', ...here);
    const another = await cli('device', 'enroll', ticket.json().ticket_uri, '--pin', pin, '--device', 'another');
    expect(another).toMatchObject({ status: 0 });

    expect(await cli('device', 'pin', '--remove', '--pin', '582604', ...here)).toMatchObject({ status: 0 });
    const asked = await cli('device', 'pin', '--new-pin', pin, ...here);
    expect([asked.status, asked.json().error.code]).toEqual([2, 'ticket_required']);
    const link = `${server.issuer}/demo/enroll?user=bob`;
    const added = await cli('device', 'pin', '--new-pin', pin, '--ticket', link, ...here);
    expect(added.json()).toMatchObject({ pin: 'added' });
    expect((await cli('device', 'status', ...here)).json()).toMatchObject({ methods: ['device', 'pin'] });
  });

  test("gives up nobody else's device without being told, and the same person's by ending it", async () => {
    const { device_id: former } = (await cli('device', 'status', '--device', 'bob', '--json')).json();
    const alice = `${server.issuer}/demo/enroll?user=alice`;
    const refused = await cli('device', 'enroll', alice, '--pin', pin, '--device', 'bob', '--json');
    expect([refused.status, refused.json().error.code]).toEqual([2, 'already_enrolled']);
    const again = await cli(
      'device',
      'enroll',
      `${server.issuer}/demo/enroll?user=bob`,
      '--pin',
      pin,
      '--device',
      'bob',
      '--json',
    );
    expect(again.json()).toMatchObject({ replaced: former });
    const devices = (await cli('device', 'list', 'bob', '--json')).json().items;
    expect(devices.find(({ id }: { id: string }) => id === former)).toMatchObject({ state: 'deactivated' });
  });

  test.each([
    ['a link that is none', [], 'nonsense', 'ticket_unreadable'],
    ['an address that leads to none', [], '/demo/enroll?user=nobody', 'ticket_unreadable'],
    ['a weak PIN', ['--pin', '111111'], '/demo/enroll?user=bob', 'pin_weak'],
    ['no PIN', [], '/demo/enroll?user=bob', 'pin_required'],
    [
      'a name that leaves the folder',
      ['--pin', pin, '--device', '../x'],
      '/demo/enroll?user=bob',
      'device_name_invalid',
    ],
  ])('%s changes nothing', async (_title, options, address, code) => {
    const target = address.startsWith('/') ? server.issuer + address : address;
    const enrolled = await cli('device', 'enroll', target, '--device', 'nobody', ...options, '--json');
    expect([enrolled.status, enrolled.json().error.code]).toEqual([2, code]);
    expect((await cli('device', 'status', '--device', 'nobody', '--json')).json().error.code).toBe('not_enrolled');
  });

  test('ends with its keys', async () => {
    expect(await cli('device', 'unenroll', '--device', 'bob')).toMatchObject({ status: 0 });
    expect((await cli('device', 'inbox', '--device', 'bob', '--json')).json().error.code).toBe('not_enrolled');
  });
});

describe('the consumption side', () => {
  test.each([
    ['a hint that nobody has', ['--client', 'demo-tv', '--hint', 'nobody'], 1, 'unknown_user_id'],
    ['a wrong secret', ['--client', 'demo-tv', '--hint', 'alice', '--secret', 'wrong'], 2, 'invalid_client'],
    ['a client without a secret', ['--client', 'unheard-of', '--hint', 'alice'], 2, 'secret_missing'],
    [
      'a text with a line break',
      ['--client', 'demo-tv', '--hint', 'alice', '--text', 'a\nb'],
      2,
      'invalid_binding_message',
    ],
    [
      'an issuer that is none',
      ['--client', 'demo-tv', '--hint', 'alice', '--issuer', 'nonsense'],
      2,
      'address_invalid',
    ],
    [
      'a server that is not there',
      ['--client', 'demo-tv', '--hint', 'alice', '--issuer', 'http://127.0.0.1:9'],
      2,
      'network',
    ],
    ['an option that is missing', ['--client', 'demo-tv'], 2, 'usage'],
  ])('%s', async (_title, args, status, code) => {
    // what Node's own fetch throws is no Error of the realm that Jest makes: that is for a process of its own
    const run = code === 'network' ? runCliProcess : runCli;
    const started = await run(['ciba', 'start', ...args, '--json'], { env });
    expect([started.status, started.json().error.code]).toEqual([status, code]);
  });

  test('tokens are shown only when asked for', async () => {
    const { auth_req_id: authReqId } = (
      await cli('ciba', 'start', '--client', 'demo-agent', '--hint', 'alice', '--json')
    ).json();
    await cli('device', 'approve', '--pin', pin);
    const polled = await cli('ciba', 'poll', authReqId, '--client', 'demo-agent', '--show-tokens', '--json');
    expect(polled.json().tokens).toMatchObject({ id_token: expect.stringMatching(/^eyJ/) });
    const again = await cli('ciba', 'poll', authReqId, '--client', 'demo-agent', '--json');
    expect([again.status, again.json().error.code]).toEqual([2, 'invalid_grant']);
  });
});

test('a limit is told as one, with the time to wait: on the command line and on the demo pages', async () => {
  const start = () => cli('ciba', 'start', '--client', 'demo-tv', '--hint', 'alice', '--json');
  let last = await start();
  for (let i = 1; last.status === 0 && i <= startsAllowed; i++) last = await start();
  expect([last.status, last.json().error]).toEqual([
    2,
    {
      code: 'rate_limited',
      message: 'Not started: too many requests.',
      advice: expect.stringMatching(/^Nobody was asked\. Try again in \d+ (min|s)/),
      status: 429,
      retry_after: expect.any(Number),
    },
  ]);
  const answer = await fetch(`${server.issuer}/demo/tv/requests`, {
    method: 'POST',
    body: JSON.stringify({ user: 'alice' }),
  });
  expect(answer.status).toBe(429);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await answer.json()).toMatchObject({ code: 'often' });
});
