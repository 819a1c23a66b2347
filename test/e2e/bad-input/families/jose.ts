import type { Case, Jws } from '../case.ts';
import { nameOf, routes } from '../routes.ts';
import { mediaTypes } from './http.ts';

/** A place where a JWT is read: how the right one would look, and what the answer is if it is believed. */
interface Reader {
  name: string;
  header: Record<string, unknown>;
  payload: Record<string, unknown>;
  /** `nobody`: only the server has the key, so nothing at all may be believed. */
  by: Jws['by'] | 'nobody';
  around: Omit<Case, 'family' | 'name' | 'jws'>;
  /** Reads by the same function as another one: a part of the vectors is enough. */
  sampled?: true;
  /** A right one would change what the others are tried on. */
  once?: true;
  /** Statuses of refusals. */
  refused: number[];
  /** The error that tells that it was believed; where there is none, the status does. */
  believed?: string;
  /** For browsers: where they go if it was believed. */
  goesOn?: string;
  /** Header members that may stand there and mean nothing. */
  ignores: readonly string[];
}

const assertion = (path: string, rest: string, believed?: string, client = 'signed', method = 'POST'): Reader => ({
  name: `client_assertion of ${method === 'POST' ? '' : `${method} `}${path}`,
  header: { alg: 'ES256', kid: 'signed-1' },
  payload: { iss: client, sub: client, aud: '{{issuer}}', jti: '{{jti}}', iat: '{{#now}}', exp: '{{#now+60}}' },
  by: 'client',
  around: {
    ...at(method, path),
    headers: { 'content-type': mediaTypes.form },
    body: `client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={{jws}}&${rest}`,
  },
  refused: [400, 401],
  ...(believed !== undefined && { believed }),
  // RFC 8725 §3.10: what a header says about keys is not believed; it does no harm beside a right signature
  ignores: ['kid', 'jwk', 'jku', 'x5u', 'x5c', 'typ', 'zip', 'p2c', 'cty', '__proto__'],
});

const act = (name: string, payload: Record<string, unknown>): Reader => ({
  name: `the request inside ${name}`,
  header: { alg: 'ES256', typ: 'assent-request+jwt', kid: '{{device_id}}' },
  payload: { iss: '{{device_id}}', aud: '{{issuer}}', iat: '{{#now}}', jti: '{{jti}}', act: name, ...payload },
  by: 'device',
  around: { ...at('POST', `/device/v1/${name}`), headers: { 'content-type': mediaTypes.jose }, body: '{{up}}', up: {} },
  refused: [400, 401, 403, 404, 409],
  ignores: [],
});

const dpop = (method: string, path: string, around: Partial<Case>, believed?: string): Reader => ({
  name: `the DPoP proof of ${path}`,
  header: { alg: 'ES256', typ: 'dpop+jwt', jwk: strangerJwk },
  payload: { htm: method, htu: `{{issuer}}${path}`, iat: '{{#now}}', jti: '{{jti}}' },
  by: 'stranger',
  around: { ...at(method, path), ...around, headers: { ...around.headers, dpop: '{{jws}}' } },
  refused: [400, 401],
  ...(believed !== undefined && { believed }),
  ignores: ['kid', 'jku', 'x5u', 'x5c', 'zip', 'cty', 'p2c', '__proto__'],
});

function at(method: string, path: string) {
  const route = { listener: 'public' as const, method, path };
  return { ...route, route: nameOf(route) };
}

/** A JWT of somebody else as a parameter of the request; rightly made ones name nobody. */
function hinted(name: string, payload: Record<string, unknown>, from: string): Reader {
  const [authorization = '', rest] = from.split('&');
  const iss = name === 'request' ? 'requests' : 'https://hints.example';
  return {
    name: `${name} of /bc-authorize`,
    header: { alg: 'ES256', kid: 'signed-1' },
    payload: { iss, aud: '{{issuer}}', iat: '{{#now}}', exp: '{{#now+60}}', jti: '{{jti}}', ...payload },
    by: 'client',
    around: {
      ...at('POST', '/bc-authorize'),
      headers: { authorization, 'content-type': mediaTypes.form },
      body: `${name}={{jws}}${rest === undefined ? '' : `&${rest}`}`,
    },
    refused: [400],
    believed: 'unknown_user_id',
    ignores: ['kid', 'jwk', 'jku', 'x5u', 'x5c', 'zip', 'p2c', 'cty'],
  };
}

const strangerJwk = { kty: 'EC', crv: 'P-256', x: '{{stranger_x}}', y: '{{stranger_y}}' };

