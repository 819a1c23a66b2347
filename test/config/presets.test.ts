import { type PresetName, presets } from '../../src/config/presets.ts';
import { configSchema, type SettingSchema } from '../../src/config/schema.ts';
import { ConfigError, loadConfig } from '../../src/config.ts';

const names = Object.keys(presets) as PresetName[];
const load = (settings: object) =>
  loadConfig({
    file: 'assent.json',
    env: {},
    readFile: () => JSON.stringify({ environment: 'development', ...settings }),
  });
const at = (value: unknown, setting: string) =>
  setting.split('.').reduce((found, name) => (found as Record<string, unknown>)?.[name], value);
/** Of lists nothing is filled in. */
const wishesOf = (preset: PresetName) => presets[preset].filter(([setting]) => !setting.includes('[]'));
const within = (setting: string, value: unknown) =>
  setting.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;

function problemsOf(settings: object): { setting: string; message: string }[] {
  try {
    load(settings);
  } catch (error) {
    if (error instanceof ConfigError) return [...error.problems];
    throw error;
  }
  return [];
}

test.each(names)('B10 %s: one setting is enough, and it fills in what it wants', (preset) => {
  const config = load({ preset });
  for (const [setting, wanted] of wishesOf(preset))
    expect([setting, wanted.accepts(at(config, setting))]).toEqual([setting, true]);
});

test.each(names)('%s: every setting that it names exists', (preset) => {
  const memberOf = (schema: SettingSchema | undefined, name: string): SettingSchema | undefined => {
    const member = schema?.properties?.[name.replace('[]', '')];
    return name.endsWith('[]') ? configSchema.$defs?.[member?.items?.$ref?.split('/').at(-1) ?? ''] : member;
  };
  const known = (path: string[], schema: SettingSchema | undefined): boolean =>
    path.length === 0 ? schema !== undefined : known(path.slice(1), memberOf(schema, path[0]!));
  for (const [setting] of presets[preset])
    expect([setting, known(setting.split('.'), configSchema)]).toEqual([setting, true]);
});

const tlsFiles = { certificate: 'certificate.pem', key: 'key.pem' };

/** Valid by itself, and against at least one preset. The last is where the problem stands, if elsewhere. */
const contradictions: [PresetName, setting: string, value: unknown, toldAt?: string][] = [
  ['fapi-ciba', 'ciba.deliveryModes', ['poll', 'push']],
  ['fapi-ciba', 'ciba.requests.mustBeSigned', false],
  ['fapi-ciba', 'clientAuthentication.methods', ['private_key_jwt', 'client_secret_basic']],
  ['fapi-ciba', 'clientAuthentication.signingAlgs', ['RS256']],
  ['fapi-ciba', 'dpop.signingAlgs', ['ES256', 'EdDSA']],
  ['fapi-ciba', 'keys.idTokenAlg', 'RS256'],
  ['fapi-ciba', 'keys.idTokenAlgs', ['ES256', 'RS256']],
  ['fapi-ciba', 'tokens.senderConstrained', false],
  ['fapi-ciba', 'tls', { ...tlsFiles, ciphers: ['ECDHE-RSA-CHACHA20-POLY1305'] }, 'tls.ciphers'],
  ['fapi-ciba', 'ciba.requests.mustHaveContext', false],
  ['psd2', 'ciba.requests.mustBeTwoFactor', false],
  ['psd2', 'ciba.requests.mustHaveDetails', false],
  ['psd2', 'ciba.expiry.maxSeconds', 600],
  ['psd2', 'signIn.sessionSeconds', 28_800],
  ['psd2', 'device.pin.maxFailures', 6],
  ['psd2', 'retention.evidenceHours', 24],
  ['psd2', 'device.enrollment.confirm', 'off'],
  ['psd2', 'device.enrollment.attestation', 'record'],
  ['agent', 'ciba.pendingPolicy', 'replace'],
  ['agent', 'ciba.requests.mustHaveContext', false],
  ['agent', 'ciba.pendingPerClient', 2],
  ['agent', 'limits.perUser.starts', 30, 'limits.perUser'],
  ['agent', 'limits.perUser.starts', 0, 'limits.perUser'],
  ['agent', 'limits.perUser', { starts: 20, windowSeconds: 60 }],
  ['agent', 'limits.perUser', { windowSeconds: 3_599 }],
  ['agent', 'limits.notMeSeconds', 3_600],
  ['agent', 'tokens.accessSeconds', 901],
  ['agent', 'resources', [{ indicator: 'https://a.example', accessSeconds: 901 }], 'resources[0].accessSeconds'],
  ['agent', 'tokens.refreshSeconds', 1_209_600],
  ['callcenter', 'ciba.requests.mustMatch', false],
  ['callcenter', 'signIn.match', 'none'],
  ['callcenter', 'ciba.requests.mustHaveContext', false],
  ['callcenter', 'ciba.pendingPerUser', 2],
  ['callcenter', 'limits.perUserAndClient.starts', 10, 'limits.perUserAndClient'],
  ['callcenter', 'limits.perUserAndClient', { starts: 5, windowSeconds: 10 }],
  ['callcenter', 'limits.notMeSeconds', 301],
  ['callcenter', 'limits.backOff.firstSeconds', 600],
  ['callcenter', 'ciba.expiry.defaultSeconds', 121],
  ['callcenter', 'ciba.expiry.maxSeconds', 600],
];

