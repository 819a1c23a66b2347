/** Vectors for the server: messages up, `redeem`, proofs. */
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
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
  sessionId,
  sessionKey,
  thumbprint,
  withPart,
} from './cast.ts';
import { b64, jweDir, jweTo, jws, padded, sha256 } from './forge.ts';

const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;

export const request = (changes: object = {}) => ({
  iss: deviceId,
  aud: issuer,
  iat: now,
  jti: fresh(),
  act: 'inbox',
  ...changes,
});
export const requestHeader = (changes: object = {}) => ({
  alg: 'ES256',
  typ: 'assent-request+jwt',
  kid: deviceId,
  ...changes,
});
export const signedRequest = (
  claims: object = {},
  header: object | string = {},
  key: KeyObject = keys.sig.privateKey,
) => jws(typeof header === 'string' ? header : requestHeader(header), request(claims), key);
const upHeader = (changes: object = {}) => ({ typ: 'assent-up', cty: 'json', kid: keys.box.kid, ...changes });
const sessionHeader = (changes: object = {}) => ({
  alg: 'dir',
  enc: 'A256GCM',
  typ: 'assent-up',
  cty: 'json',
  kid: sessionId,
  ...changes,
});

export const up = (envelope: object, header: object = {}, to: KeyObject = keys.box.publicKey) =>
  jweTo(upHeader(header), padded({ rk: b64(rk), ...envelope }), to);
const upOf = (claims: object = {}, header: object | string = {}, key?: KeyObject) =>
  up({ jws: signedRequest(claims, header, key) });
const upSession = (claims: object = {}, header: object = {}, key: Uint8Array = sessionKey) =>
  jweDir(sessionHeader(header), padded({ rk: b64(rk), request: request(claims) }), key);

const zeroAt = (from: number) => (bytes: Buffer) => Buffer.from(bytes).fill(0, from, from + 32);
const epkOf = (changes: object) => {
  const { kty, crv, x, y } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  return { epk: { kty, crv, x, y, ...changes } };
};

export const proofOf = (
  payload: string,
  { key = keys.pin, header = {}, body = {} }: { key?: NamedKey; header?: object; body?: object } = {},
) =>
  jws(
    { alg: 'ES256', typ: 'assent-proof+jwt', kid: key.kid, ...header },
    { payload_sha256: sha256(payload), salt: b64(randomBytes(32)), ...body },
    key.privateKey,
  );

function upWithProofs(list: (proofs: string[]) => unknown, order: (proofs: string[]) => string[] = (proofs) => proofs) {
  const claims = request();
  const payload = JSON.stringify(claims);
  const proofs = [proofOf(payload), proofOf(payload, { key: keys.uv })];
  const token = jws(requestHeader({ proofs_sha256: list(proofs) }), payload, keys.sig.privateKey);
  return up({ jws: token, proofs: order(proofs) });
}
const hashes = (proofs: string[]) => proofs.map((proof) => sha256(proof));

const goodUp = upOf();
const goodJws = signedRequest();
const plainUp = (envelope: object | string) =>
  jweTo(upHeader(), typeof envelope === 'string' ? envelope : padded(envelope), keys.box.publicKey);

