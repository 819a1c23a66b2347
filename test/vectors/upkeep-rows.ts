/** Vectors for the server: what a device changes about itself (device-protocol, section 8). */
import { keys, type NamedKey, type Row, row, thumbprint } from './cast.ts';
import { jws, sha256 } from './forge.ts';
import { proofOf, request, requestHeader, signedRequest, up } from './up-rows.ts';

type Proofs = (payload: string) => string[];

function upProved(act: string, claims: object, proofs: Proofs, listed: Proofs = proofs): string {
  const payload = JSON.stringify(request({ act, ...claims }));
  const made = proofs(payload);
  const list = listed === proofs ? made : listed(payload);
  const header = requestHeader(list.length > 0 ? { proofs_sha256: list.map((proof) => sha256(proof)) } : {});
  return up({ jws: jws(header, payload, keys.sig.privateKey), ...(made.length > 0 && { proofs: made }) });
}

/** By a key that the server has not seen: its public half in the header of its own proof, and nowhere else. */
const announced = (payload: string, key: NamedKey = keys.newPin, changes: object = {}) =>
  proofOf(payload, { key, header: { jwk: key.jwk, ...changes } });
const byPin: Proofs = (payload) => [proofOf(payload)];
const both: Proofs = (payload) => [proofOf(payload), announced(payload)];

const change = { action: 'change', method: 'pin', key: { kid: keys.newPin.kid } };
const methods = (claims: object, proofs: Proofs) => upProved('methods', { ...change, ...claims }, proofs);
const methodsRow = (name: string, expect: string, proofs: Proofs = both, claims: object = {}) =>
  row(`methods: ${name}`, expect, methods(claims, proofs), 'methods');

const newKeys = { sig: keys.newSig.jwk, enc: keys.newEnc.jwk };
const byNewSig = (payload: string, key: NamedKey = keys.newSig, changes: object = {}) =>
  proofOf(payload, { key, header: { kid: thumbprint(keys.newSig), ...changes } });
const rotateProofs: Proofs = (payload) => [byNewSig(payload), proofOf(payload)];
const rotateRow = (name: string, expect: string, proofs: Proofs = rotateProofs, claims: object = { keys: newKeys }) =>
  row(`rotate: ${name}`, expect, upProved('rotate', claims, proofs), 'rotate');