/** Of the device that has redeemed its ticket, and nothing wrong with it but perhaps the proof. */
const enrollment: Jws = {
  header: JSON.stringify({
    ...{ alg: 'ES256', typ: 'assent-request+jwt', kid: '{{spare_device_id}}' },
    proofs_sha256: ['{{proof_sha256}}'],
  }),
  payload: JSON.stringify({
    ...{ iss: '{{spare_device_id}}', aud: '{{issuer}}', iat: '{{#now}}', jti: '{{jti}}', act: 'enroll' },
    nonce: '{{pending_nonce}}',
    keys: { enc: { ...strangerJwk, x: '{{client_x}}', y: '{{client_y}}' }, pin: { kid: 'pin-1' } },
    device: { name: 'x' },
  }),
  sign: 'es256',
  by: 'pending',
};

/** What a browser would bring, or a client for it. */
const authorization = {
  ...{ response_type: 'code', scope: 'openid', redirect_uri: 'https://web.example/back' },
  ...{ code_challenge: 'A'.repeat(43), code_challenge_method: 'S256' },
};

/** The same as a form or a query. */
const authorizationOf = (client_id: string) => new URLSearchParams({ ...authorization, client_id }).toString();

/** A request object of an authorization request. */
const requestAt = (method: string, path: string, around: Partial<Case>): Reader => ({
  name: `the request object of ${path}`,
  header: { alg: 'ES256', kid: 'signed-1' },
  payload: {
    ...{ iss: 'pushed', aud: '{{issuer}}', client_id: 'pushed', ...authorization },
    ...{ iat: '{{#now}}', nbf: '{{#now}}', exp: '{{#now+60}}', jti: '{{jti}}' },
  },
  by: 'client',
  around: { ...at(method, path), ...around },
  // a browser goes back to the client with the error: it has one address only, so that nobody need name it
  refused: method === 'GET' ? [303, 400] : [400],
  ...(method === 'GET' && { goesOn: '/sign-in/' }),
  ignores: ['kid', 'jwk', 'jku', 'x5u', 'x5c', 'zip', 'p2c', 'cty'],
});

/** An ID token of ours that nobody has got. */
const idTokenAt = (method: string, path: string, aud: string, around: Partial<Case>): Reader => ({
  name: `id_token_hint of ${path}`,
  header: { alg: 'ES256', typ: 'JWT', kid: '{{id_token_kid}}' },
  payload: { iss: '{{issuer}}', sub: '{{target_id}}', aud, iat: '{{#now}}', exp: '{{#now+60}}' },
  by: 'nobody',
  around: { ...at(method, path), ...around },
  refused: [400],
  ignores: [],
});

