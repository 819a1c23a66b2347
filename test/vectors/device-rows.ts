/** Vectors for the device: messages down, challenges, key sets. */
import { type KeyObject, randomBytes } from 'node:crypto';
import {
  deviceId,
  flip,
  fresh,
  issuer,
  keys,
  type NamedKey,
  now,
  type Row,
  rk,
  row,
  thumbprint,
  withPart,
} from './cast.ts';
import { document } from './document-rows.ts';
import { b64, jweDir, jweTo, jws, sha256 } from './forge.ts';

const downHeader = (changes: object = {}) => ({
  alg: 'dir',
  enc: 'A256GCM',
  typ: 'assent-down',
  cty: 'json',
  ...changes,
});
const down = (header: object = {}, body: string = JSON.stringify({ now, state: 'approved' }), key: Uint8Array = rk) =>
  jweDir(downHeader(header), body, key);
export const downRows: Row[] = [
  row('an answer', 'accepted', down()),
  row('under another key', 'server_unexpected', down({}, undefined, randomBytes(32))),
  row('typ of a message up', 'server_unexpected', down({ typ: 'assent-up' })),
  row('no typ', 'server_unexpected', down({ typ: undefined })),
  row('cty JWT', 'server_unexpected', down({ cty: 'JWT' })),
  row('zip', 'server_unexpected', down({ zip: 'DEF' })),
  row('crit', 'server_unexpected', down({ crit: ['exp'] })),
  row('kid', 'server_unexpected', down({ kid: 'k' })),
  row('enc A128GCM', 'server_unexpected', down({ enc: 'A128GCM' })),
  row(
    'alg ECDH-ES',
    'server_unexpected',
    jweTo({ typ: 'assent-down', cty: 'json' }, JSON.stringify({ now }), keys.enc.publicKey),
  ),
  row(
    'an encrypted key',
    'server_unexpected',
    withPart(down(), 1, () => randomBytes(40)),
  ),
  row('a bit flipped', 'server_unexpected', withPart(down(), 3, flip(0))),
  row('no now', 'server_unexpected', down({}, '{"state":"approved"}')),
  row('now is a text', 'server_unexpected', down({}, '{"now":"1893456000"}')),
  row('a list', 'server_unexpected', down({}, '[]')),
  row('not JSON', 'server_unexpected', down({}, 'approved')),
];

const ctx = JSON.stringify({
  v: 1,
  salt: fresh(),
  op: 'op-1',
  kind: 'authentication',
  purpose: 'authentication',
  client: { id: 'demo', name: 'Demo Bank' },
  binding_message: 'Zahlung über 12,50 € an "Bob"',
});
const challenge = (changes: object = {}) =>
  JSON.stringify({
    iss: issuer,
    aud: deviceId,
    op: 'op-1',
    nonce: b64(randomBytes(32)),
    iat: now,
    exp: now + 295,
    ctx,
    methods: ['pin'],
    ...changes,
  });
const sealedHeader = (changes: object = {}) => ({
  typ: 'assent-sealed',
  cty: 'JWT',
  kid: thumbprint(keys.enc),
  ...changes,
});
const sealedBy = (
  content: string,
  {
    key = keys.seal,
    header = {},
    outer = {},
    to = keys.enc.publicKey,
  }: { key?: NamedKey; header?: object; outer?: object; to?: KeyObject } = {},
) =>
  jweTo(
    sealedHeader(outer),
    jws({ alg: 'ES256', typ: 'assent-challenge+jwt', kid: key.kid, ...header }, content, key.privateKey),
    to,
  );
const goodChallenge = challenge();
const ctxWith = (changes: object) => challenge({ ctx: JSON.stringify({ ...JSON.parse(ctx), ...changes }) });