export const upkeepRows: Row[] = [
  methodsRow('another PIN, proved by both keys', 'accepted'),
  methodsRow('the proofs in another order', 'accepted', (payload) => both(payload).reverse()),
  methodsRow('no PIN any longer', 'accepted', byPin, { action: 'remove', key: undefined }),
  methodsRow('the old PIN is wrong', 'attempt_failed', (payload) => [
    proofOf(payload, { key: keys.otherPin, header: { kid: keys.pin.kid } }),
    announced(payload),
  ]),
  methodsRow('the new key is guessed at as the old one', 'attempt_failed', (payload) => [
    proofOf(payload, { key: keys.newPin, header: { kid: keys.pin.kid } }),
    announced(payload),
  ]),
  methodsRow('the old key under a new name: never a new mask for the same key', 'key_reused', (payload) => [
    proofOf(payload),
    proofOf(payload, { header: { kid: keys.newPin.kid, jwk: keys.pin.jwk } }),
  ]),
  methodsRow('the new key is the device’s sig', 'key_reused', (payload) => [
    proofOf(payload),
    announced(payload, keys.sig, { kid: keys.newPin.kid }),
  ]),
  methodsRow('by the new key alone', 'proof_required', (payload) => [announced(payload)]),
  methodsRow('by the old key alone', 'message_invalid', byPin),
  methodsRow('without proofs', 'message_invalid', () => []),
  methodsRow('the new key does not bring its public half', 'message_invalid', (payload) => [
    proofOf(payload),
    proofOf(payload, { key: keys.newPin }),
  ]),
  methodsRow('the new key brings another one’s public half', 'message_invalid', (payload) => [
    proofOf(payload),
    announced(payload, keys.newPin, { jwk: keys.stranger.jwk }),
  ]),
  methodsRow('the new key brings its private half', 'message_invalid', (payload) => [
    proofOf(payload),
    announced(payload, keys.newPin, { jwk: keys.newPin.privateJwk }),
  ]),
  methodsRow('the new key under the name of the old one', 'message_invalid', both, { key: { kid: keys.pin.kid } }),
  methodsRow('the new key proved twice', 'message_invalid', (payload) => [...both(payload), announced(payload)]),
  methodsRow('the new key’s proof is of another payload', 'message_invalid', (payload) => [
    proofOf(payload),
    announced('other'),
  ]),
  methodsRow('no name of the new key', 'message_invalid', both, { key: undefined }),
  methodsRow('a removal that brings a key', 'message_invalid', byPin, { action: 'remove' }),
  methodsRow('an unknown action', 'message_invalid', both, { action: 'replace' }),
  methodsRow('another method', 'method_not_available', both, { method: 'face' }),
  row(
    'methods: not signed by sig',
    'device_refused',
    up({ jws: signedRequest({ act: 'methods', ...change }, {}, keys.pin.privateKey) }),
    'methods',
  ),

  rotateRow('new keys, proved by the new sig and the PIN', 'accepted'),
  rotateRow('the PIN is wrong', 'attempt_failed', (payload) => [
    byNewSig(payload),
    proofOf(payload, { key: keys.otherPin, header: { kid: keys.pin.kid } }),
  ]),
  rotateRow('by the new sig alone', 'proof_required', (payload) => [byNewSig(payload)]),
  rotateRow('by the PIN alone', 'message_invalid', byPin),
  rotateRow('the new sig is proved by another key', 'message_invalid', (payload) => [
    byNewSig(payload, keys.stranger),
    proofOf(payload),
  ]),
  rotateRow('the new sig under another name', 'message_invalid', (payload) => [
    byNewSig(payload, keys.newSig, { kid: keys.newSig.kid }),
    proofOf(payload),
  ]),
  rotateRow('the proof of the new sig brings a key', 'message_invalid', (payload) => [
    byNewSig(payload, keys.newSig, { jwk: keys.newSig.jwk }),
    proofOf(payload),
  ]),
  rotateRow('one key for both', 'key_reused', rotateProofs, { keys: { ...newKeys, enc: newKeys.sig } }),
  rotateRow('the old enc', 'key_reused', rotateProofs, { keys: { ...newKeys, enc: keys.enc.jwk } }),
  rotateRow(
    'the old sig',
    'key_reused',
    (payload) => [proofOf(payload, { key: keys.sig, header: { kid: thumbprint(keys.sig) } }), proofOf(payload)],
    { keys: { ...newKeys, sig: keys.sig.jwk } },
  ),
  rotateRow('enc with a private half', 'message_invalid', rotateProofs, {
    keys: { ...newKeys, enc: keys.newEnc.privateJwk },
  }),
  rotateRow('enc not on the curve', 'message_invalid', rotateProofs, {
    keys: { ...newKeys, enc: { ...keys.newEnc.jwk, y: keys.newEnc.jwk.x } },
  }),
  rotateRow('no enc', 'message_invalid', rotateProofs, { keys: { sig: newKeys.sig } }),

  row('tickets: with the PIN', 'accepted', upProved('tickets', {}, byPin), 'tickets'),
  row(
    'tickets: without it',
    'proof_required',
    upProved('tickets', {}, () => []),
    'tickets',
  ),
  row(
    'tickets: a time that is a text',
    'message_invalid',
    upProved('tickets', { ttl_seconds: '300' }, byPin),
    'tickets',
  ),

  row(
    'status: by a sig that waits',
    'accepted',
    up({ jws: signedRequest({ act: 'status' }, {}, keys.newSig.privateKey) }),
    'status',
  ),
  row(
    'inbox: by a sig that waits',
    'device_refused',
    up({ jws: signedRequest({}, {}, keys.newSig.privateKey) }),
    'inbox',
  ),
];
