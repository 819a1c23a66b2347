import { readFileSync } from 'node:fs';
import { ConfigError, type ConfigSource, loadConfig } from '../../src/config.ts';

const masterKey = 'q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq80';

const production = {
  environment: 'production',
  issuer: 'https://login.bank.test',
  authenticator: { origin: 'https://approve.bank.test' },
  masterKey,
};

/** Load settings as if they stood in a file, with other files beside it. */
function load(settings: object, env: ConfigSource['env'] = {}, files: Record<string, string> = {}) {
  const all: Record<string, string> = { 'assent.json': JSON.stringify(settings), ...files };
  const readFile = (path: string) => {
    if (all[path] === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return all[path];
  };
  return loadConfig({ file: 'assent.json', env, readFile });
}

function problemsOf(attempt: () => unknown): string[] {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  throw new Error('the settings were accepted');
}

describe('loading', () => {
  test('the development configuration needs nothing else and fills in its addresses', () => {
    const config = loadConfig({ file: 'config/development.json', env: {} });
    expect(config).toMatchObject({
      environment: 'development',
      issuer: 'http://localhost:3000',
      host: '127.0.0.1',
      port: 3000,
      management: { port: 3001, host: '127.0.0.1' },
      authenticator: { port: 3002, origin: 'http://localhost:3002' },
      store: 'embedded:./data/assent.db',
      proxyHops: 0,
    });
    expect(config.masterKey).toBeUndefined();
    expect(config.clients.map(({ client_id, assent_match }) => [client_id, assent_match])).toEqual([
      ['demo-helpdesk', 'choose'],
      ['demo-tv', 'choose'],
      ['demo-agent', 'none'],
      ['demo-web', 'none'],
    ]);
    expect(config.applications.map(({ id, pin }) => [id, pin.length, pin.max_failures])).toEqual([
      ['assent-web', 6, 3],
      ['assent-simulator', 6, 3],
    ]);
  });

  test('no proof of a PIN is kept unless somebody says so: for all applications, or for one', () => {
    const applications = [
      { id: 'a', name: 'A' },
      { id: 'b', name: 'B', pin: { proof_retention: 'sealed' } },
      { id: 'c', name: 'C', pin: { proof_retention: 'none' } },
    ];
    const kept = (settings: object) =>
      load({ ...production, applications, ...settings }).applications.map(({ pin }) => pin.proof_retention);
    expect(kept({})).toEqual(['none', 'sealed', 'none']);
    expect(kept({ device: { pin: { proofRetention: 'sealed' } } })).toEqual(['sealed', 'sealed', 'none']);
  });

  test('the addresses of development follow the ports', () => {
    const config = load({ environment: 'development' }, { ASSENT_PORT: '4000', ASSENT_AUTHENTICATOR_PORT: '4002' });
    expect(config.issuer).toBe('http://localhost:4000');
    expect(config.authenticator.origin).toBe('http://localhost:4002');
  });

  test('the example for production is accepted once its secret files exist', () => {
    const secret = 'Zk3pV0m9Qy7cWb1nTgXr5sLhJd8uAe2f';
    const readFile = (path: string) => (path.startsWith('/run/secrets/') ? `${secret}\n` : readFileSync(path, 'utf8'));
    const env = { ASSENT_MASTER_KEY: masterKey };
    const config = loadConfig({ file: 'config/production.example.json', env, readFile });
    expect(config.clients[0]?.client_secret).toBe(secret);
    expect(config.management.apiKeys[0]?.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test('an environment variable wins over the file, and an empty one counts as not set', () => {
    const settings = { environment: 'development', port: 4000, host: '::1' };
    const config = load(settings, { ASSENT_PORT: '5000', ASSENT_HOST: '' });
    expect([config.port, config.host]).toEqual([5000, '::1']);
  });

  test('every documented variable sets its member', () => {
    const config = load(
      {},
      {
        ASSENT_ISSUER: 'https://a.test',
        ASSENT_PORT: '1',
        ASSENT_HOST: '0.0.0.0',
        ASSENT_MANAGEMENT_PORT: '2',
        ASSENT_MANAGEMENT_HOST: '10.0.0.1',
        ASSENT_AUTHENTICATOR_PORT: '3',
        ASSENT_AUTHENTICATOR_ORIGIN: 'https://b.test',
        ASSENT_STORE: 'redis://localhost:6379',
        ASSENT_PROXY_HOPS: '2',
        ASSENT_MASTER_KEY: masterKey,
      },
    );
    expect(config).toMatchObject({
      environment: 'production',
      issuer: 'https://a.test',
      port: 1,
      host: '0.0.0.0',
      management: { port: 2, host: '10.0.0.1' },
      authenticator: { port: 3, origin: 'https://b.test' },
      store: 'redis://localhost:6379',
      proxyHops: 2,
      masterKey,
    });
  });

  test('any secret may come from a file', () => {
    const config = load(
      { ...production, masterKey: undefined },
      { ASSENT_MASTER_KEY_FILE: '/key', ASSENT_STORE_FILE: '/store' },
      { '/key': `${masterKey}\n`, '/store': 'redis://:pw@redis:6379\n' },
    );
    expect([config.masterKey, config.store]).toEqual([masterKey, 'redis://:pw@redis:6379']);
  });

  test('what was loaded cannot be changed', () => {
    const config = loadConfig({ file: 'config/development.json', env: {} });
    expect(() => Object.assign(config.ciba.expiry, { maxSeconds: 9 })).toThrow(TypeError);
    expect(() => (config.clients as unknown[]).push({})).toThrow(TypeError);
  });
});

describe('RL-25 config errors', () => {
  test('all problems are reported at once, one line each, naming the variable that is to blame', () => {
    const settings = {
      environment: 'production',
      issuer: 'https://a.test/',
      listeners: { maxHeaderCount: 3 },
      ciba: { expiry: { defaultSeconds: 700 } },
      clients: [{ client_id: 'tv', grant_types: ['client_credentials'], token_endpoint_auth_method: 'none' }],
    };
    expect(problemsOf(() => load(settings, { ASSENT_PORT: 'http', ASSENT_MASTER_KEY: 'short' }))).toEqual([
      'issuer: must be an http or https address without query, fragment or slash at the end',
      'port (ASSENT_PORT): must be integer',
      'masterKey (ASSENT_MASTER_KEY): must be 32 bytes in base64url (43 characters)',
      'listeners.maxHeaderCount: is not a setting',
      'ciba.expiry.defaultSeconds: must be <= 600',
      'clients[0].grant_types[0]: must be one of urn:openid:params:grant-type:ciba, authorization_code, refresh_token',
      expect.stringMatching(/^clients\[0\]\.token_endpoint_auth_method: must be one of client_secret_basic, /),
      'ciba.expiry: must be in order: minSeconds, defaultSeconds, maxSeconds',
      'authenticator.origin: is required',
    ]);
  });

  test.each([
    ['no file', undefined, 'ASSENT_CONFIG: is required: the configuration file'],
    ['a file that is not there', 'nowhere.json', 'nowhere.json: cannot be read: '],
    ['a file that is not JSON', 'README', 'README: is not JSON that can be used: '],
    ['a member named twice', 'twice', 'twice: is not JSON that can be used: ambiguous member'],
  ])('%s is one clear line', (_title, file, line) => {
    const readFile = (path: string) => {
      if (path === 'nowhere.json') throw new Error('ENOENT');
      return path === 'twice' ? '{"port":1,"port":2}' : '# hello';
    };
    const problems = problemsOf(() => loadConfig({ file, env: {}, readFile }));
    expect(problems).toEqual([expect.stringContaining(line)]);
  });

  test.each<[string, object, string]>([
    ['a missing master key', { masterKey: undefined }, 'masterKey: is required in production'],
    ['a missing issuer', { issuer: undefined }, 'issuer: is required'],
    ['an http issuer', { issuer: 'http://login.bank.test' }, 'issuer: must be https'],
    ['a missing authenticator origin', { authenticator: {} }, 'authenticator.origin: is required'],
    [
      "the issuer's origin for the authenticator",
      { issuer: 'https://a.test/id', authenticator: { origin: 'https://a.test' } },
      "authenticator.origin: must not be the issuer's origin",
    ],
    ['demo pages', { demo: { enabled: true } }, 'demo.enabled: is not allowed in production'],
    ['the simulator', { simulator: { enabled: true } }, 'simulator.enabled: is not allowed in production'],
    ['seeded users', { seed: { users: [{ username: 'alice' }] } }, 'seed.users: are not allowed in production'],
    [
      'the demo management key',
      { management: { apiKeys: [{ name: 'x', key: 'demo-management-key-0123456789abcdef', scopes: ['*'] }] } },
      'management.apiKeys[0]: is a placeholder or the demo key',
    ],
    ['a placeholder for the master key', { masterKey: 'A'.repeat(43) }, 'masterKey: is a placeholder'],
  ])('production refuses %s', (_title, change, problem) => {
    expect(problemsOf(() => load({ ...production, ...change }))).toEqual([problem]);
  });

  test('F194 demo clients are for development: production refuses every one of them, its secret and the simulated application', () => {
    const development = JSON.parse(readFileSync('config/development.json', 'utf8'));
    const { clients, applications } = development;
    expect(problemsOf(() => load({ ...production, clients, applications }))).toEqual([
      ...[0, 1, 2, 3].flatMap((index) => [
        `clients[${index}].client_id: demo clients are not allowed in production`,
        `clients[${index}].client_secret: is a placeholder or a demo secret`,
      ]),
      'applications[1].id: simulated devices are not allowed in production',
    ]);
  });

  test('R-02 a conformance run needs https as production does', () => {
    expect(problemsOf(() => load({ environment: 'conformance' }))).toEqual([
      'issuer: is required',
      'authenticator.origin: is required',
    ]);
    const named = { issuer: 'http://a.test', authenticator: { origin: 'https://b.test' } };
    for (const environment of ['conformance', 'production']) {
      expect(problemsOf(() => load({ ...production, ...named, environment }))).toEqual(['issuer: must be https']);
    }
  });

  test('members that must differ or fit each other are held against each other', () => {
    const settings = {
      environment: 'development',
      port: 3001,
      ciba: { userCode: { maxTries: 31 } },
      device: { ticketSeconds: 500, ticketMaxSeconds: 400, pin: { minLength: 6, defaultLength: 5 } },
      applications: [
        { id: 'a', name: 'A' },
        { id: 'a', name: 'B', pin: { length: 7 } },
      ],
      hints: { issuers: [{ issuer: 'https://id.bank.example', jwks: { kty: 'EC' } }] },
    };
    expect(problemsOf(() => load(settings))).toEqual([
      'ciba.userCode.maxTriesOfAll: must not be less than ciba.userCode.maxTries',
      'device.ticketSeconds: must not be more than device.ticketMaxSeconds',
      'device.pin.defaultLength: must not be less than device.pin.minLength',
      'applications[0].pin.length: must not be less than device.pin.minLength',
      'management.port: is the same as port',
      'hints.issuers[0].jwks: must be a set of at most 50 keys',
      'applications[1].id: is the same as applications[0].id',
    ]);
  });

  test('TLS listeners have ports of their own; both files are needed; a certificate header needs a proxy', () => {
    const files = { certificate: '/cert.pem', key: '/key.pem' };
    const tls = { ...files, port: 3000, clientPort: 3002 };
    expect(problemsOf(() => load({ environment: 'development', tls }))).toEqual([
      'tls.port: is the same as port',
      'tls.clientPort: is the same as authenticator.port',
    ]);
    expect(problemsOf(() => load({ environment: 'development', tls: { ciphers: ['RC4-SHA'] } }))).toEqual([
      'tls.certificate: is required',
      'tls.key: is required',
      expect.stringMatching(/^tls\.ciphers\[0\]: must be one of ECDHE-RSA-AES128-GCM-SHA256, /),
    ]);
    const proxy = { clientCertificateHeader: 'Client-Cert' };
    expect(problemsOf(() => load({ environment: 'development', proxy }))).toEqual([
      'proxy.clientCertificateHeader: needs proxyHops',
    ]);
    const { tls: loaded } = load({ environment: 'development', proxy, proxyHops: 1, tls: files });
    expect(loaded).toMatchObject({ ...files, port: 3443, reloadSeconds: 60, minVersion: 'TLSv1.2' });
  });

  test('a certificate for outgoing calls needs its key', () => {
    const outbound = { clientCertificate: { certificate: '/cert.pem' } };
    expect(problemsOf(() => load({ environment: 'development', outbound }))).toEqual([
      'outbound.clientCertificate.key: is required',
    ]);
  });

  test('a secret that cannot be read, or is given twice, is named without its value', () => {
    const settings = {
      ...production,
      masterKey: undefined,
      clients: [
        { client_id: 'tv', client_secret_file: '/gone', grant_types: [] },
        { client_id: 'web', client_secret: 'short-canary', client_secret_file: '/there', grant_types: [] },
      ],
    };
    const env = { ASSENT_MASTER_KEY: masterKey, ASSENT_MASTER_KEY_FILE: '/key' };
    const problems = problemsOf(() => load(settings, env, { '/there': 'also-canary' }));
    expect(problems).toEqual([
      'masterKey (ASSENT_MASTER_KEY): set ASSENT_MASTER_KEY or ASSENT_MASTER_KEY_FILE, not both',
      'clients[0].client_secret_file: cannot read the file (ENOENT)',
      'clients[1].client_secret_file: give client_secret or client_secret_file, not both',
      'clients[1].client_secret: must NOT have fewer than 32 characters',
    ]);
    expect(problems.join()).not.toMatch(/canary|q83v/);
  });

  test('__proto__ in the file is refused and pollutes nothing', () => {
    const readFile = () => '{"environment":"development","__proto__":{"polluted":true}}';
    expect(problemsOf(() => loadConfig({ file: 'x', env: {}, readFile }))).toHaveLength(1);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});
