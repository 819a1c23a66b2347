import {
  confirmValue,
  readEnroll,
  readRedeem,
  readStatus,
  type VerifiedRequest,
} from '../../../src/domain/device-messages/index.ts';
import type { DomainError } from '../../../src/domain/errors.ts';
import { sha256Base64url } from '../../../src/support/bytes.ts';
import { newEcKey, privateJwkOf, publicJwkOf, signJws } from '../../../src/support/jose/index.ts';
import { createSecrets } from '../../../src/support/secrets.ts';

const [sig, enc, pin] = [newEcKey(), newEcKey(), newEcKey()];
const encJwk = publicJwkOf(enc);
const device = { name: 'Phone of Alice', model: 'P1', os: 'Web', app_version: '1.0' };

interface Proof {
  key?: ReturnType<typeof newEcKey>;
  kid?: string;
  jwk?: object | undefined;
  over?: string;
}

function enrolling(payload: object, proofs: Proof[] = []): VerifiedRequest<unknown> {
  const payloadBytes = Buffer.from(JSON.stringify(payload));
  const payloadHash = sha256Base64url(payloadBytes);
  const made = proofs.map(({ key = pin, kid = 'pin-1', over = payloadHash, ...rest }) => {
    const jwk = 'jwk' in rest ? rest.jwk : publicJwkOf(key);
    const body = { payload_sha256: over, salt: Buffer.alloc(32, 1).toString('base64url') };
    return signJws(key, { typ: 'assent-proof+jwt', kid, ...(jwk && { jwk }) }, JSON.stringify(body));
  });
  const signed = { jws: 'jws', jwsHash: 'hash', payloadHash, payloadBytes, proofs: made };
  return {
    device: {},
    deviceId: 'd',
    act: 'enroll',
    jti: 'j',
    iat: 0,
    ctr: undefined,
    payload: payload as Record<string, unknown>,
    signed,
  };
}

const withPin = { nonce: 'nonce', keys: { enc: encJwk, pin: { kid: 'pin-1' } }, device };
const read = (payload: object, proofs: Proof[] = []) => readEnroll(enrolling(payload, proofs), publicJwkOf(sig));
const codeOf = (run: () => unknown) => {
  try {
    run();
    return 'fine';
  } catch (error) {
    return (error as DomainError).code;
  }
};

test('an enrollment brings enc, a proved PIN key, and what the device says of itself', () => {
  expect(read(withPin, [{}])).toEqual({
    nonce: 'nonce',
    enc: encJwk,
    pin: { kid: 'pin-1', jwk: publicJwkOf(pin) },
    info: { name: 'Phone of Alice', model: 'P1', os: 'Web', appVersion: '1.0' },
  });
});

test('a PIN is optional; so is all that the device says of itself', () => {
  expect(read({ nonce: 'nonce', keys: { enc: encJwk }, device: {} })).toEqual({
    nonce: 'nonce',
    enc: encJwk,
    pin: undefined,
    info: {},
  });
});

test.each<[string, Proof[]]>([
  ['no proof', []],
  ['a proof without its key', [{ jwk: undefined }]],
  ['a proof that brings another key than it is signed by', [{ jwk: publicJwkOf(newEcKey()) }]],
  ['a proof that brings a private key', [{ jwk: privateJwkOf(pin) }]],
  ['a proof under another kid', [{ kid: 'pin-2' }]],
  ['a proof over another payload', [{ over: sha256Base64url('other') }]],
  ['two proofs', [{}, {}]],
])('the new PIN key is refused with %s', (_, proofs) => {
  expect(codeOf(() => read(withPin, proofs))).toBe('message_invalid');
});

test.each<[string, object]>([
  ['no enc key', { ...withPin, keys: { pin: { kid: 'pin-1' } } }],
  ['an enc key with its private half', { ...withPin, keys: { enc: privateJwkOf(enc), pin: { kid: 'pin-1' } } }],
  ['an enc key off the curve', { ...withPin, keys: { enc: { ...encJwk, y: encJwk.x }, pin: { kid: 'pin-1' } } }],
  ['no nonce', { ...withPin, nonce: undefined }],
  ['no device', { ...withPin, device: undefined }],
  ['a name that is too long', { ...withPin, device: { name: 'x'.repeat(81) } }],
])('%s is refused', (_, payload) => {
  expect(codeOf(() => read(payload, [{}]))).toBe('message_invalid');
});

test('a proof of a key that is not announced is refused', () => {
  expect(codeOf(() => read({ ...withPin, keys: { enc: encJwk } }, [{}]))).toBe('message_invalid');
});

test.each<[string, object, Proof[]]>([
  ['sig and enc', { ...withPin, keys: { enc: publicJwkOf(sig) } }, []],
  ['sig and PIN', withPin, [{ key: sig }]],
  ['enc and PIN', withPin, [{ key: enc }]],
])('one key for %s is refused', (_, payload, proofs) => {
  expect(codeOf(() => read(payload, proofs))).toBe('key_reused');
});

test('a ticket is redeemed by itself, a typed code with the user', () => {
  expect(readRedeem({ ticket: 't' })).toEqual({ ticket: 't' });
  expect(readRedeem({ user: 'alice', activation_code: 'ABCD-EFGH-I' })).toEqual({
    user: 'alice',
    activationCode: 'ABCD-EFGH-I',
  });
  for (const payload of [{}, { ticket: '' }, { ticket: 7 }, { user: 'alice' }, { activation_code: 'x' }]) {
    expect(codeOf(() => readRedeem(payload))).toBe('message_invalid');
  }
});

test('a confirmation is quoted under the signature of the device, never under a session', () => {
  const request = enrolling({ confirm: 'value' });
  expect(readStatus(request)).toEqual({ confirm: 'value', op: undefined });
  expect(codeOf(() => readStatus({ ...request, signed: undefined }))).toBe('message_invalid');
  expect(readStatus({ ...request, payload: { op: 'op-1' }, signed: undefined })).toEqual({
    confirm: undefined,
    op: 'op-1',
  });
});

test('the value to confirm belongs to one device and one enc key, and is the same when given again', () => {
  const secrets = createSecrets(Buffer.alloc(32, 1));
  expect(confirmValue(secrets, 'd', encJwk)).toBe(confirmValue(secrets, 'd', { ...encJwk }));
  const others = [
    confirmValue(secrets, 'e', encJwk),
    confirmValue(secrets, 'd', publicJwkOf(sig)),
    confirmValue(createSecrets(Buffer.alloc(32, 2)), 'd', encJwk),
  ];
  expect(others).not.toContain(confirmValue(secrets, 'd', encJwk));
});