/** Every endpoint that reads a JWT. */
export const readers: readonly Reader[] = [
  assertion('/bc-authorize', 'scope=openid&login_hint=nobody-at-all', 'unknown_user_id'),
  assertion('/oauth/token', 'grant_type=urn:openid:params:grant-type:ciba&auth_req_id={{consumed}}', 'invalid_grant'),
  assertion('/oauth/introspect', 'token=unknown'),
  assertion('/oauth/revoke', 'token=unknown'),
  idTokenAt('POST', '/bc-authorize', 'fuzzed', {
    headers: { authorization: '{{fuzzed}}', 'content-type': mediaTypes.form },
    body: 'scope=openid&id_token_hint={{jws}}',
  }),
  hinted('request', { sub: 'x', nbf: '{{#now}}', scope: 'openid', login_hint: 'nobody-at-all' }, '{{requests}}'),
  hinted('login_hint_token', { sub_id: { format: 'email', email: 'nobody@nowhere.test' } }, '{{fuzzed}}&scope=openid'),
  {
    ...act('redeem', { iss: '{{stranger_thumbprint}}', ticket: '{{open_ticket}}' }),
    header: { alg: 'ES256', typ: 'assent-request+jwt', kid: '{{stranger_thumbprint}}', jwk: strangerJwk },
    by: 'stranger',
  },
  act('enroll', { nonce: '{{jti}}' }),
  act('session', {}),
  act('inbox', {}),
  act('present', { op: '{{op}}' }),
  act('status', {}),
  act('decide', {
    op: '{{op}}',
    challenge_sha256: '{{jti}}',
    ctx_hash: '{{jti}}',
    decision: 'approve',
    method: 'device',
  }),
  act('unenroll', { act: 'status' }), // even a right one is for another call: the device stays
  act('events', { aud: 'https://other.example' }), // a right one would open a stream that nobody reads
  dpop(
    'POST',
    '/oauth/token',
    {
      headers: { authorization: '{{fuzzed}}', 'content-type': mediaTypes.form },
      body: 'grant_type=urn:openid:params:grant-type:ciba&auth_req_id={{consumed}}',
    },
    'invalid_grant',
  ),
  dpop('GET', '/userinfo', { headers: { authorization: 'DPoP {{access_token}}' } }),
  ...[
    assertion('/oauth/par', authorizationOf('web'), undefined, 'web'),
    assertion('/bc-authorize', 'auth_req_id={{consumed}}', 'invalid_grant', 'signed', 'DELETE'),
    assertion('/bc-authorize/deliveries', 'limit=1'),
    requestAt('POST', '/oauth/par', {
      headers: { authorization: '{{pushed}}', 'content-type': mediaTypes.form },
      body: 'request={{jws}}',
    }),
    requestAt('GET', '/authorize', { path: '/authorize?client_id=pushed&request={{jws}}' }),
    idTokenAt('GET', '/logout', 'web', { path: '/logout?id_token_hint={{jws}}' }),
    {
      ...idTokenAt('GET', '/authorize', 'web', {
        path: `/authorize?${authorizationOf('web')}&id_token_hint={{jws}}`,
      }),
      refused: [303],
      goesOn: '/sign-in/',
    },
    idTokenAt('POST', '/oauth/par', 'pushed', {
      headers: { authorization: '{{pushed}}', 'content-type': mediaTypes.form },
      body: `${authorizationOf('pushed')}&id_token_hint={{jws}}`,
    }),
    act('methods', { action: 'remove', method: 'pin' }),
    act('rotate', { keys: { sig: strangerJwk, enc: { ...strangerJwk, x: '{{client_x}}', y: '{{client_y}}' } } }),
    act('tickets', { ttl_seconds: 60 }),
    act('document', { op: '{{op}}', offset: 0 }),
    act('claim', { code: '{{jti}}' }),
    // of a PIN that a device brings with its keys: the one place where a wrong one is not counted against it
    {
      name: 'the PIN proof inside enroll',
      header: { alg: 'ES256', typ: 'assent-proof+jwt', kid: 'pin-1', jwk: strangerJwk },
      payload: { payload_sha256: '{{payload_sha256}}', salt: 'A'.repeat(43) },
      by: 'stranger' as const,
      around: {
        ...at('POST', '/device/v1/enroll'),
        headers: { 'content-type': mediaTypes.jose },
        body: '{{up}}',
        up: { envelope: { jws: '{{message}}', proofs: ['{{jws}}'] } },
        message: enrollment,
      },
      refused: [400, 401, 403, 404, 409],
      ignores: [],
      once: true as const,
    },
    dpop(
      'POST',
      '/bc-authorize',
      {
        headers: { authorization: '{{fuzzed}}', 'content-type': mediaTypes.form },
        body: 'scope=openid&login_hint=nobody-at-all',
      },
      'unknown_user_id',
    ),
    dpop('POST', '/oauth/par', {
      headers: { authorization: '{{pushed}}', 'content-type': mediaTypes.form },
      body: authorizationOf('pushed'),
    }),
    dpop('GET', '/fapi/resource', { headers: { authorization: 'DPoP {{access_token}}' } }),
  ].map((reader): Reader => ({ ...reader, sampled: true })),
];

type Change = [name: string, header: (right: Record<string, unknown>) => string];
const over = (members: Record<string, unknown>) => (right: Record<string, unknown>) =>
  JSON.stringify({ ...right, ...members });

/** 16 for the grid, and then the rest of RFC 8725 and of what others have met. */
const headers: Change[] = [
  ['right', (right) => JSON.stringify(right)],
  ['alg none', over({ alg: 'none' })],
  ['alg nOnE', over({ alg: 'nOnE' })],
  ['alg HS256', over({ alg: 'HS256' })],
  ['alg RS256', over({ alg: 'RS256' })],
  ['alg ES384', over({ alg: 'ES384' })],
  ['no alg', over({ alg: undefined })],
  ['alg null', over({ alg: null })],
  ['alg as a list', over({ alg: ['ES256'] })],
  ['kid that climbs', over({ kid: '../../../../dev/null' })],
  ['kid that asks SQL', over({ kid: "x' UNION SELECT 'k" })],
  ['crit', over({ crit: ['exp'], exp: 1 })],
  ['b64', over({ b64: false, crit: ['b64'] })],
  ['jwk of the sender', over({ jwk: strangerJwk })],
  ['jku', over({ jku: 'http://127.0.0.1:{{trap_port}}/jwks.json' })],
  ['x5u', over({ x5u: 'http://127.0.0.1:{{trap_port}}/cert.pem' })],
];

