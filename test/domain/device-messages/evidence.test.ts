import * as jose from 'jose';
import {
  buildChallenge,
  buildContext,
  challengeHash,
  contextHash,
  type EvaluatedProof,
  type EvidenceOf,
  sealJwks,
  serverKeyPair,
  signChallenge,
  signEvidence,
} from '../../../src/domain/device-messages/index.ts';
import { newEcKey, privateJwkOf, publicJwkOf, signJws } from '../../../src/support/jose/index.ts';
import { createSecrets } from '../../../src/support/secrets.ts';

const newSeal = (kid: string) => serverKeyPair({ kid, privateJwk: { ...privateJwkOf(newEcKey()) } });
const [seal, successor] = [newSeal('seal-1'), newSeal('seal-2')];
const sig = newEcKey();
const now = 1_893_456_100_000;
const issuer = 'https://id.example.test';

const ctx = buildContext({
  op: 'op-1',
  kind: 'authorization',
  client: { id: 'demo', name: 'Demo Bank' },
  purpose: 'payment',
  bindingMessage: 'Pay 12,50 € to Bob',
});
const challenge = buildChallenge(createSecrets(Buffer.alloc(32)), {
  issuer,
  deviceId: 'device-1',
  op: 'op-1',
  createdAt: now - 60_000,
  answerBy: now + 200_000,
  ctx,
  methods: ['pin'],
});
const answer = {
  iss: 'device-1',
  aud: issuer,
  iat: 1893456099,
  jti: 'AAAAAAAAAAAAAAAAAAAAAA',
  act: 'decide',
  op: 'op-1',
  challenge_sha256: challengeHash(challenge),
  ctx_hash: contextHash(ctx),
  decision: 'approve',
  method: 'pin',
};
const decision = signJws(
  sig,
  { typ: 'assent-request+jwt', kid: 'device-1', proofs_sha256: ['hash'] },
  JSON.stringify(answer),
);
const proofs: EvaluatedProof[] = [
  { method: 'pin', verified: true, proof: 'the-pin-proof' },
  { method: 'biometric', verified: true, proof: 'the-uv-proof' },
  { method: undefined, verified: false, proof: 'somebody-else' },
];
const evidence: EvidenceOf = {
  issuer,
  now,
  op: 'op-1',
  sub: 'alice',
  clientId: 'demo',
  acr: 'urn:assent:acr:two-factor',
  amr: ['swk', 'pin', 'mfa'],
  device: { id: 'device-1', sig: publicJwkOf(sig), enrolledAt: now - 86_400_000 },
  challenge: signChallenge(seal, challenge),
  decision,
  proofs,
};

type Claims = Record<string, unknown>;
const parse = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as Claims;

/** What an auditor does: `jose`, the published keys, nothing of this project. */
async function audit(token: string, jwks: object): Promise<{ claims: Claims; shown: Claims; decided: Claims }> {
  const published = jose.createLocalJWKSet(jwks as jose.JSONWebKeySet);
  const outer = await jose.compactVerify(token, published, { algorithms: ['ES256'] });
  expect(outer.protectedHeader.typ).toBe('assent-evidence+jwt');
  const claims = parse(outer.payload);
  const { cnf } = claims.device as { cnf: { jwk: jose.JWK } };
  const decided = await jose.compactVerify(claims.decision as string, await jose.importJWK(cnf.jwk, 'ES256'), {
    algorithms: ['ES256'],
  });
  const shown = await jose.compactVerify(claims.challenge as string, published, { algorithms: ['ES256'] });
  const sha256 = async (bytes: Uint8Array) =>
    jose.base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))));
  const answered = parse(decided.payload);
  const presented = parse(shown.payload);
  expect(answered.challenge_sha256).toBe(await sha256(shown.payload));
  expect(answered.ctx_hash).toBe(await sha256(new TextEncoder().encode(presented.ctx as string)));
  return { claims, decided: answered, shown: JSON.parse(presented.ctx as string) as Claims };
}

test('B03 a third party verifies with jose and the published keys only what was shown, by whom it was signed, and how', async () => {
  const { claims, shown, decided } = await audit(
    signEvidence(seal, evidence),
    sealJwks([{ ...seal.jwk, kid: seal.kid }]),
  );
  expect(shown).toMatchObject({ client: { name: 'Demo Bank' }, binding_message: 'Pay 12,50 € to Bob' });
  expect(decided).toMatchObject({ decision: 'approve', method: 'pin' });
  expect(claims).toMatchObject({
    iss: issuer,
    iat: 1893456100,
    op: 'op-1',
    sub: 'alice',
    client_id: 'demo',
    amr: ['swk', 'pin', 'mfa'],
    context: 'included',
  });
});

test('B03 evidence still verifies after the key that signed it was rotated, with the set that lists retired keys', async () => {
  const jwks = sealJwks([successor, seal].map(({ jwk, kid }) => ({ ...jwk, kid })));
  await expect(audit(signEvidence(seal, evidence), jwks)).resolves.toBeDefined();
  await expect(
    audit(signEvidence(seal, evidence), sealJwks([{ ...successor.jwk, kid: successor.kid }])),
  ).rejects.toThrow();
});

test('B03 evidence with any one byte changed verifies no more', async () => {
  const jwks = sealJwks([{ ...seal.jwk, kid: seal.kid }]);
  const token = signEvidence(seal, evidence);
  const published = jose.createLocalJWKSet(jwks as jose.JSONWebKeySet);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (let at = 0; at < token.length; at += 1) {
    // the highest bit of each character: the lowest ones of a part's last character stand for no byte
    const changed = token.slice(0, at) + (alphabet[alphabet.indexOf(token[at]!) ^ 32] ?? 'A') + token.slice(at + 1);
    const outcome = await jose.compactVerify(changed, published).then(
      () => 'verified',
      () => 'refused',
    );
    expect(outcome).toBe('refused');
  }
});

test('no proof of a PIN is in it, nor one that verified with no key of the device', () => {
  const { proofs: kept } = jose.decodeJwt(signEvidence(seal, evidence)) as unknown as { proofs: string[] };
  expect(kept).toEqual(['the-uv-proof']);
});

test('it cannot pass for an ID token: no audience, no expiry, no nonce, a typ of its own', () => {
  const token = signEvidence(seal, evidence);
  expect(Object.keys(jose.decodeJwt(token))).toEqual(
    expect.not.arrayContaining(['aud', 'exp', 'nonce', 'azp', 'at_hash']),
  );
  expect(jose.decodeProtectedHeader(token)).toEqual({ alg: 'ES256', typ: 'assent-evidence+jwt', kid: 'seal-1' });
});

test('where only hashes are kept, the text is not in it', () => {
  const { challenge: _, ...withoutText } = evidence;
  const token = signEvidence(seal, withoutText);
  expect(jose.decodeJwt(token)).toMatchObject({ context: 'hash_only' });
  expect(Buffer.from(token.split('.')[1]!, 'base64url').toString()).not.toContain('12,50');
});

test('sealed keys are published without their private halves', () => {
  const { keys } = sealJwks([{ ...seal.jwk, kid: seal.kid, ...({ d: 'secret' } as object) }]);
  expect(keys).toEqual([{ ...seal.jwk, kid: 'seal-1', use: 'sig', alg: 'ES256' }]);
});
