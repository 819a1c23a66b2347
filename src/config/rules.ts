import { createHash } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ConfigProblem } from './error.ts';
import type { Config } from './types.ts';

export const sha256Hex = (text: string) => createHash('sha256').update(text).digest('hex');

// The keys of config/development.json are public; so is everything that was meant to be replaced.
const publicKey = sha256Hex('demo-management-key-0123456789abcdef');
const placeholder = /^demo-|change-?me|replace-?me|place-?holder|example|your-|^<.*>$|^(.)\1+$/i;

type Rule = (config: Config) => ConfigProblem | ConfigProblem[] | false | undefined;

/** What the schema cannot say: members that must fit each other. */
const always: Rule[] = [
  ({ ciba: { expiry } }) =>
    (expiry.minSeconds > expiry.defaultSeconds || expiry.defaultSeconds > expiry.maxSeconds) && {
      setting: 'ciba.expiry',
      message: 'must be in order: minSeconds, defaultSeconds, maxSeconds',
    },
  ({ pacing, ciba }) =>
    pacing.maxSeconds < ciba.intervalSeconds && {
      setting: 'pacing.maxSeconds',
      message: 'must not be less than ciba.intervalSeconds',
    },
  ({ ciba: { userCode } }) =>
    userCode.maxTriesOfAll < userCode.maxTries && {
      setting: 'ciba.userCode.maxTriesOfAll',
      message: 'must not be less than ciba.userCode.maxTries',
    },
  ({ device }) =>
    device.ticketSeconds > device.ticketMaxSeconds && {
      setting: 'device.ticketSeconds',
      message: 'must not be more than device.ticketMaxSeconds',
    },
  ({ device: { pin } }) =>
    pin.defaultLength < pin.minLength && {
      setting: 'device.pin.defaultLength',
      message: 'must not be less than device.pin.minLength',
    },
  ({ device, applications }) =>
    applications.flatMap(({ pin }, index) =>
      pin.length < device.pin.minLength
        ? { setting: `applications[${index}].pin.length`, message: 'must not be less than device.pin.minLength' }
        : [],
    ),
  ({ device, applications }) =>
    applications.flatMap(({ pin }, index) =>
      pin.max_failures > device.pin.maxFailures
        ? {
            setting: `applications[${index}].pin.max_failures`,
            message: 'must not be more than device.pin.maxFailures',
          }
        : [],
    ),
  ({ device: { enrollment }, applications }) =>
    applications.flatMap((application, index) => weaker(application, enrollment, `applications[${index}]`)),
  ({ applications, plugins }) =>
    applications.flatMap(({ attestation }, index) =>
      attestation === 'require' && plugins.attestation === undefined
        ? {
            setting: `applications[${index}].attestation`,
            message: 'needs plugins.attestation: nobody could tell whom to trust',
          }
        : [],
    ),
  (config) => {
    const { port, management, authenticator, tls } = config;
    const ports = { port, 'management.port': management.port, 'authenticator.port': authenticator.port };
    const secure = { 'tls.port': tls?.port, 'tls.clientPort': tls?.clientPort };
    return repeated<number | undefined>({ ...ports, ...secure }, (each) => each !== undefined && each !== 0);
  },
  ({ registration: { enabled, initialAccessToken } }) =>
    enabled && !initialAccessToken && { setting: 'registration.initialAccessToken', message: 'is required' },
  ({ keys, tokens }) =>
    keys.signingRetireDays * 86_400 < tokens.idSeconds && {
      setting: 'keys.signingRetireDays',
      message: 'must not be shorter than tokens.idSeconds',
    },
  // Without a proxy in front, whoever calls could write any certificate into it.
  ({ proxy, proxyHops }) =>
    proxy.clientCertificateHeader !== undefined &&
    proxyHops === 0 && { setting: 'proxy.clientCertificateHeader', message: 'needs proxyHops' },
  ({ clients }) => repeated(byIndex(clients, 'clients', 'client_id')),
  ({ hints }) => repeated(byIndex(hints.issuers, 'hints.issuers', 'issuer')),
  ({ hints }) =>
    hints.issuers.flatMap(({ jwks, jwks_uri }, index) =>
      (jwks === undefined) === (jwks_uri === undefined)
        ? { setting: `hints.issuers[${index}]`, message: 'needs one of jwks and jwks_uri' }
        : [],
    ),
  ({ hints }) =>
    hints.issuers.flatMap(({ jwks }, index) =>
      jwks === undefined || (Array.isArray(jwks['keys']) && jwks['keys'].length <= 50)
        ? []
        : { setting: `hints.issuers[${index}].jwks`, message: 'must be a set of at most 50 keys' },
    ),
  ({ resources }) => repeated(byIndex(resources, 'resources', 'indicator')),
  ({ authorizationDetails }) => repeated(byIndex(authorizationDetails, 'authorizationDetails', 'type')),
  ({ authorizationDetails }) =>
    authorizationDetails.flatMap(({ schema }, index) =>
      isJsonSchema(schema)
        ? []
        : { setting: `authorizationDetails[${index}].schema`, message: 'is not a JSON Schema that can be used' },
    ),
  ({ applications }) => repeated(byIndex(applications, 'applications', 'id')),
  ({ management }) => repeated(byIndex(management.apiKeys, 'management.apiKeys', 'name')),
  ({ seed }) => repeated(byIndex(seed.users, 'seed.users', 'username')),
  ({ clients }) =>
    clients.flatMap((client, index) =>
      client.token_endpoint_auth_method.startsWith('client_secret_') && !client.client_secret
        ? { setting: `clients[${index}]`, message: 'needs client_secret or client_secret_file' }
        : [],
    ),
  ({ management }) =>
    management.apiKeys.flatMap(({ sha256 }, index) =>
      sha256 ? [] : { setting: `management.apiKeys[${index}]`, message: 'needs one of key, keyFile and sha256' },
    ),
];