const moreHeaders: Change[] = [
  ['zip', over({ zip: 'DEF' })],
  ['p2c of 2^31', over({ alg: 'PBES2-HS512+A256KW', p2c: 2 ** 31 - 1, p2s: 'AAAA' })],
  ['x5c', over({ x5c: ['AAAA'] })],
  ['oct as jwk', over({ jwk: { kty: 'oct', k: 'AAAA' } })],
  ['a private jwk', over({ jwk: { kty: 'EC', crv: 'P-256', x: '{{stranger_x}}', y: '{{stranger_y}}', d: 'AAAA' } })],
  ['a jwk off its curve', over({ jwk: { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) } })],
  ['a jwk of another curve', over({ jwk: { kty: 'EC', crv: 'secp256k1', x: '{{stranger_x}}', y: '{{stranger_y}}' } })],
  ['RSA of 512 bits', over({ alg: 'RS256', jwk: { kty: 'RSA', n: 'A'.repeat(86), e: 'AQAB' } })],
  ['RSA of 8192 bits', over({ alg: 'PS256', jwk: { kty: 'RSA', n: '_'.repeat(1366), e: 'AQAB' } })],
  ['RSA with a long exponent', over({ alg: 'PS256', jwk: { kty: 'RSA', n: '_'.repeat(342), e: '_'.repeat(342) } })],
  ['a jwk that is a list', over({ jwk: [strangerJwk] })],
  ['a jwk that is a text', over({ jwk: 'EC' })],
  ['a jwk of lists', over({ jwk: { kty: ['EC'], crv: ['P-256'], x: ['{{stranger_x}}'], y: ['{{stranger_y}}'] } })],
  ['typ of another thing', over({ typ: 'assent-evidence+jwt' })],
  ['typ in capitals', over({ typ: 'DPOP+JWT' })],
  ['typ null', over({ typ: null })],
  ['kid of 10 kB', over({ kid: 'k'.repeat(10_000) })],
  ['kid as an object', over({ kid: { toString: 'x' } })],
  ['kid __proto__', over({ kid: '__proto__' })],
  ['alg twice', (right) => JSON.stringify(right).replace('{', '{"alg":"none",')],
  ['__proto__', (right) => JSON.stringify(right).replace('{', '{"__proto__":{"alg":"none"},')],
  ['no JSON', () => 'not json'],
  ['an array', () => '[]'],
  ['null', () => 'null'],
  ['nothing', () => ''],
  ['EdDSA', over({ alg: 'EdDSA' })],
  ['ES256K', over({ alg: 'ES256K' })],
  ['dir', over({ alg: 'dir', enc: 'A256GCM' })],
  ['HS256 in small letters', over({ alg: 'hs256' })],
];

const payloads: Change[] = [
  ['right', (right) => JSON.stringify(right)],
  ['empty', () => '{}'],
  ['an array', () => '[]'],
  ['no JSON', () => 'not json'],
  ['no bytes', () => ''],
  ['of long ago', over({ iat: 1, exp: 2, nbf: 1 })],
  [
    'for somebody else',
    over({ aud: 'https://other.example', iss: 'other', htu: 'https://other.example/', htm: 'PUT' }),
  ],
  ['of __proto__', (right) => JSON.stringify(right).replace('{', '{"__proto__":{"sub":"signed"},')],
  ['of 9 kB', over({ jti: 'j'.repeat(9_000), iss: 'x', htm: 'x' })],
];

const signatures: Jws['sign'][] = ['es256', 'none', 'other', 'hmac'];
const moreSignatures: Jws['sign'][] = ['der', 'zeros', 'cut'];

interface Vector {
  header: Change;
  payload: Change;
  sign: Jws['sign'];
}

/** 16 × 9 × 4 and the list: more than 600. The one that is right is no vector. */
export const vectors: readonly Vector[] = [
  ...headers.flatMap((header) => payloads.flatMap((payload) => signatures.map((sign) => ({ header, payload, sign })))),
  ...moreHeaders.flatMap((header) =>
    (['es256', 'hmac'] as const).map((sign) => ({ header, payload: payloads[0]!, sign })),
  ),
  ...moreSignatures.map((sign) => ({ header: headers[0]!, payload: payloads[0]!, sign })),
].filter(({ header, payload, sign }) => !(header === headers[0] && payload === payloads[0] && sign === 'es256'));

/** Those that this reader must refuse, or may believe without harm. */
export const vectorsFor = (reader: Reader): readonly Vector[] =>
  reader.once ? vectors.filter((vector) => !isHarmless(reader, vector)) : vectors;