export const upRows: Row[] = [
  row('signed', 'accepted', goodUp),
  row('signed, with two proofs', 'accepted', upWithProofs(hashes)),
  row('signed, 120 s behind', 'accepted', upOf({ iat: now - 120 })),
  row('signed, 120 s ahead', 'accepted', upOf({ iat: now + 120 })),
  row(
    'signed decide, a day old: the challenge gives freshness',
    'accepted',
    upOf({ act: 'decide', iat: now - 86400 }),
    'decide',
  ),
  row('signed, with a counter', 'accepted', upOf({ ctr: 7 })),
  row('under a session', 'accepted', upSession()),

  // outside: the JWE
  row('unknown box key', 'unknown_key', up({ jws: goodJws }, { kid: 'box-0' })),
  row('no kid', 'unknown_key', up({ jws: goodJws }, { kid: undefined })),
  row('unknown session', 'unknown_key', upSession({}, { kid: 'session-0' })),
  row('another session’s key', 'unreadable', upSession({}, {}, randomBytes(32))),
  row('kid of the box key with dir', 'unknown_key', upSession({}, { kid: keys.box.kid })),
  row('kid of the session with ECDH-ES', 'unknown_key', up({ jws: goodJws }, { kid: sessionId })),
  row('encrypted to the device’s own key', 'unreadable', up({ jws: goodJws }, {}, keys.enc.publicKey)),
  row('encrypted on P-384', 'unreadable', up({ jws: goodJws }, {}, p384)),
  row('typ of a message down', 'unreadable', up({ jws: goodJws }, { typ: 'assent-down' })),
  row('typ in another case', 'unreadable', up({ jws: goodJws }, { typ: 'Assent-Up' })),
  row('typ as a media type', 'unreadable', up({ jws: goodJws }, { typ: 'application/assent-up' })),
  row('no typ', 'unreadable', up({ jws: goodJws }, { typ: undefined })),
  row('cty JWT', 'unreadable', up({ jws: goodJws }, { cty: 'JWT' })),
  row('no cty', 'unreadable', up({ jws: goodJws }, { cty: undefined })),
  row('zip', 'unreadable', up({ jws: goodJws }, { zip: 'DEF' })),
  row('crit', 'unreadable', up({ jws: goodJws }, { crit: ['exp'], exp: 1 })),
  row('apu', 'unreadable', up({ jws: goodJws }, { apu: b64('Alice') })),
  row('apv', 'unreadable', up({ jws: goodJws }, { apv: b64('Bob') })),
  row('apu and apv', 'unreadable', up({ jws: goodJws }, { apu: b64('Alice'), apv: b64('Bob') })),
  row('jku', 'unreadable', up({ jws: goodJws }, { jku: 'https://evil.test/keys' })),
  row('x5u', 'unreadable', up({ jws: goodJws }, { x5u: 'https://evil.test/cert' })),
  row('p2c', 'unreadable', up({ jws: goodJws }, { p2c: 1_000_000_000, p2s: b64('salt') })),
  row('jwk in the outer header', 'unreadable', up({ jws: goodJws }, { jwk: keys.stranger.jwk })),
  row('enc A128GCM', 'unreadable', up({ jws: goodJws }, { enc: 'A128GCM' })),
  row('alg ECDH-ES+A256KW', 'unreadable', up({ jws: goodJws }, { alg: 'ECDH-ES+A256KW' })),
  row('alg dir with an epk', 'unreadable', up({ jws: goodJws }, { alg: 'dir' })),
  row('alg none', 'unreadable', up({ jws: goodJws }, { alg: 'none' })),
  row('epk not on the curve', 'unreadable', up({ jws: goodJws }, epkOf({ y: keys.box.jwk.x }))),
  row(
    'epk at infinity',
    'unreadable',
    up({ jws: goodJws }, epkOf({ x: b64(Buffer.alloc(32)), y: b64(Buffer.alloc(32)) })),
  ),
  row('epk with a short coordinate', 'unreadable', up({ jws: goodJws }, epkOf({ x: b64(randomBytes(31)) }))),
  row('epk of another curve', 'unreadable', up({ jws: goodJws }, epkOf({ crv: 'secp256k1' }))),
  row('epk with a private half', 'unreadable', up({ jws: goodJws }, { epk: keys.stranger.privateJwk })),
  row('epk that is not the sender’s', 'unreadable', up({ jws: goodJws }, { epk: keys.stranger.jwk })),
  row(
    'an encrypted key',
    'unreadable',
    withPart(goodUp, 1, () => randomBytes(40)),
  ),
  row('a bit of the header flipped', 'unreadable', withPart(goodUp, 0, flip(10))),
  row('a bit of the iv flipped', 'unreadable', withPart(goodUp, 2, flip(0))),
  row('a bit of the ciphertext flipped', 'unreadable', withPart(goodUp, 3, flip(100))),
  row('a bit of the tag flipped', 'unreadable', withPart(goodUp, 4, flip(-1))),
  row(
    'a shortened tag',
    'unreadable',
    withPart(goodUp, 4, (tag) => tag.subarray(0, 12)),
  ),
  row(
    'an iv of 16 bytes',
    'unreadable',
    withPart(goodUp, 2, () => randomBytes(16)),
  ),
  row('four parts', 'unreadable', goodUp.slice(0, goodUp.lastIndexOf('.'))),
  row('six parts', 'unreadable', `${goodUp}.AAAA`),
  row('a JWS outside', 'unreadable', goodJws),
  row('a JWE in a JWE', 'unreadable', plainUp(goodUp.padEnd(Math.ceil(goodUp.length / 512) * 512))),
  row('a line end behind', 'unreadable', `${goodUp}\n`),
  row('padding characters', 'unreadable', `${goodUp}==`),
  row('longer than 56 KiB', 'unreadable', up({ jws: goodJws, proofs: ['A'.repeat(57_000)] })),
  row('empty', 'unreadable', ''),

  // inside: the envelope
  row('not padded', 'unreadable', plainUp(JSON.stringify({ rk: b64(rk), jws: goodJws, pad: 'x' }))),
  row('no rk', 'unreadable', plainUp({ jws: goodJws })),
  row('rk of 16 bytes', 'unreadable', plainUp({ rk: b64(randomBytes(16)), jws: goodJws })),
  row('rk is not base64url', 'unreadable', plainUp({ rk: '!'.repeat(43), jws: goodJws })),
  row('neither jws nor request', 'unreadable', plainUp({ rk: b64(rk) })),
  row('an unsigned request to the box key', 'unreadable', plainUp({ rk: b64(rk), request: request() })),
  row('jws under a session', 'unreadable', jweDir(sessionHeader(), padded({ rk: b64(rk), jws: goodJws }), sessionKey)),
  row(
    'rk is the session key',
    'unreadable',
    jweDir(sessionHeader(), padded({ rk: b64(sessionKey), request: request() }), sessionKey),
  ),
  row('jws is a list', 'unreadable', plainUp({ rk: b64(rk), jws: [goodJws] })),
  row('proofs is a text', 'unreadable', plainUp({ rk: b64(rk), jws: goodJws, proofs: 'proof' })),
  row('five proofs', 'unreadable', plainUp({ rk: b64(rk), jws: goodJws, proofs: ['a', 'b', 'c', 'd', 'e'] })),
  row('an unknown member', 'unreadable', plainUp({ rk: b64(rk), jws: goodJws, jwk: keys.stranger.jwk })),
  row('rk twice', 'unreadable', plainUp(padded({ rk: b64(rk), jws: goodJws, Xk: b64(rk) }).replace('"Xk"', '"rk"'))),
  row('not JSON', 'unreadable', plainUp('x'.repeat(512))),
  row('not UTF-8', 'unreadable', jweTo(upHeader(), Buffer.alloc(512, 0xff), keys.box.publicKey)),

  // inside: the signature
  row('unknown device', 'device_refused', upOf({ iss: 'nobody' }, { kid: 'nobody' })),
  row('no kid inside', 'device_refused', upOf({}, { kid: undefined })),
  row('kid is a list', 'device_refused', upOf({}, { kid: [deviceId] })),
  row(
    'kid twice',
    'device_refused',
    upOf({}, `{"alg":"ES256","typ":"assent-request+jwt","kid":"nobody","kid":"${deviceId}"}`),
  ),
  row('kid that looks like a path', 'device_refused', upOf({}, { kid: '../../etc/passwd' })),
  row('kid that looks like SQL', 'device_refused', upOf({}, { kid: "' OR 1=1 --" })),
  row('signed by a stranger', 'device_refused', upOf({}, {}, keys.stranger.privateKey)),
  row('signed by the PIN key', 'device_refused', upOf({}, {}, keys.pin.privateKey)),
  row('signed by the enc key', 'device_refused', upOf({}, {}, keys.enc.privateKey)),
  row('alg none', 'device_refused', up({ jws: `${b64(requestHeader({ alg: 'none' }))}.${b64(request())}.` })),
  row('alg none with a signature', 'device_refused', upOf({}, { alg: 'none' })),
  row('alg HS256', 'device_refused', upOf({}, { alg: 'HS256' })),
  row('alg ES384', 'device_refused', upOf({}, { alg: 'ES384' })),
  row(
    'jwk of a stranger in the header',
    'device_refused',
    upOf({}, { jwk: keys.stranger.jwk }, keys.stranger.privateKey),
  ),
  row('jwk of the device itself', 'device_refused', upOf({}, { jwk: keys.sig.jwk })),
  row('jku inside', 'device_refused', upOf({}, { jku: 'https://evil.test/keys' })),
  row('x5u inside', 'device_refused', upOf({}, { x5u: 'https://evil.test/cert' })),
  row('x5c inside', 'device_refused', upOf({}, { x5c: [b64('cert')] })),
  row('crit inside', 'device_refused', upOf({}, { crit: ['b64'] })),
  row('b64 false inside', 'device_refused', upOf({}, { b64: false, crit: ['b64'] })),
  row('zip inside', 'device_refused', upOf({}, { zip: 'DEF' })),
  row('DER signature', 'device_refused', up({ jws: jws(requestHeader(), request(), keys.sig.privateKey, 'der') })),
  row(
    'shortened signature',
    'device_refused',
    up({ jws: withPart(goodJws, 2, (signature) => signature.subarray(0, 63)) }),
  ),
  row('r is zero', 'device_refused', up({ jws: withPart(goodJws, 2, zeroAt(0)) })),
  row('s is zero', 'device_refused', up({ jws: withPart(goodJws, 2, zeroAt(32)) })),
  row('a bit of the signature flipped', 'device_refused', up({ jws: withPart(goodJws, 2, flip(40)) })),
  row('a bit of the payload flipped', 'device_refused', up({ jws: withPart(goodJws, 1, flip(12)) })),
  row('no signature', 'device_refused', up({ jws: goodJws.slice(0, goodJws.lastIndexOf('.') + 1) })),
  row(
    'a nested JWS',
    'device_refused',
    up({ jws: jws(requestHeader({ cty: 'JWT' }), goodJws, keys.stranger.privateKey) }),
  ),

  // inside: the claims, by the right key
  row(
    'a nested JWS, by the right key',
    'message_invalid',
    up({ jws: jws(requestHeader({ cty: 'JWT' }), goodJws, keys.sig.privateKey) }),
  ),
  row('typ of a proof', 'message_invalid', upOf({}, { typ: 'assent-proof+jwt' })),
  row('typ JWT', 'message_invalid', upOf({}, { typ: 'JWT' })),
  row('typ in another case', 'message_invalid', upOf({}, { typ: 'Assent-Request+JWT' })),
  row('typ as a media type', 'message_invalid', upOf({}, { typ: 'application/assent-request+jwt' })),
  row('another audience', 'message_invalid', upOf({ aud: 'https://other.example.test' })),
  row('audience with a slash more', 'message_invalid', upOf({ aud: `${issuer}/` })),
  row('audience as a list', 'message_invalid', upOf({ aud: [issuer] })),
  row('no audience', 'message_invalid', upOf({ aud: undefined })),
  row('another issuer', 'message_invalid', upOf({ iss: 'nobody' })),
  row('no issuer', 'message_invalid', upOf({ iss: undefined })),
  row('made for another call', 'message_invalid', upOf({ act: 'status' })),
  row('no act', 'message_invalid', upOf({ act: undefined })),
  row('no iat', 'message_invalid', upOf({ iat: undefined })),
  row('iat is a text', 'message_invalid', upOf({ iat: String(now) })),
  row('iat is negative', 'message_invalid', upOf({ iat: -1 })),
  row('iat is a fraction', 'message_invalid', upOf({ iat: now + 0.5 })),
  row('no jti', 'message_invalid', upOf({ jti: undefined })),
  row('jti of 64 bits', 'message_invalid', upOf({ jti: b64(randomBytes(8)) })),
  row('ctr is a text', 'message_invalid', upOf({ ctr: '7' })),
  row('a payload that is a list', 'message_invalid', up({ jws: jws(requestHeader(), '[]', keys.sig.privateKey) })),
  row(
    'aud twice',
    'message_invalid',
    up({
      jws: jws(
        requestHeader(),
        `{"iss":"${deviceId}","aud":"x","aud":"${issuer}","iat":${now},"jti":"${fresh()}","act":"inbox"}`,
        keys.sig.privateKey,
      ),
    }),
  ),
  row(
    'proofs in another order',
    'message_invalid',
    upWithProofs(hashes, (proofs) => proofs.reverse()),
  ),
  row(
    'a proof dropped',
    'message_invalid',
    upWithProofs(hashes, ([first]) => [first!]),
  ),
  row(
    'all proofs dropped',
    'message_invalid',
    upWithProofs(hashes, () => []),
  ),
  row(
    'a proof added',
    'message_invalid',
    upWithProofs((proofs) => hashes(proofs).slice(0, 1)),
  ),
  row(
    'a proof exchanged',
    'message_invalid',
    upWithProofs(hashes, ([first]) => [first!, proofOf('other')]),
  ),
  row(
    'proofs that the header does not list',
    'message_invalid',
    upWithProofs(() => undefined),
  ),
  row(
    'proofs_sha256 is a text',
    'message_invalid',
    upWithProofs((proofs) => hashes(proofs).join()),
  ),
  row('session: another audience', 'message_invalid', upSession({ aud: 'https://other.example.test' })),
  row('session: another device', 'message_invalid', upSession({ iss: 'nobody' })),
  row('session: another call', 'message_invalid', upSession({ act: 'present' })),
  row('session: a call that needs a signature', 'message_invalid', upSession({ act: 'decide' }), 'decide'),
  row('session: no jti', 'message_invalid', upSession({ jti: undefined })),
  row('121 s behind', 'clock_skew', upOf({ iat: now - 121 })),
  row('121 s ahead', 'clock_skew', upOf({ iat: now + 121 })),
  row('session: 121 s behind', 'clock_skew', upSession({ iat: now - 121 })),
];