/** Everywhere but in development: a server that other machines talk to. */
const outsideDevelopment: Rule[] = [
  ({ issuer }) => !issuer && { setting: 'issuer', message: 'is required' },
  ({ issuer }) => issuer?.startsWith('http:') && { setting: 'issuer', message: 'must be https' },
  ({ authenticator: { origin } }) => !origin && { setting: 'authenticator.origin', message: 'is required' },
];

const inProduction: Rule[] = [
  ({ masterKey }) => !masterKey && { setting: 'masterKey', message: 'is required in production' },
  ({ authenticator: { origin } }) =>
    origin?.startsWith('http:') && { setting: 'authenticator.origin', message: 'must be https' },
  // Any page of the issuer could otherwise use the keys that the authenticator keeps in the browser.
  ({ issuer, authenticator: { origin } }) =>
    URL.canParse(issuer) &&
    new URL(issuer).origin === origin && {
      setting: 'authenticator.origin',
      message: "must not be the issuer's origin",
    },
  ({ outbound }) =>
    outbound.allowLoopback && { setting: 'outbound.allowLoopback', message: 'is not allowed in production' },
  ({ demo }) => demo.enabled && { setting: 'demo.enabled', message: 'is not allowed in production' },
  ({ simulator }) => simulator.enabled && { setting: 'simulator.enabled', message: 'is not allowed in production' },
  ({ seed }) => seed.users.length > 0 && { setting: 'seed.users', message: 'are not allowed in production' },
  ({ masterKey }) => isPlaceholder(masterKey) && { setting: 'masterKey', message: 'is a placeholder' },
  ({ clients }) =>
    clients.flatMap(({ client_id, client_secret }, index) => [
      ...(client_id.startsWith('demo-')
        ? [{ setting: `clients[${index}].client_id`, message: 'demo clients are not allowed in production' }]
        : []),
      ...(isPlaceholder(client_secret)
        ? [{ setting: `clients[${index}].client_secret`, message: 'is a placeholder or a demo secret' }]
        : []),
    ]),
  ({ applications }) =>
    applications.flatMap(({ id }, index) =>
      id === 'assent-simulator'
        ? { setting: `applications[${index}].id`, message: 'simulated devices are not allowed in production' }
        : [],
    ),
  ({ management }) =>
    management.apiKeys.flatMap(({ key, sha256 }, index) =>
      isPlaceholder(key) || sha256 === publicKey
        ? { setting: `management.apiKeys[${index}]`, message: 'is a placeholder or the demo key' }
        : [],
    ),
];

export function checkRules(config: Config): ConfigProblem[] {
  const { environment } = config;
  return [
    ...always,
    ...(environment === 'development' ? [] : outsideDevelopment),
    ...(environment === 'production' ? inProduction : []),
  ].flatMap((rule) => applied(rule, config));
}

/** A member of the wrong type is reported by the schema; a rule that trips over it has nothing to add. */
function applied(rule: Rule, config: Config): ConfigProblem[] {
  try {
    const problems = rule(config) || [];
    return Array.isArray(problems) ? problems : [problems];
  } catch (error) {
    if (error instanceof TypeError) return [];
    throw error;
  }
}

function isJsonSchema(schema: object): boolean {
  try {
    new Ajv2020({ strict: false, validateFormats: false, logger: false }).compile(schema);
    return true;
  } catch {
    return false;
  }
}

type Enrollment = Config['device']['enrollment'];

/** From lax to strict. */
const degrees = {
  confirm: ['off', 'code'],
  approve_by_existing_device: ['off', 'if_any', 'required'],
  attestation: ['off', 'record', 'require'],
} as const;

/** Members by which an application asks for less of a new device than all must bring. */
function weaker(
  application: Pick<Config['applications'][number], keyof typeof degrees>,
  { confirm, approveByExistingDevice: approve_by_existing_device, attestation }: Enrollment,
  setting: string,
): ConfigProblem[] {
  const floor = { confirm, approve_by_existing_device, attestation };
  return (Object.keys(degrees) as (keyof typeof degrees)[]).flatMap((name) => {
    const order: readonly string[] = degrees[name];
    const isLess = order.indexOf(application[name]) < order.indexOf(floor[name]);
    const wanted = name === 'approve_by_existing_device' ? 'approveByExistingDevice' : name;
    return isLess
      ? { setting: `${setting}.${name}`, message: `must not be less than device.enrollment.${wanted}` }
      : [];
  });
}

const isPlaceholder = (secret: string | undefined) => secret !== undefined && placeholder.test(secret);

function byIndex<T, K extends keyof T & string>(items: T[], name: string, member: K): Record<string, T[K]> {
  return Object.fromEntries(items.map((item, index) => [`${name}[${index}].${member}`, item[member]]));
}

function repeated<T>(values: Record<string, T>, matters: (value: T) => boolean = () => true): ConfigProblem[] {
  const first = new Map<T, string>();
  return Object.entries(values).flatMap(([setting, value]) => {
    const earlier = first.get(value);
    if (earlier !== undefined && matters(value)) return { setting, message: `is the same as ${earlier}` };
    first.set(value, setting);
    return [];
  });
}
