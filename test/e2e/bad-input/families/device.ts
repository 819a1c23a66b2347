import type { Case, Jws, Up } from '../case.ts';
import { deviceActs } from '../routes.ts';
import { mediaTypes } from './http.ts';
import { values } from './json.ts';

/** What the members of each call are; see src/domain/device-messages/README.md. */
const members: Record<string, Record<string, unknown>> = {
  redeem: { ticket: '{{used_ticket}}' },
  enroll: {
    nonce: '{{jti}}',
    keys: { enc: { kty: 'EC', crv: 'P-256', x: '{{stranger_x}}', y: '{{stranger_y}}' }, pin: { kid: 'k' } },
    device: { name: 'x' },
  },
  session: {},
  inbox: {},
  events: { nobody: 'reads this stream' },
  present: { op: '{{op}}' },
  document: { op: '{{op}}', offset: 0 },
  decide: {
    op: '{{op}}',
    challenge_sha256: '{{jti}}',
    ctx_hash: '{{jti}}',
    decision: 'approve',
    reason: 'not_me',
    method: 'device',
    match: '42',
  },
  claim: { code: '{{jti}}' },
  status: { confirm: '{{jti}}', op: '{{op}}' },
  methods: { action: 'change', method: 'pin', key: { kid: 'k' }, ticket: '{{used_ticket}}' },
  rotate: { keys: { sig: { kty: 'EC', crv: 'P-256', x: '{{stranger_x}}', y: '{{stranger_y}}' }, enc: 'enc' } },
  tickets: { application: 'assent-web', ttl_seconds: 60 },
  unenroll: {},
};

const kid: Record<string, string> = { redeem: '{{stranger_thumbprint}}' };
const common = (act: string) => ({
  iss: kid[act] ?? '{{device_id}}',
  aud: '{{issuer}}',
  iat: '{{#now}}',
  jti: '{{jti}}',
  act,
});
const jwk = { kty: 'EC', crv: 'P-256', x: '{{stranger_x}}', y: '{{stranger_y}}' };

function signed(act: string, payload: string, more: Partial<Jws> = {}): Jws {
  const header = act === 'redeem' ? { kid: kid[act], jwk } : { kid: '{{device_id}}' };
  return {
    header: JSON.stringify({ alg: 'ES256', typ: 'assent-request+jwt', ...header }),
    payload,
    sign: 'es256',
    by: act === 'redeem' ? 'stranger' : 'device',
    ...more,
  };
}

/** Statuses that refuse. Reads may be answered: what is hostile in them is not looked at. */
const refused = [400, 401, 403, 404, 409];
const reads = ['session', 'inbox', 'status', 'present', 'document'];

function message(act: string, name: string, up: Up, token: Jws, more: Partial<Case> = {}): Case {
  return {
    family: 'device',
    name: `${name}: ${act}`,
    route: `public POST /device/v1/${act}`,
    listener: 'public',
    method: 'POST',
    path: `/device/v1/${act}`,
    headers: { 'content-type': mediaTypes.jose },
    body: '{{up}}',
    up,
    jws: token,
    only: refused,
    ...more,
  };
}

const right = (act: string) => JSON.stringify({ ...common(act), ...members[act] });

