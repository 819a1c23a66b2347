/**
 * `assent init --conformance`: everything that the OpenID conformance suite needs to try this server with its FAPI-CIBA plan
 * (docs/conformance.md): a configuration, clients, keys, certificates, and the suite's own settings for the four variants
 * plain FAPI × poll | ping × private_key_jwt | mtls.
 */

import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { join, resolve } from 'node:path';
import { type Certificate, selfSigned } from '../support/certificates.ts';
import { assent } from './command-name.ts';
import { usage } from './errors.ts';
import { writeNew } from './new-files.ts';
import type { InitGiven } from './operator-commands.ts';
import type { Run } from './run.ts';

const modes = ['poll', 'ping'] as const;
const authentications = ['private_key_jwt', 'mtls'] as const;
/** The plan uses two clients, to see that neither gets what is the other's. */
const numbers = [1, 2] as const;

type Mode = (typeof modes)[number];
type Authentication = (typeof authentications)[number];

const variants = modes.flatMap((mode) => authentications.map((authentication) => ({ mode, authentication })));
const nameOf = (mode: Mode, authentication: Authentication) => `${mode}-${authentication}`;

/** Keys of one of the two; the same in all variants, as which is which the client id says. */
interface ClientKeys {
  /** PS256: it signs assertions and requests with this. */
  publicKey: object;
  privateKey: object;
  certificate: Certificate;
}

interface Place {
  issuer: string;
  /** Where certificates are shown. */
  mtlsOrigin: string;
  notificationEndpoint: URL;
}

export async function initConformance({ result }: Run, folder: string, { issuer, suite }: InitGiven): Promise<void> {
  const at = (name: string) => join(resolve(folder), name);
  const url = httpsUrl('--issuer', issuer ?? 'https://localhost:3443');
  const port = Number(url.port || 443);
  const place: Place = {
    issuer: url.origin,
    mtlsOrigin: `https://${url.hostname}:${port + 1}`,
    notificationEndpoint: new URL(`/test/a/${ALIAS}/ciba-notification-endpoint`, httpsUrl('--suite', suite)),
  };
  const server = selfSigned({ name: url.hostname, keys: 'rsa' });
  const keys = { 1: newKeys(1), 2: newKeys(2) };
  const files = {
    config: at('assent.json'),
    masterKey: at('master.key'),
    managementKey: at('management.key'),
    certificate: at('server-cert.pem'),
    certificateKey: at('server-key.pem'),
  };
  const plans = variants.map(({ mode, authentication }) => ({
    file: at(`suite-${nameOf(mode, authentication)}.json`),
    settings: suiteSettings(place, keys, mode, authentication),
  }));
  const secret = () => `${randomBytes(32).toString('base64url')}\n`;
  await writeNew([
    [files.masterKey, secret(), 0o600],
    [files.managementKey, secret(), 0o600],
    [files.certificate, server.cert, 0o644],
    [files.certificateKey, server.key, 0o600],
    ...plans.map(({ file, settings }): [string, string, number] => [file, json(settings), 0o600]),
    [files.config, json(serverConfig(place, port, files, at('data/assent.db'), keys)), 0o640],
  ]);
  const suites = plans.map(({ file }) => file);
  result({ ...files, suites, ...place }, nextSteps(files, suites));
}

/** Names the plan at the suite; its notification endpoint contains it. */
const ALIAS = 'assent';

const json = (document: object) => `${JSON.stringify(document, null, 2)}\n`;

function httpsUrl(option: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' && url.pathname === '/' && url.search === '') return url;
  throw usage('option_invalid', `${option} must be an https address without a path.`);
}

function newKeys(number: 1 | 2): ClientKeys {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kind = { kid: `client${number}`, use: 'sig', alg: 'PS256' };
  return {
    publicKey: { ...pair.publicKey.export({ format: 'jwk' }), ...kind },
    privateKey: { ...pair.privateKey.export({ format: 'jwk' }), ...kind },
    certificate: selfSigned({ name: `Conformance client ${number}`, names: [], keys: 'rsa' }),
  };
}

type Keys = Record<1 | 2, ClientKeys>;