export const challengeRows = [
  {
    ...row('a challenge', 'accepted', sealedBy(goodChallenge)),
    challenge_sha256: sha256(goodChallenge),
    ctx_hash: sha256(ctx),
  },
  {
    ...row('the same again: same bytes, other signature', 'accepted', sealedBy(goodChallenge)),
    challenge_sha256: sha256(goodChallenge),
    ctx_hash: sha256(ctx),
  },
  {
    ...row(
      'with three numbers',
      'accepted',
      sealedBy(challenge({ match: { mode: 'choose', options: ['17', '42', '88'] } })),
    ),
    ctx_hash: sha256(ctx),
  },
  row('by a seal key that is not held', 'keys_untrusted', sealedBy(goodChallenge, { key: keys.strangerSeal })),
  row(
    'by a stranger under the kid of a held key',
    'keys_untrusted',
    sealedBy(goodChallenge, { key: keys.strangerSeal, header: { kid: keys.seal.kid } }),
  ),
  row('by the device itself', 'keys_untrusted', sealedBy(goodChallenge, { key: keys.sig })),
  row('by the box key', 'keys_untrusted', sealedBy(goodChallenge, { key: keys.box })),
  row('typ of evidence', 'keys_untrusted', sealedBy(goodChallenge, { header: { typ: 'assent-evidence+jwt' } })),
  row('typ of a confirmation', 'keys_untrusted', sealedBy(goodChallenge, { header: { typ: 'assent-confirm+jwt' } })),
  row('typ JWT', 'keys_untrusted', sealedBy(goodChallenge, { header: { typ: 'JWT' } })),
  row('alg none', 'keys_untrusted', sealedBy(goodChallenge, { header: { alg: 'none' } })),
  row('alg HS256', 'keys_untrusted', sealedBy(goodChallenge, { header: { alg: 'HS256' } })),
  row(
    'jwk in the header',
    'keys_untrusted',
    sealedBy(goodChallenge, { key: keys.stranger, header: { jwk: keys.stranger.jwk, kid: keys.seal.kid } }),
  ),
  row('crit', 'keys_untrusted', sealedBy(goodChallenge, { header: { crit: ['b64'], b64: true } })),
  row('encrypted to another device', 'server_unexpected', sealedBy(goodChallenge, { to: keys.stranger.publicKey })),
  row('outer typ of a message up', 'server_unexpected', sealedBy(goodChallenge, { outer: { typ: 'assent-up' } })),
  row('outer cty json', 'server_unexpected', sealedBy(goodChallenge, { outer: { cty: 'json' } })),
  row('apu', 'server_unexpected', sealedBy(goodChallenge, { outer: { apu: b64('Alice') } })),
  row('zip', 'server_unexpected', sealedBy(goodChallenge, { outer: { zip: 'DEF' } })),
  row('jku', 'server_unexpected', sealedBy(goodChallenge, { outer: { jku: 'https://evil.test' } })),
  row(
    'not encrypted',
    'server_unexpected',
    jws({ alg: 'ES256', typ: 'assent-challenge+jwt', kid: keys.seal.kid }, goodChallenge, keys.seal.privateKey),
  ),
  row('for another device', 'server_unexpected', sealedBy(challenge({ aud: 'other' }))),
  row('for several devices', 'server_unexpected', sealedBy(challenge({ aud: [deviceId] }))),
  row('of another server', 'server_unexpected', sealedBy(challenge({ iss: 'https://other.example.test' }))),
  row('of another operation', 'challenge_invalid', sealedBy(challenge({ op: 'op-2' }))),
  row('with the text of another operation', 'challenge_invalid', sealedBy(ctxWith({ op: 'op-2' }))),
  row('with a text of a later version', 'challenge_invalid', sealedBy(ctxWith({ v: 2 }))),
  row('with a text without a client', 'challenge_invalid', sealedBy(ctxWith({ client: undefined }))),
  row('with a document', 'accepted', sealedBy(ctxWith({ document }))),
  row(
    'with a document of which only the hash is known',
    'accepted',
    sealedBy(ctxWith({ document: { ...document, display: 'external', size: undefined } })),
  ),
  ...Object.entries({
    'without a hash': { ...document, sha256: undefined },
    'without a size': { ...document, size: undefined },
    'of no size': { ...document, size: 0 },
    'that is shown in a way of a later version': { ...document, display: 'hologram' },
    'that is a title only': { title: 'Contract' },
  }).map(([fault, wrong]) =>
    row(
      `with a document ${fault}, which must not be approved unseen`,
      'challenge_invalid',
      sealedBy(ctxWith({ document: wrong })),
    ),
  ),
  row('with an unknown kind of number', 'challenge_invalid', sealedBy(challenge({ match: { mode: 'guess' } }))),
  row('with ctx as an object', 'challenge_invalid', sealedBy(challenge({ ctx: JSON.parse(ctx) }))),
  row('that has ended', 'operation_expired', sealedBy(challenge({ exp: now }))),
];

