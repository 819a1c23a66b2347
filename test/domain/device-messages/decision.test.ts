import {
  checkFits,
  elementsOf,
  evaluateApproval,
  type ProofKey,
  readDecision,
  type VerifiedRequest,
} from '../../../src/domain/device-messages/index.ts';
import type { DomainError } from '../../../src/domain/errors.ts';
import { sha256Base64url } from '../../../src/support/bytes.ts';
import { newEcKey, publicJwkOf, signJws } from '../../../src/support/jose/index.ts';

const pin = newEcKey();
const uv = newEcKey();
const stranger = newEcKey();
const keys: ProofKey[] = [
  { kid: 'pin-1', method: 'pin', jwk: publicJwkOf(pin) },
  { kid: 'uv-1', method: 'biometric', jwk: publicJwkOf(uv) },
];
const hash = sha256Base64url('x');
const approval = { op: 'op-1', challenge_sha256: hash, ctx_hash: hash, decision: 'approve', method: 'pin' };

/** Proofs over the payload, each as [signing key, kid it names]. */
function request(payload: object, proofs: [ReturnType<typeof newEcKey>, string][] = []): VerifiedRequest<unknown> {
  const payloadBytes = Buffer.from(JSON.stringify(payload));
  const payloadHash = sha256Base64url(payloadBytes);
  const body = JSON.stringify({ payload_sha256: payloadHash, salt: Buffer.alloc(32).toString('base64url') });
  const made = proofs.map(([key, kid]) => signJws(key, { typ: 'assent-proof+jwt', kid }, body));
  const signed = { jws: 'jws', jwsHash: 'hash', payloadHash, payloadBytes, proofs: made };
  return {
    device: {},
    deviceId: 'd',
    act: 'decide',
    jti: 'j',
    iat: 0,
    ctr: undefined,
    payload: payload as Record<string, unknown>,
    signed,
  };
}

const decision = (changes: object = {}, proofs: [ReturnType<typeof newEcKey>, string][] = [[pin, 'pin-1']]) =>
  readDecision(request({ ...approval, ...changes }, proofs));
const codeOf = (run: () => unknown) => {
  try {
    run();
    return 'fine';
  } catch (error) {
    return (error as DomainError).code;
  }
};

describe('reading', () => {
  test.each<[string, object]>([
    ['no op', { op: undefined }],
    ['no hash of the challenge', { challenge_sha256: undefined }],
    ['a hash that is none', { ctx_hash: 'abc' }],
    ['another word than approve or deny', { decision: 'maybe' }],
    ['a reason that is not one', { decision: 'deny', reason: 'bored' }],
    ['no method', { method: undefined }],
    ['a number that is a number', { match: 42 }],
    ['a number longer than any', { match: '1'.repeat(17) }],
  ])('%s is no decision', (_, changes) => {
    expect(codeOf(() => decision(changes))).toBe('message_invalid');
  });

  test('an approval by a method other than possession has a proof, one by possession has none, before any try is spent', () => {
    expect(codeOf(() => decision({}, []))).toBe('message_invalid');
    expect(codeOf(() => decision({ method: 'device' }))).toBe('message_invalid');
    expect(codeOf(() => decision({ method: 'device' }, []))).toBe('fine');
  });

  test('a decision under a session is none', () => {
    expect(codeOf(() => readDecision({ ...request(approval), signed: undefined }))).toBe('message_invalid');
  });
});

describe('an answer that does not belong to this challenge', () => {
  const expected = { challengeHash: hash, contextHash: hash, methods: ['pin' as const] };
  const other = sha256Base64url('y');

  test.each([
    ['answers what was shown', {}, 'fine'],
    ['for another challenge', { challenge_sha256: other }, 'challenge_stale'],
    ['for another text', { ctx_hash: other }, 'challenge_stale'],
    ['by a method that is not asked for', { method: 'biometric' }, 'challenge_stale'],
    ['a denial, which any method may give', { decision: 'deny', method: 'device' }, 'fine'],
    ['a denial of another challenge', { decision: 'deny', challenge_sha256: other }, 'challenge_stale'],
  ])('%s: %s', (_, changes, code) => {
    expect(codeOf(() => checkFits(decision(changes), expected))).toBe(code);
  });
});

describe('evaluating an approval', () => {
  test('the right PIN passes and proves `pin`', () => {
    expect(evaluateApproval(decision(), { keys })).toMatchObject({ passed: true, proved: ['pin'], numberFits: true });
  });

  test.each<[string, [ReturnType<typeof newEcKey>, string][]]>([
    ['a wrong PIN', [[stranger, 'pin-1']]],
    ['a key that this device does not have', [[stranger, 'pin-2']]],
    [
      'a right PIN beside a wrong proof',
      [
        [pin, 'pin-1'],
        [stranger, 'uv-1'],
      ],
    ],
    [
      'the same key twice',
      [
        [pin, 'pin-1'],
        [pin, 'pin-1'],
      ],
    ],
    ['another method than the one it names', [[uv, 'uv-1']]],
  ])('%s does not pass', (_, proofs) => {
    expect(evaluateApproval(decision({}, proofs), { keys }).passed).toBe(false);
  });

  test('F047 the level comes from the proofs that verified, never from the method that is named', () => {
    const claimed = decision({ method: 'biometric' }, [[pin, 'pin-1']]);
    expect(evaluateApproval(claimed, { keys })).toMatchObject({ passed: false, proved: ['pin'] });
  });

  test('number and PIN are both evaluated, whichever is wrong', () => {
    const asked: string[] = [];
    const numberFits = (match: string) => asked.push(match) > 0 && match === '42';
    const verdicts = [
      evaluateApproval(decision({ match: '42' }), { keys, numberFits }),
      evaluateApproval(decision({ match: '17' }), { keys, numberFits }),
      evaluateApproval(decision({ match: '42' }, [[stranger, 'pin-1']]), { keys, numberFits }),
      evaluateApproval(decision(), { keys, numberFits }),
    ];
    expect(verdicts.map(({ passed }) => passed)).toEqual([true, false, false, false]);
    expect(asked).toEqual(['42', '17', '42', '']);
  });
});

describe('the counters to reserve are known before anything is verified', () => {
  test.each<[string, object, [ReturnType<typeof newEcKey>, string][], boolean, string[]]>([
    ['a PIN', {}, [[pin, 'pin-1']], false, ['pin']],
    ['a wrong PIN', {}, [[stranger, 'pin-1']], false, ['pin']],
    ['a PIN and a number', {}, [[pin, 'pin-1']], true, ['pin', 'number']],
    ['possession and a number', { method: 'device' }, [], true, ['number']],
    ['possession alone', { method: 'device' }, [], false, []],
    ['a fingerprint', { method: 'biometric' }, [[uv, 'uv-1']], false, []],
    [
      'a PIN tried in the shadow of a fingerprint',
      { method: 'biometric' },
      [
        [uv, 'uv-1'],
        [stranger, 'pin-1'],
      ],
      false,
      ['pin'],
    ],
  ])('%s', (_, changes, proofs, asksNumber, expected) => {
    expect(elementsOf(decision(changes, proofs), { keys, asksNumber })).toEqual(expected);
  });
});