function serverConfig(
  { issuer, mtlsOrigin, notificationEndpoint }: Place,
  port: number,
  files: { managementKey: string; masterKey: string; certificate: string; certificateKey: string },
  storeFile: string,
  keys: Keys,
): object {
  const clients = variants.flatMap(({ mode, authentication }) =>
    numbers.map((number) => clientOf(mode, authentication, number, keys[number], notificationEndpoint)),
  );
  return {
    environment: 'conformance',
    preset: 'fapi-ciba',
    issuer,
    host: '0.0.0.0',
    authenticator: { origin: 'http://localhost:3002' },
    store: `embedded:${storeFile}`,
    management: { apiKeys: [{ name: 'conformance', keyFile: files.managementKey, scopes: ['*'] }] },
    tls: { port, clientPort: port + 1, certificate: files.certificate, key: files.certificateKey },
    mtls: { origin: mtlsOrigin },
    clientAuthentication: { methods: ['private_key_jwt', 'self_signed_tls_client_auth'] },
    keys: { idTokenAlg: 'PS256' },
    // the plan asks the same person again and again, and polls within five seconds
    ciba: { pendingPerClient: 0, pendingPerUser: 0, intervalSeconds: 5 },
    limits: { perUserAndClient: { starts: 0 }, perUser: { starts: 0 }, backOff: { firstSeconds: 0 }, notMeSeconds: 0 },
    outbound: outboundTo(notificationEndpoint),
    clients,
    applications: [
      {
        id: 'assent-simulator',
        name: 'Simulated authenticator',
        methods: ['device', 'pin'],
        enrollment_mode: 'multiple',
      },
    ],
    seed: { users: [{ username: USER, name: 'Conformance' }] },
    simulator: { enabled: true },
  };
}

/** A suite on this very machine may be called as well. */
function outboundTo({ hostname, port }: URL): object {
  return {
    allowedPorts: [Number(port || 443)],
    ...(['localhost', '127.0.0.1', '[::1]'].includes(hostname) && { allowLoopback: true }),
  };
}

/** Whom the plan asks for. */
const USER = 'alice';
/** With `offline_access`, as the plan skips its refresh module where no refresh token comes. */
const SCOPE = 'openid profile offline_access';
const clientIdOf = (mode: Mode, authentication: Authentication, number: 1 | 2) =>
  `conformance-${nameOf(mode, authentication)}-${number}`;

function clientOf(
  mode: Mode,
  authentication: Authentication,
  number: 1 | 2,
  { publicKey, certificate }: ClientKeys,
  notificationEndpoint: URL,
): object {
  return {
    client_id: clientIdOf(mode, authentication, number),
    client_name: `Conformance suite ${number}`,
    grant_types: ['urn:openid:params:grant-type:ciba', 'refresh_token'],
    token_endpoint_auth_method: authentication === 'mtls' ? 'self_signed_tls_client_auth' : 'private_key_jwt',
    ...(authentication === 'private_key_jwt' && { token_endpoint_auth_signing_alg: 'PS256' }),
    jwks: { keys: [publicKey, keyOf(certificate, number)] },
    tls_client_certificate_bound_access_tokens: true,
    id_token_signed_response_alg: 'PS256',
    backchannel_authentication_request_signing_alg: 'PS256',
    backchannel_token_delivery_mode: mode,
    ...(mode === 'ping' && { backchannel_client_notification_endpoint: notificationEndpoint.href }),
  };
}

/** RFC 8705, 2.2: a client's own certificate is known by standing in its key set. */
function keyOf({ cert }: Certificate, number: 1 | 2): object {
  const { publicKey, raw } = new X509Certificate(cert);
  return { ...publicKey.export({ format: 'jwk' }), kid: `client${number}-tls`, x5c: [raw.toString('base64')] };
}

/** What is filled into the suite's form, or given to its API, for `fapi-ciba-id1-test-plan`. */
function suiteSettings({ issuer, mtlsOrigin }: Place, keys: Keys, mode: Mode, authentication: Authentication): object {
  const client = (number: 1 | 2) => ({
    client_id: clientIdOf(mode, authentication, number),
    scope: SCOPE,
    jwks: { keys: [keys[number].privateKey] },
    hint_type: 'login_hint',
    hint_value: USER,
    acr_value: 'urn:assent:acr:two-factor',
  });
  return {
    alias: ALIAS,
    description: `Assent, plain FAPI, ${mode}, ${authentication}`,
    server: { discoveryUrl: `${issuer}/.well-known/openid-configuration` },
    client: client(1),
    mtls: keys[1].certificate,
    client2: client(2),
    mtls2: keys[2].certificate,
    resource: { resourceUrl: `${mtlsOrigin}/fapi/resource` },
    automated_ciba_approval_url: `${issuer}/simulator/decide?auth_req_id={auth_req_id}&action={action}`,
  };
}

function nextSteps(files: { config: string; masterKey: string }, suites: string[]): string[] {
  return [
    'Written:',
    `  ${files.config}   the configuration, with two clients for each variant of the plan`,
    ...suites.map((file) => `  ${file}   for the suite`),
    '  keys and certificates beside them',
    '',
    'Next:',
    `  1. Start it:  ASSENT_MASTER_KEY_FILE=${files.masterKey} ${assent} serve --config ${files.config}`,
    '  2. Give the person a simulated device: POST /simulator/devices, see docs/conformance.md',
    '  3. Run the plan fapi-ciba-id1-test-plan with one of the files',
  ];
}
