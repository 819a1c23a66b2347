import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { repository, startServer, type TestServer } from '../../support/server.ts';

const production = {
  environment: 'production',
  issuer: 'https://id.example.org',
  authenticator: { origin: 'https://auth.example.org' },
  masterKey: 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA',
  clients: [],
  applications: [],
  seed: { users: [] },
  outbound: { allowLoopback: false },
  demo: { enabled: false },
  simulator: { enabled: false },
  management: { apiKeys: [{ name: 'ops', key: 'k3jd92mcn4x8v7b6z5q1w0e9r8t7y6u5', scopes: ['*'] }] },
};

/** Starts that must end by themselves. */
async function refused(config: Record<string, unknown>, env: Record<string, string> = {}) {
  await using server = await startServer({ config, env, expectReady: false });
  const status = await server.ended();
  return { status, output: server.output(), stored: existsSync(join(server.folder, 'assent.db')) };
}

describe('settings', () => {
  // exit status 78: a supervisor should not try again at once
  const clientOf = (metadata: object) => ({ ...production, clients: [{ client_id: 'shop', ...metadata }] });

  test.each<[what: string, config: Record<string, unknown>, said: RegExp]>([
    ['an unknown setting', { prot: 3000 }, /prot/],
    ['a port that is none', { port: 70_000 }, /port/],
    [
      'two listeners on one port',
      { port: 4444, management: { port: 4444 } },
      /management\.port is the same as port|management\.port/,
    ],
    ['a store that nobody knows', { store: 'postgres://localhost' }, /store/],
    ['lifetimes out of order', { ciba: { expiry: { minSeconds: 100, defaultSeconds: 50 } } }, /ciba\.expiry/],
    [
      'a client without its secret',
      { clients: [{ client_id: 'shop', grant_types: ['urn:openid:params:grant-type:ciba'] }] },
      /clients\[0\]/,
    ],
    ['production over http', { ...production, issuer: 'http://id.example.org' }, /issuer/],
    ['production without an issuer', { ...production, issuer: undefined }, /issuer/],
    ['production without a master key', { ...production, masterKey: undefined }, /masterKey/],
    ['a master key that is a placeholder', { ...production, masterKey: 'A'.repeat(43) }, /masterKey/],
    [
      'production with a demo client',
      clientOf({ client_id: 'demo-tv', client_secret: 'x9'.repeat(20) }),
      /demo clients are not allowed/,
    ],
    [
      'a client secret that is a placeholder',
      clientOf({ client_secret: `changeme-${'0123456789'.repeat(4)}` }),
      /clients\[0\]\.client_secret/,
    ],
    [
      'production with the demo key',
      {
        ...production,
        management: { apiKeys: [{ name: 'demo', key: 'demo-management-key-0123456789abcdef', scopes: ['*'] }] },
      },
      /apiKeys\[0\]/,
    ],
    ['production with the simulator', { ...production, simulator: { enabled: true } }, /simulator\.enabled/],
    ['production with the demo', { ...production, demo: { enabled: true } }, /demo\.enabled/],
  ])('RL-25 %s ends the start, is named, and leaves nothing behind', async (_, config, said) => {
    const { status, output, stored } = await refused(config);
    expect(output).toMatch(said);
    expect(output).toMatch(/^assent: /);
    expect(output).not.toMatch(/\bat .*:\d+:\d+|process\.ready/);
    expect({ status, stored }).toEqual({ status: 78, stored: false });
  });

  test.each([
    ['is missing', { ASSENT_CONFIG: '' }, /ASSENT_CONFIG: is required/],
    ['is not there', { ASSENT_CONFIG: '/nowhere/config.json' }, /cannot be read/],
    ['is not JSON', { ASSENT_CONFIG: join(repository, 'README.md') }, /is not JSON/],
    ['names a secret that is not there', { ASSENT_MASTER_KEY_FILE: '/nowhere/key' }, /masterKey/],
  ])('RL-25 a configuration that %s ends the start', async (_, env, said) => {
    const { status, output, stored } = await refused({}, env);
    expect(output).toMatch(said);
    expect({ status, stored }).toEqual({ status: 78, stored: false });
  });

  test('RL-25 several problems are told at once', async () => {
    const { output } = await refused({
      ...production,
      issuer: 'http://a.example',
      masterKey: undefined,
      demo: { enabled: true },
    });
    for (const setting of ['issuer', 'masterKey', 'demo.enabled']) expect(output).toContain(setting);
  });
});

describe('a server in production', () => {
  let first: TestServer;
  beforeAll(async () => {
    first = await startServer({ config: production });
  });
  afterAll(async () => first?.[Symbol.asyncDispose]());

  test('has nothing of what is for trying out and for certification suites', async () => {
    for (const path of ['/fapi/resource', '/demo/helpdesk', '/simulator/devices']) {
      expect([path, (await fetch(first.issuer + path)).status]).toEqual([path, 404]);
    }
  });

  test('goes on when a second one wants the same file, which refuses in one sentence', async () => {
    const store = `embedded:${join(first.folder, 'assent.db')}`;
    await using second = await startServer({ config: { store }, expectReady: false });
    expect(await second.ended()).not.toBe(0);
    expect(second.output()).toMatch(/^assent: [^\n]+\n$/);
    expect(second.output()).toMatch(/in use|another/);
    expect((await fetch(`${first.issuer}/health/ready`)).status).toBe(200);
  });
});

describe('a start that cannot have what it needs', () => {
  test('a port that is taken: told in one sentence, the others are free again, and so is the store', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    await using server = await startServer({ config: { authenticator: { port } }, expectReady: false });
    expect(await server.ended()).not.toBe(0);
    expect(server.output()).toMatch(new RegExp(`assent: .*${port}`));
    await expect(fetch(server.issuer)).rejects.toThrow();
    await new Promise((resolve) => taken.close(resolve));
    await server.restart();
    expect((await fetch(`${server.issuer}/health/ready`)).status).toBe(200);
  });

  test('IV-14 a store of a newer version is left alone', async () => {
    await using server = await startServer();
    await server.stop();
    const file = join(server.folder, 'assent.db');
    const db = new DatabaseSync(file);
    db.exec('PRAGMA user_version = 9999; UPDATE readable_by SET version = 9999');
    db.close();
    await expectRefusal(server, /version/);
  });

  test('another master key is refused at the start, not met in the middle of a request', async () => {
    await using server = await startServer();
    await server.stop();
    writeFileSync(join(server.folder, 'assent.db.key'), `${Buffer.alloc(32, 7).toString('base64url')}\n`);
    await expectRefusal(server, /key/);
  });

  test('half a master key is refused, and not replaced', async () => {
    await using server = await startServer();
    await server.stop();
    const key = join(server.folder, 'assent.db.key');
    writeFileSync(key, 'AAAA\n');
    await expectRefusal(server, /does not hold a master key/);
    expect(readFileSync(key, 'utf8')).toBe('AAAA\n');
  });

  async function expectRefusal(server: TestServer, said: RegExp): Promise<void> {
    await expect(server.restart()).rejects.toThrow(/ended \((70|78)\)/);
    const [sentence] = server.output().split('\n');
    expect(sentence).toMatch(/^assent: /);
    expect(sentence).toMatch(said);
    expect(server.output()).not.toMatch(/\n\s+at /);
  }
});