const redeemHeader = (changes: object = {}) => ({
  alg: 'ES256',
  typ: 'assent-request+jwt',
  kid: thumbprint(keys.sig),
  jwk: keys.sig.jwk,
  ...changes,
});
const redeemOf = (header: object = {}, claims: object = {}, key: KeyObject = keys.sig.privateKey, extra: object = {}) =>
  up({
    jws: jws(
      redeemHeader(header),
      request({ iss: thumbprint(keys.sig), act: 'redeem', ticket: 'ticket', ...claims }),
      key,
    ),
    ...extra,
  });
export const redeemRows: Row[] = [
  row('the new key proves itself', 'accepted', redeemOf()),
  row('no jwk', 'device_refused', redeemOf({ jwk: undefined })),
  row('jwk of another key', 'device_refused', redeemOf({ jwk: keys.stranger.jwk })),
  row('jwk with a private half', 'device_refused', redeemOf({ jwk: keys.sig.privateJwk })),
  row('jwk with a kid', 'device_refused', redeemOf({ jwk: { ...keys.sig.jwk, kid: 'k' } })),
  row('jwk on another curve', 'device_refused', redeemOf({ jwk: { ...keys.sig.jwk, crv: 'P-384' } })),
  row('jwk not on the curve', 'device_refused', redeemOf({ jwk: { ...keys.sig.jwk, y: keys.sig.jwk.x } })),
  row('jku beside it', 'device_refused', redeemOf({ jku: 'https://evil.test' })),
  row('signed by another key', 'device_refused', redeemOf({}, {}, keys.stranger.privateKey)),
  row('kid of another key', 'message_invalid', redeemOf({ kid: thumbprint(keys.stranger) })),
  row('iss of another key', 'message_invalid', redeemOf({}, { iss: thumbprint(keys.stranger) })),
  row('for another call', 'message_invalid', redeemOf({}, { act: 'enroll' })),
  row('for another server', 'message_invalid', redeemOf({}, { aud: 'https://other.example.test' })),
  row('with a proof', 'message_invalid', redeemOf({}, {}, undefined, { proofs: ['proof'] })),
  row('under a session', 'message_invalid', upSession({ act: 'redeem' })),
  row('an hour old', 'clock_skew', redeemOf({}, { iat: now - 3600 })),
];