/** The envelope: well-formed JWE around anything, and a JWE that is hardly one around what is right. Never an event stream, never the end of the device. */
export function envelopes(): Case[] {
  const acts = deviceActs.filter((act) => act !== 'unenroll' && act !== 'events');
  const headers: [string, Record<string, unknown>][] = [
    ['typ of an answer', { typ: 'assent-down' }],
    ['no typ', { typ: null }],
    ['no cty', { cty: null }],
    ['cty of a JWT', { cty: 'JWT' }],
    ['no kid', { kid: null }],
    ['a kid of nobody', { kid: 'x'.repeat(43) }],
    ['kid as a number', { kid: 7 }],
    ['kid __proto__', { kid: '__proto__' }],
    ['kid of 20 kB', { kid: 'k'.repeat(20_000) }],
    ['zip', { zip: 'DEF' }],
    ['crit', { crit: ['x'], x: 1 }],
    ['apu', { apu: 'AAAA' }],
    ['jku', { jku: 'http://127.0.0.1:{{trap_port}}/' }],
    ['ECDH-ES+A256KW', { alg: 'ECDH-ES+A256KW' }],
    ['RSA-OAEP', { alg: 'RSA-OAEP' }],
    ['PBES2 of 2^31 rounds', { alg: 'PBES2-HS256+A128KW', p2c: 2 ** 31 - 1, p2s: 'AAAA' }],
    ['dir', { alg: 'dir' }],
    ['A128CBC-HS256', { enc: 'A128CBC-HS256' }],
    ['an epk off its curve', { epk: { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) } }],
    ['an epk of P-384', { epk: { kty: 'EC', crv: 'P-384', x: 'A'.repeat(64), y: 'A'.repeat(64) } }],
    ['a private epk', { epk: { ...jwk, d: 'AAAA' } }],
    ['epk as a text', { epk: 'x' }],
  ];
  const plaintexts: [string, string][] = [
    ['no JSON', 'x'],
    ['an array', '[]'],
    ['null', 'null'],
    ['nothing', ''],
    ['no rk', '{"jws":"{{jws}}"}'],
    ['rk of 31 bytes', `{"rk":"${'A'.repeat(41)}","jws":"{{jws}}"}`],
    ['rk as a number', '{"rk":1,"jws":"{{jws}}"}'],
    ['rk twice', '{"rk":"{{rk}}","rk":"{{rk}}","jws":"{{jws}}"}'],
    ['__proto__', '{"__proto__":{"jws":"x"},"rk":"{{rk}}","jws":"{{jws}}"}'],
    ['jws as an object', '{"rk":"{{rk}}","jws":{"toString":"x"}}'],
    ['jws and request', '{"rk":"{{rk}}","jws":"{{jws}}","request":{}}'],
    ['proofs as an object', '{"rk":"{{rk}}","jws":"{{jws}}","proofs":{"length":1}}'],
    ['five proofs', '{"rk":"{{rk}}","jws":"{{jws}}","proofs":["a","b","c","d","e"]}'],
    ['a proof that is not listed', '{"rk":"{{rk}}","jws":"{{jws}}","proofs":["{{jws}}"]}'],
    ['proofs of numbers', '{"rk":"{{rk}}","jws":"{{jws}}","proofs":[1]}'],
    ['100 deep', `{"rk":"{{rk}}","jws":"{{jws}}","pad":${'['.repeat(100)}${']'.repeat(100)}}`],
    ['an unknown member', '{"rk":"{{rk}}","jws":"{{jws}}","x":1}'],
    ['jws of two parts', '{"rk":"{{rk}}","jws":"a.b"}'],
    ['jws of a JWE', '{"rk":"{{rk}}","jws":"a.b.c.d.e"}'],
    ['bytes after it', '{"rk":"{{rk}}","jws":"{{jws}}"} {}'],
  ];
  const bodies = [
    '',
    '.',
    '....',
    'a.b.c.d.e',
    '\u0000',
    'eyJhbGciOiJub25lIn0....',
    `${'A'.repeat(57_000)}`,
    '{{id_token}}',
    `${'.'.repeat(5000)}`,
    '{"protected":"e30"}',
    '\u00ff',
  ];
  return acts.flatMap((act) => [
    ...headers.map(([name, header]) => message(act, `header: ${name}`, { header }, signed(act, right(act)))),
    ...plaintexts.map(([name, plaintext]) =>
      message(act, `plaintext: ${name}`, { plaintext }, signed(act, right(act))),
    ),
    ...(['tag', 'iv', 'aad', 'unpadded', 'session'] as const).map((damage) =>
      message(act, `damaged: ${damage}`, { damage }, signed(act, right(act))),
    ),
    ...bodies.map((body, i) => ({
      ...message(act, `no message ${i}`, {}, signed(act, right(act))),
      body,
      only: [400, 413],
    })),
  ]);
}

/** Well made, and signed by whom it should not be, for what it is not. */
export function signatures(): Case[] {
  return deviceActs.flatMap((act) => {
    const wrong: [string, Jws][] = [
      ['a stranger’s key', signed(act, right(act), { sign: 'other', ...(act === 'redeem' && { by: 'client' }) })],
      ['no signature', signed(act, right(act), { sign: 'none' })],
      ['zeros', signed(act, right(act), { sign: 'zeros' })],
      ['DER', signed(act, right(act), { sign: 'der' })],
      ['a signature cut off', signed(act, right(act), { sign: 'cut' })],
      ['an HMAC with the public key', signed(act, right(act), { sign: 'hmac' })],
      ...deviceActs
        .filter((other) => other !== act)
        .map((other): [string, Jws] => [
          `made for ${other}`,
          signed(act, JSON.stringify({ ...common(act), ...members[act], act: other })),
        ]),
      ['made for another server', signed(act, JSON.stringify({ ...common(act), aud: 'https://other.example' }))],
      ['of another device', signed(act, JSON.stringify({ ...common(act), iss: '{{target_id}}' }))],
      ['of an hour ago', signed(act, JSON.stringify({ ...common(act), iat: '{{#now-3600}}', op: 'x' }))],
      ['of tomorrow', signed(act, JSON.stringify({ ...common(act), iat: '{{#now+86400}}', op: 'x' }))],
      ['a jti of 8 bytes', signed(act, JSON.stringify({ ...common(act), jti: 'AAAAAAAAAAA' }))],
      ['a ctr below zero', signed(act, JSON.stringify({ ...common(act), jti: 'x', ctr: -1 }))],
    ];
    return wrong.map(([name, token]) => message(act, name, {}, token));
  });
}

/** Every member of every call, of every kind. What the device reads may be answered as if the member were not there. */
export function decisions(): Case[] {
  return Object.entries(members)
    .filter(([act]) => act !== 'unenroll' && act !== 'events')
    .flatMap(([act, own]) =>
      [...Object.keys(own), 'ctr', 'unknown'].flatMap((member) =>
        values.map((value) =>
          message(
            act,
            `${member} ${value.slice(0, 30)}`,
            {},
            signed(
              act,
              JSON.stringify({ ...common(act), ...own, [member]: '{{member}}' }).replace('"{{member}}"', value),
            ),
            reads.includes(act) ? { only: [200, ...refused] } : {},
          ),
        ),
      ),
    );
}