const publicSet = (list: (keyof typeof keys)[], use: string) =>
  list.map((name) => ({ ...keys[name].jwk, kid: keys[name].kid, use }));
const setOf = (
  seal: (keyof typeof keys)[],
  signer: keyof typeof keys,
  { iat = now, header = {} }: { iat?: number; header?: object } = {},
) =>
  jws(
    { alg: 'ES256', typ: 'assent-keys+jwt', kid: keys[signer].kid, ...header },
    { iss: issuer, iat, seal: publicSet(seal, 'sig'), box: publicSet(['box'], 'enc') },
    keys[signer].privateKey,
  );
export const keySetRows = [
  { name: 'signed by the held key', held: ['seal'], sets: [setOf(['seal'], 'seal')], expect: 'accepted' },
  {
    name: 'a successor, signed by the held key as well',
    held: ['oldSeal'],
    sets: [setOf(['seal', 'oldSeal'], 'seal'), setOf(['seal', 'oldSeal'], 'oldSeal')],
    expect: 'accepted',
  },
  {
    name: 'a successor that the held key has not signed',
    held: ['oldSeal'],
    sets: [setOf(['seal', 'oldSeal'], 'seal')],
    expect: 'keys_untrusted',
  },
  {
    name: 'a stranger that lists the held key',
    held: ['seal'],
    sets: [setOf(['strangerSeal', 'seal'], 'strangerSeal')],
    expect: 'keys_untrusted',
  },
  {
    name: 'a stranger under the kid of the held key',
    held: ['seal'],
    sets: [setOf(['strangerSeal'], 'strangerSeal', { header: { kid: keys.seal.kid } })],
    expect: 'keys_untrusted',
  },
  {
    name: 'older than the one that is held',
    held: ['seal'],
    not_before: now,
    sets: [setOf(['seal'], 'seal', { iat: now - 1 })],
    expect: 'keys_untrusted',
  },
  {
    name: 'typ of a challenge',
    held: ['seal'],
    sets: [setOf(['seal'], 'seal', { header: { typ: 'assent-challenge+jwt' } })],
    expect: 'keys_untrusted',
  },
  {
    name: 'alg none',
    held: ['seal'],
    sets: [setOf(['seal'], 'seal', { header: { alg: 'none' } })],
    expect: 'keys_untrusted',
  },
  { name: 'no sets', held: ['seal'], sets: [], expect: 'keys_untrusted' },
];
export const firstContactRows = [
  {
    name: 'shows the box key of the link',
    k: thumbprint(keys.box),
    sets: [setOf(['seal'], 'seal')],
    expect: 'accepted',
  },
  {
    name: 'shows another box key',
    k: thumbprint(keys.stranger),
    sets: [setOf(['seal'], 'seal')],
    expect: 'keys_untrusted',
  },
  {
    name: 'is not signed by a key it lists',
    k: thumbprint(keys.box),
    sets: [setOf(['seal'], 'strangerSeal')],
    expect: 'keys_untrusted',
  },
];