export function joseCase(reader: Reader, { header, payload, sign }: Vector): Case {
  const { name, around } = reader;
  return {
    family: 'jose',
    name: `${name}: header ${header[0]}, payload ${payload[0]}, signature ${sign}`,
    ...around,
    jws: { header: header[1](reader.header), payload: payload[1](reader.payload), sign, by: signerOf(reader) },
    ...(isHarmless(reader, { header, payload, sign }) ? {} : refusal(reader)),
  };
}

const signerOf = ({ by }: Reader) => (by === 'nobody' ? 'stranger' : by);

function refusal({ refused, believed, goesOn }: Reader): Pick<Case, 'only' | 'never' | 'neverTo'> {
  return {
    only: refused,
    ...(believed !== undefined && { never: believed }),
    ...(goesOn !== undefined && { neverTo: goesOn }),
  };
}

/** Rightly signed over the right payload, with a header member that must be ignored: believed for its signature, not for that. */
function isHarmless({ ignores, header: right, by }: Reader, { header, payload, sign }: Vector): boolean {
  // a member called `__proto__` is one more that nobody asks for
  const isRight = payload[0] === 'right' || (payload[0] === 'of __proto__' && ignores.length > 0);
  if (!isRight || sign !== 'es256' || by === 'nobody') return false;
  try {
    const made = JSON.parse(header[1](right)) as Record<string, unknown>;
    const isNothing = (name: string) => ignores.includes(name) || isSame(made[name], right[name]);
    return made['alg'] === 'ES256' && Object.keys(made).every(isNothing);
  } catch {
    return false;
  }
}

/** Media types are compared without case (RFC 7515 4.1.9). */
const isSame = (a: unknown, b: unknown) => JSON.stringify(a)?.toLowerCase() === JSON.stringify(b)?.toLowerCase();

/** The grid, one reader for each vector: TH-15 has all of them at every reader. */
export function joseGrid(): Case[] {
  const always = readers.filter(({ once }) => !once);
  return vectors.map((vector, i) => joseCase(always[i % always.length]!, vector));
}

const wrongValues = [
  'null',
  '""',
  '0',
  '-1',
  '1e308',
  '[]',
  '{}',
  `"${'x'.repeat(20_000)}"`,
  '9007199254740993',
  '"\\u0000"',
  'true',
  '1.5',
];

/** Rightly signed, with one claim missing or of a wrong kind. */
export function claims(): Case[] {
  return readers
    .filter(({ around }) => around.path !== '/userinfo' && !around.path.endsWith('/revoke'))
    .flatMap((reader) =>
      Object.keys(reader.payload).flatMap((claim) => [
        claimCase(reader, claim, undefined),
        ...wrongValues.map((value) => claimCase(reader, claim, value)),
      ]),
    );
}

/** Claims that may be absent or of another kind: RFC 7523 3 lets `iat` out. */
function claimCase(reader: Reader, claim: string, value: string | undefined): Case {
  const marker = '{{claim}}';
  const text = JSON.stringify({ ...reader.payload, [claim]: value === undefined ? undefined : marker });
  return {
    family: 'claims',
    name: `${claim} ${value === undefined ? 'missing' : value.slice(0, 20)} in ${reader.name}`,
    ...reader.around,
    jws: {
      header: JSON.stringify(reader.header),
      payload: text.replace(`"${marker}"`, value ?? ''),
      sign: 'es256',
      by: signerOf(reader),
    },
    ...(isTolerated(reader, claim) ? {} : refusal(reader)),
  };
}

/** The server need not read them (RFC 7523 3: `iat`), or reads them its own way. */
function isTolerated({ around, name }: Reader, claim: string): boolean {
  // a request object needs no subject; whoever its hint names, it is nobody
  if (name.startsWith('request ')) return ['sub', 'login_hint', 'iat', 'jti'].includes(claim);
  // one address is registered, and need not be named; without `nbf` the window begins now; a scope may be left out (RFC 6749 3.3)
  if (name.startsWith('the request object ')) return ['iat', 'jti', 'nbf', 'redirect_uri', 'scope'].includes(claim);
  if (name.startsWith('login_hint_token ')) return ['iat', 'jti', 'sub_id'].includes(claim);
  return (
    claim === 'iat' || (claim === 'jti' && !around.path.startsWith('/device')) || around.path === '/device/v1/decide'
  );
}

/** All of these are routes. */
for (const { around } of readers) if (!routes.has(around.route)) throw new Error(around.route);
