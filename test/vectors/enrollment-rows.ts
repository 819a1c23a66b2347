/** Vectors of an enrollment: the keys of a new device, what confirms them, and the one tap that takes it away again. */
import type { KeyObject } from 'node:crypto';
import { deviceId, fresh, issuer, keys, type NamedKey, now, type Row, row, thumbprint } from './cast.ts';
import { b64, jweTo, jws, sha256 } from './forge.ts';
import { proofOf, request, requestHeader, up } from './up-rows.ts';

type Proofs = (payload: string) => string[];

const none: Proofs = () => [];
const newPin: Proofs = (payload) => [
  proofOf(payload, { key: keys.newPin, header: { kid: keys.newPin.kid, jwk: keys.newPin.jwk } }),
];

function upOf(act: string, claims: object, proofs: Proofs): string {
  const payload = JSON.stringify(request({ act, ...claims }));
  const made = proofs(payload);
  const header = requestHeader(made.length > 0 ? { proofs_sha256: made.map((proof) => sha256(proof)) } : {});
  return up({ jws: jws(header, payload, keys.sig.privateKey), ...(made.length > 0 && { proofs: made }) });
}

const enroll = { nonce: fresh(), keys: { enc: keys.enc.jwk }, device: { name: 'Phone' } };
const withPin = { ...enroll, keys: { ...enroll.keys, pin: { kid: keys.newPin.kid } } };
const attestation = { kind: 'android-key', blob: b64('a chain of certificates') };

const enrollRow = (name: string, expect: string, claims: object, proofs: Proofs = none) =>
  row(`enroll: ${name}`, expect, upOf('enroll', { ...enroll, ...claims }, proofs), 'enroll');
const unenrollRow = (name: string, expect: string, claims: object) =>
  row(`unenroll: ${name}`, expect, upOf('unenroll', claims, none), 'unenroll');

export const enrollmentRows: Row[] = [
  enrollRow('possession alone', 'accepted', {}),
  enrollRow('a PIN, proved by its new key', 'accepted', withPin, newPin),
  enrollRow('a statement of the platform', 'accepted', { attestation }),
  enrollRow('a statement that is a text', 'message_invalid', { attestation: attestation.blob }),
  enrollRow('a statement of no kind', 'message_invalid', { attestation: { blob: attestation.blob } }),
  enrollRow('a kind without a statement', 'message_invalid', { attestation: { kind: attestation.kind } }),
  enrollRow('a kind that is a list', 'message_invalid', { attestation: { ...attestation, kind: [attestation.kind] } }),
  enrollRow('a kind of 65 characters', 'message_invalid', { attestation: { ...attestation, kind: 'k'.repeat(65) } }),
  enrollRow('a PIN that is not proved', 'message_invalid', withPin),
  enrollRow('a proof of no announced key', 'message_invalid', {}, newPin),
  enrollRow('the PIN’s public half among the keys', 'message_invalid', {
    keys: { ...enroll.keys, pin: keys.newPin.jwk },
  }),
  enrollRow('one key for two uses', 'key_reused', { keys: { enc: keys.sig.jwk } }),
  enrollRow('no enc', 'message_invalid', { keys: {} }),
  enrollRow('a private half', 'message_invalid', { keys: { enc: keys.enc.privateJwk } }),
  enrollRow('no nonce', 'message_invalid', { nonce: undefined }),
  unenrollRow('this device', 'accepted', {}),
  unenrollRow('another device', 'accepted', { device: '7fBBBBBBBBBBBBBBBBBBBBBB' }),
  unenrollRow('a device that is an object', 'message_invalid', { device: { id: deviceId } }),
  unenrollRow('a device without a name', 'message_invalid', { device: '' }),
  unenrollRow('several devices', 'message_invalid', { device: [deviceId] }),
];

const confirmation = (changes: object = {}) =>
  JSON.stringify({ iss: issuer, aud: deviceId, iat: now, confirm: b64('what only enc can read'), ...changes });

const sealed = (
  content: string,
  {
    key = keys.seal,
    header = {},
    outer = {},
    to = keys.enc.publicKey,
  }: { key?: NamedKey; header?: object; outer?: object; to?: KeyObject } = {},
) =>
  jweTo(
    { typ: 'assent-sealed', cty: 'JWT', kid: thumbprint(keys.enc), ...outer },
    jws({ alg: 'ES256', typ: 'assent-confirm+jwt', kid: key.kid, ...header }, content, key.privateKey),
    to,
  );

/** `code`: the digits that the device shows. */
export const confirmationRows = [
  row('a confirmation', 'accepted', sealed(confirmation())),
  { ...row('with six digits to show', 'accepted', sealed(confirmation({ code: '017293' }))), code: '017293' },
  row('by a seal key that is not held', 'keys_untrusted', sealed(confirmation(), { key: keys.strangerSeal })),
  row(
    'by a stranger under the kid of a held key',
    'keys_untrusted',
    sealed(confirmation(), { key: keys.strangerSeal, header: { kid: keys.seal.kid } }),
  ),
  row('typ of a challenge', 'keys_untrusted', sealed(confirmation(), { header: { typ: 'assent-challenge+jwt' } })),
  row('alg none', 'keys_untrusted', sealed(confirmation(), { header: { alg: 'none' } })),
  row('encrypted to another device', 'server_unexpected', sealed(confirmation(), { to: keys.stranger.publicKey })),
  row('outer typ of a message down', 'server_unexpected', sealed(confirmation(), { outer: { typ: 'assent-down' } })),
  row('for another device', 'server_unexpected', sealed(confirmation({ aud: '7fBBBBBBBBBBBBBBBBBBBBBB' }))),
  row('of another server', 'server_unexpected', sealed(confirmation({ iss: 'https://other.example.test' }))),
];

const context = (changes: object = {}) =>
  JSON.stringify({ iss: issuer, aud: deviceId, op: 'op-1', iat: now, text: 'Ready at the counter.', ...changes });
const sealedContext = (content: string, { header = {}, ...rest }: Parameters<typeof sealed>[1] = {}) =>
  sealed(content, { header: { typ: 'assent-context+jwt', ...header }, ...rest });
const order = { title: 'Order 4711', text: 'Ready at the counter.\nBring your card.', mime: 'text/plain' };

/** What is shown after an approval or an activation. */
export const contextRows = [
  { ...row('a text', 'accepted', sealedContext(context())), shown: { text: 'Ready at the counter.' } },
  { ...row('two lines under a title', 'accepted', sealedContext(context(order))), shown: order },
  row('by a seal key that is not held', 'keys_untrusted', sealedContext(context(), { key: keys.strangerSeal })),
  row('typ of a confirmation', 'keys_untrusted', sealed(context())),
  row('typ of a challenge', 'keys_untrusted', sealedContext(context(), { header: { typ: 'assent-challenge+jwt' } })),
  row('for another device', 'server_unexpected', sealedContext(context({ aud: '7fBBBBBBBBBBBBBBBBBBBBBB' }))),
  row('of another server', 'server_unexpected', sealedContext(context({ iss: 'https://other.example.test' }))),
  row('no text', 'server_unexpected', sealedContext(context({ text: undefined }))),
  row('a text that is none', 'server_unexpected', sealedContext(context({ text: ['Ready'] }))),
];