export const payload = JSON.stringify(request({ act: 'decide', op: 'op-1', decision: 'approve', method: 'pin' }));
const goodProof = proofOf(payload);
export const proofRows = [
  { name: 'by the PIN key', proofs: [goodProof], expect: [true] },
  { name: 'by PIN and uv key', proofs: [goodProof, proofOf(payload, { key: keys.uv })], expect: [true, true] },
  {
    name: 'by the key of a wrong PIN, under the right kid',
    proofs: [proofOf(payload, { key: keys.otherPin, header: { kid: keys.pin.kid } })],
    expect: [false],
  },
  { name: 'by an unknown key', proofs: [proofOf(payload, { key: keys.stranger })], expect: [false] },
  { name: 'one right, one wrong', proofs: [goodProof, proofOf('other', { key: keys.uv })], expect: [true, false] },
  { name: 'the same key twice', proofs: [goodProof, proofOf(payload)], expect: [true, false] },
  { name: 'of another payload', proofs: [proofOf('other')], expect: [false] },
  {
    name: 'bringing its own jwk',
    proofs: [proofOf(payload, { key: keys.otherPin, header: { kid: keys.pin.kid, jwk: keys.otherPin.jwk } })],
    expect: [false],
  },
  { name: 'bringing the right jwk', proofs: [proofOf(payload, { header: { jwk: keys.pin.jwk } })], expect: [false] },
  { name: 'typ of a request', proofs: [proofOf(payload, { header: { typ: 'assent-request+jwt' } })], expect: [false] },
  { name: 'no typ', proofs: [proofOf(payload, { header: { typ: undefined } })], expect: [false] },
  { name: 'alg none', proofs: [proofOf(payload, { header: { alg: 'none' } })], expect: [false] },
  { name: 'crit', proofs: [proofOf(payload, { header: { crit: ['b64'], b64: false } })], expect: [false] },
  { name: 'no salt', proofs: [proofOf(payload, { body: { salt: undefined } })], expect: [false] },
  { name: 'a salt of 128 bits', proofs: [proofOf(payload, { body: { salt: fresh() } })], expect: [false] },
  { name: 'a member more', proofs: [proofOf(payload, { body: { note: 'x' } })], expect: [false] },
  { name: 'a bit flipped', proofs: [withPart(goodProof, 2, flip(3))], expect: [false] },
  {
    name: 'DER',
    proofs: [
      jws(
        { alg: 'ES256', typ: 'assent-proof+jwt', kid: keys.pin.kid },
        { payload_sha256: sha256(payload), salt: b64(randomBytes(32)) },
        keys.pin.privateKey,
        'der',
      ),
    ],
    expect: [false],
  },
  { name: 'not a proof', proofs: ['proof'], expect: [false] },
  { name: 'empty', proofs: [''], expect: [false] },
];