test.each(contradictions)(
  'B10 %s with another %s does not start, and says why',
  (preset, setting, value, toldAt = setting) => {
    expect(problemsOf(within(setting, value))).toEqual([]);
    expect(problemsOf({ preset, ...within(setting, value) })).toEqual([
      { setting: toldAt, message: expect.stringContaining(`with the preset ${preset}`) },
    ]);
  },
);

describe('psd2 and the applications of devices', () => {
  const verifier = { plugins: { attestation: './attestation.js' } };
  const app = (members: object = {}) => ({ applications: [{ id: 'bank-app', name: 'Bank', ...members }] });

  test('every one enrolls with six digits and an attested key, named or not', () => {
    const [application] = load({ preset: 'psd2', ...verifier, ...app() }).applications;
    expect(application).toMatchObject({ confirm: 'code', attestation: 'require', approve_by_existing_device: 'off' });
  });

  test.each(['confirm', 'attestation'])('none may do without %s', (name) => {
    expect(problemsOf({ preset: 'psd2', ...verifier, ...app({ [name]: 'off' }) })).toEqual([
      { setting: `applications[0].${name}`, message: `must not be less than device.enrollment.${name}` },
    ]);
  });

  test('without a verifier nobody could tell which keys to trust, and it does not start', () => {
    expect(problemsOf({ preset: 'psd2', ...app() })).toEqual([
      { setting: 'applications[0].attestation', message: expect.stringMatching(/^needs plugins\.attestation: [^.]+$/) },
    ]);
    expect(problemsOf(app({ attestation: 'record' }))).toEqual([]);
  });

  test('an application may be stricter than all must be', () => {
    const device = { enrollment: { approveByExistingDevice: 'if_any' } };
    expect(problemsOf({ device, ...app({ approve_by_existing_device: 'required', confirm: 'code' }) })).toEqual([]);
    expect(problemsOf({ device, ...app({ approve_by_existing_device: 'off' }) })).toHaveLength(1);
  });
});

test.each([
  ['all', {}],
  ['psd2', { preset: 'psd2', plugins: { attestation: './attestation.js' } }],
])('B10 an application may allow fewer wrong PINs than %s, never more', (_of, settings) => {
  const withPin = (max_failures: number) => ({
    ...settings,
    device: { pin: { maxFailures: 5 } },
    applications: [{ id: 'bank-app', name: 'Bank', pin: { max_failures } }],
  });
  expect(problemsOf(withPin(3))).toEqual([]);
  expect(problemsOf(withPin(6))).toEqual([
    { setting: 'applications[0].pin.max_failures', message: 'must not be more than device.pin.maxFailures' },
  ]);
});

test('what a preset says of a part that is not there makes no such part', () => {
  expect(load({ preset: 'fapi-ciba' }).tls).toBeUndefined();
  expect(load({ preset: 'fapi-ciba', tls: tlsFiles }).tls?.ciphers).toHaveLength(4);
});

test('a stricter setting than the preset’s own is no contradiction', () => {
  const { perUser } = load({ preset: 'agent', limits: { perUser: { starts: 5, windowSeconds: 900 } } }).limits;
  expect(perUser).toEqual({ starts: 5, windowSeconds: 900 });
  expect(load({ preset: 'agent', limits: { perUser: { starts: 9 } } }).limits.perUser.windowSeconds).toBe(3_600);
  expect(load({ preset: 'callcenter' }).limits.backOff.firstSeconds).toBe(10);
  expect(load({ preset: 'fapi-ciba', ciba: { deliveryModes: ['poll'] } }).ciba.deliveryModes).toEqual(['poll']);
  expect(load({ preset: 'callcenter', ciba: { expiry: { maxSeconds: 150 } } }).ciba.expiry.maxSeconds).toBe(150);
});

test('a preset that is none, and a setting of the wrong shape, are told like any other', () => {
  expect(problemsOf({ preset: 'fapi' })).toEqual([{ setting: 'preset', message: expect.stringContaining('one of') }]);
  expect(problemsOf({ preset: 'constructor' })).toHaveLength(1);
  expect(problemsOf({ preset: 'psd2', ciba: 7 }).map(({ setting }) => setting)).toContain('ciba');
});
