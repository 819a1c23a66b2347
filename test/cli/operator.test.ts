import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CliResult, runCli, runCliProcess, startCli } from '../support/cli.ts';
import { freePorts } from '../support/ports.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';

let folder: TemporaryFolder;
beforeEach(async () => {
  folder = await temporaryFolder('assent-cli');
});
afterEach(() => folder.remove());

describe('init', () => {
  const init = () => runCli(['init', folder.path, '--json']);

  test('writes a configuration for production and keys that only the owner reads; it passes the check', async () => {
    const written = await init();
    expect(written).toMatchObject({ status: 0, stderr: '' });
    const { config, masterKey, managementKey } = written.json();
    for (const file of [masterKey, managementKey]) expect((await stat(file)).mode & 0o777).toBe(0o600);
    const key = (await readFile(managementKey, 'utf8')).trim();
    expect(await readFile(config, 'utf8')).not.toContain(key);

    expect((await runCli(['config', 'check', config])).stderr).toContain('masterKey: is required in production');
    // whoever stands where it was written need not name it
    const here = await runCliProcess(['config', 'check', '--json'], {
      cwd: folder.path,
      env: { ASSENT_MASTER_KEY_FILE: 'master.key' },
    });
    expect(here.status).toBe(0);
    expect(here.json()).toMatchObject({ ok: true, environment: 'production', issuer: 'https://login.example.com' });
  });

  test('overwrites nothing', async () => {
    const { masterKey } = (await init()).json();
    const before = await readFile(masterKey, 'utf8');
    const again = await init();
    expect([again.status, again.json().error.code]).toEqual([2, 'file_exists']);
    expect(await readFile(masterKey, 'utf8')).toBe(before);
  });

  test('writes nothing where one of its files exists', async () => {
    await writeFile(join(folder.path, 'management.key'), 'mine');
    expect((await init()).status).toBe(2);
    await expect(stat(join(folder.path, 'assent.json'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('takes no store that is there: its master key is another one', async () => {
    await mkdir(join(folder.path, 'data'));
    await writeFile(join(folder.path, 'data/assent.db'), 'of a trial');
    const { config } = (await init()).json();
    expect(JSON.parse(await readFile(config, 'utf8')).store).toBe(
      `embedded:${join(folder.path, 'data/production.db')}`,
    );
  });

  test('makes the folder, and says what to do next', async () => {
    const { status, stdout } = await runCli(['init', join(folder.path, 'new/place')]);
    expect(status).toBe(0);
    expect(stdout).toContain('assent config check');
  });
});

describe('config', () => {
  test('check tells every problem at once, in JSON with the setting of each', async () => {
    const file = join(folder.path, 'config.json');
    await writeFile(file, JSON.stringify({ environment: 'production', port: -1, nonsense: true }));
    const checked = await runCli(['config', 'check', file, '--json']);
    expect(checked.status).toBe(2);
    const { code, problems } = checked.json().error;
    expect(code).toBe('configuration_invalid');
    const settings = problems.map(({ setting }: { setting: string }) => setting);
    expect(settings).toEqual(expect.arrayContaining(['port', 'nonsense', 'issuer', 'masterKey']));
  });

  describe('check finds what would stop a start', () => {
    const written = async (settings: object) => {
      const file = join(folder.path, 'config.json');
      const store = `embedded:${join(folder.path, 'assent.db')}`;
      await writeFile(file, JSON.stringify({ environment: 'development', store, ...settings }));
      return ['config', 'check', file, '--json'];
    };
    const problems = (checked: CliResult) => [checked.status, checked.json().error.problems];

    test('a client that could not authenticate; and it makes no store', async () => {
      const shop = { client_id: 'shop', grant_types: ['authorization_code'] };
      const clients = [{ ...shop, token_endpoint_auth_method: 'private_key_jwt' }];
      // a process, as that costs less than to load the server into this one
      expect(problems(await runCliProcess(await written({ clients })))).toEqual([
        2,
        [{ setting: 'clients[0] (shop)', message: 'jwks or jwks_uri is mandatory for this client' }],
      ]);
      expect(await readdir(folder.path)).toEqual(['config.json']);
    });

    test('a plug-in that is not there', async () => {
      expect(problems(await runCli(await written({ plugins: { policy: '/nowhere/policy.js' } })))).toEqual([
        2,
        [{ setting: 'plugins.policy', message: expect.stringContaining('cannot be loaded') }],
      ]);
    });
  });

  test('check needs to know which', async () => {
    expect((await runCli(['config', 'check'])).stderr).toContain('ASSENT_CONFIG: is required');
  });

  test('docs prints the reference that is in the repository', async () => {
    const { stdout } = await runCli(['config', 'docs']);
    expect(stdout.trim()).toBe((await readFile(new URL('../../config/README.md', import.meta.url), 'utf8')).trim());
  });
});

test('a wrong configuration does not serve: exit status 2 and the problems', async () => {
  const { status, stderr } = await runCliProcess(['serve', '--config', join(folder.path, 'missing.json')]);
  expect(status).toBe(2);
  expect(stderr).toContain('cannot be read');
});

test('serve is the server, and ends with what it was told', async () => {
  const [port, management, authenticator] = await freePorts(3);
  const file = join(folder.path, 'config.json');
  const settings = JSON.parse(await readFile(new URL('../../config/development.json', import.meta.url), 'utf8'));
  await writeFile(
    file,
    JSON.stringify({
      ...settings,
      port,
      management: { ...settings.management, port: management },
      authenticator: { port: authenticator },
      store: `embedded:${join(folder.path, 'assent.db')}`,
    }),
  );
  await using serve = startCli(['serve', '--config', file]);
  await serve.until('Assent is ready');
  expect((await fetch(`http://localhost:${port}/health/ready`)).status).toBe(200);
  serve.interrupt();
  expect((await serve.result).status).toBe(0);
});

test('help is no failure, a command that is missing or unknown is one', async () => {
  expect(await runCliProcess(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('Approving:') });
  expect(await runCliProcess(['user'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('A command is missing'),
  });
  expect(await runCliProcess(['frobnicate'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('Unknown command'),
  });
});

describe('with a server', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(async () => server?.[Symbol.asyncDispose]());
  const cli = (...args: string[]) => runCli(args, { env: server.env });

  test('a user is created, found by every identifier, locked, unlocked and deactivated', async () => {
    const given = [
      '--name',
      'Carol',
      '--email',
      'carol@example.test',
      '--phone',
      '+31612345679',
      '--external-ref',
      'crm-7',
    ];
    const created = await cli('user', 'create', 'carol', ...given, '--attribute', 'desk=4', 'floor=2', '--json');
    expect(created.json()).toMatchObject({ username: 'carol', state: 'active', attributes: { desk: '4', floor: '2' } });
    const { id } = created.json();
    for (const named of [id, 'carol', 'carol@example.test', '+31612345679', 'crm-7']) {
      expect((await cli('user', 'show', named, '--json')).json()).toMatchObject({ id, devices: [] });
    }
    expect((await cli('user', 'lock', 'carol', '--json')).json()).toMatchObject({ state: 'locked' });
    expect((await cli('user', 'unlock', 'carol', '--json')).json()).toMatchObject({ state: 'active' });
    expect((await cli('user', 'lift', 'carol', '--client', 'demo-tv', '--json')).json()).toMatchObject({
      client_id: 'demo-tv',
    });
    expect((await cli('user', 'deactivate', 'carol', '--json')).json().error.code).toBe('not_confirmed');
    expect((await cli('user', 'show', 'carol', '--json')).json()).toMatchObject({ state: 'active' });
    expect((await cli('user', 'deactivate', 'carol', '--yes', '--json')).json()).toMatchObject({
      state: 'deactivated',
    });
    const { items } = (await cli('user', 'list', '--json')).json();
    expect(items.map(({ username }: { username: string }) => username).sort()).toEqual(['alice', 'bob', 'carol']);
  });

  test.each([
    ['a name that is taken', ['user', 'create', 'alice'], 'identifier_taken'],
    ['a name that cannot be', ['user', 'create', 'Al ice'], 'invalid_request'],
    ['an attribute without a value', ['user', 'create', 'dora', '--attribute', 'desk'], 'attribute_invalid'],
    ['a user who is not there', ['ticket', 'nobody'], 'user_not_found'],
    ['a device that is not there', ['device', 'lock', 'nothing'], 'device_not_found'],
    ['a wrong key', ['user', 'list', '--key', 'wrong'], 'unauthorized'],
    ['a lifetime that is none', ['ticket', 'alice', '--ttl', 'long'], 'usage'],
  ])('%s changes nothing', async (_title, args, code) => {
    const { status, json } = await cli(...args, '--json');
    expect([status, json().error.code]).toEqual([2, code]);
  });

  test('a server that is not there changes nothing', async () => {
    const { status, json } = await runCliProcess(['user', 'list', '--management-url', 'http://127.0.0.1:9', '--json'], {
      env: server.env,
    });
    expect([status, json().error.code]).toEqual([2, 'network']);
  });

  test('a device is locked and unlocked by its id', async () => {
    const env = { ...server.env, XDG_CONFIG_HOME: folder.path };
    const enroll = ['device', 'enroll', `${server.issuer}/demo/enroll?user=alice`, '--pin', '493817', '--json'];
    const { device_id: id } = (await runCli(enroll, { env })).json();
    expect((await cli('device', 'lock', id, '--json')).json()).toMatchObject({ id, state: 'locked' });
    const locked = await runCli(['device', 'inbox', '--json'], { env });
    expect([locked.status, locked.json().error.code]).toEqual([1, 'device_locked']);
    await cli('device', 'unlock', id);
    expect((await runCli(['device', 'inbox', '--json'], { env })).json()).toEqual({ operations: [], notices: [] });
    expect((await cli('device', 'list', 'alice', '--json')).json().items).toMatchObject([{ id, state: 'active' }]);
  });

  test('clients are listed without their secrets', async () => {
    const { stdout, json } = await cli('client', 'list', '--json');
    expect(json().items).toContainEqual(expect.objectContaining({ client_id: 'demo-tv' }));
    expect(stdout).not.toContain(server.secretOf('demo-tv'));
  });

  test('no key where there is no development configuration to take one from', async () => {
    const config = join(folder.path, 'production.json');
    await writeFile(config, JSON.stringify({ environment: 'production' }));
    const listed = await runCli(['user', 'list', '--json'], { env: { ASSENT_CONFIG: config } });
    expect([listed.status, listed.json().error.code]).toEqual([2, 'key_missing']);
  });

  test('store check reads back settings, integrity, schema and owner, while it serves and after', async () => {
    const serving = await cli('store', 'check', '--json');
    expect(serving).toMatchObject({ status: 0 });
    expect(serving.json().findings).toEqual(
      expect.arrayContaining([
        { what: 'in use by', ok: true, found: expect.stringContaining(`process ${server.pid()}`) },
        { what: 'integrity', ok: true, found: 'ok' },
        { what: 'journal_mode', ok: true, found: 'wal' },
      ]),
    );
    await server.stop();
    const stopped = (await cli('store', 'check', '--json')).json().findings;
    expect(stopped).toEqual(
      expect.arrayContaining([
        { what: 'in use by', ok: true, found: 'nobody' },
        { what: 'synchronous', ok: true, found: '2' },
      ]),
    );
  });

  test('store check refuses a file that is no database, and leaves it as it is', async () => {
    const store = join(folder.path, 'other.db');
    const text = 'not a database, but long enough to be taken for one'.repeat(20);
    await writeFile(store, text);
    const env = { ...server.env, ASSENT_STORE: `embedded:${store}` };
    const checked = await runCli(['store', 'check', '--json'], { env });
    expect([checked.status, checked.json().error.code]).toEqual([2, 'store_unfit']);
    expect(await readFile(store, 'utf8')).toBe(text);
  });

  test('store check makes no store', async () => {
    const store = join(folder.path, 'none.db');
    const env = { ...server.env, ASSENT_STORE: `embedded:${store}` };
    expect((await runCli(['store', 'check'], { env })).stdout).toContain('the first start makes it');
    await expect(stat(store)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
