import { type AttestationVerifier, attested, isHardwareBound, type Verdict } from '../../src/domain/attestation.ts';
import { jwkThumbprint, newEcKey, publicJwkOf } from '../../src/support/jose/index.ts';
import { createClock } from '../support/clock.ts';
import { createTimers } from '../support/timers.ts';
import { codeOf } from './scene.ts';

const jwk = publicJwkOf(newEcKey());
const statement = { kind: 'test-platform', blob: 'x', challenge: 'AAAA', jwk };
const clock = createClock();
const timers = createTimers(clock);
const by = (verifier?: AttestationVerifier) => ({ timers, ...(verifier && { verifier }) });
const saying = (verdict: unknown) => by(() => verdict as Verdict);

test('of what a verifier says, only what is understood is kept', async () => {
  const detail = 'd'.repeat(300);
  expect(await attested(saying({ verdict: 'trusted', level: 'hardware', detail }), 'record', statement)).toEqual({
    kind: 'test-platform',
    verdict: 'trusted',
    level: 'hardware',
    detail: 'd'.repeat(200),
  });
  const odd = { verdict: 'certainly', level: 'diamond', detail: 7, more: true };
  expect(await attested(saying(odd), 'record', statement)).toEqual({ kind: 'test-platform', verdict: 'untrusted' });
});

test('a verifier that is late or fails has said nothing: kept as that, or refused for now', async () => {
  const late = by(() => new Promise(() => {}));
  const failing = by(() => {
    throw new Error('away');
  });
  const unverified = { kind: 'test-platform', verdict: 'unverified' };
  for (const [policy, expected] of [
    ['record', unverified],
    ['require', 'unavailable'],
  ] as const) {
    const outcomes = [attested(late, policy, statement), attested(failing, policy, statement)].map((each) =>
      policy === 'record' ? each : codeOf(each),
    );
    timers.advance(4);
    expect(await Promise.all(outcomes)).toEqual([expected, expected]);
  }
});

test('nothing is asked where the application does not want it, and nothing kept where nothing came', async () => {
  const asked: unknown[] = [];
  const verifier = by((given) => {
    asked.push(given);
    return { verdict: 'trusted' };
  });
  expect(await attested(verifier, 'off', statement)).toBeUndefined();
  expect(await attested(verifier, 'record', undefined)).toBeUndefined();
  expect(asked).toEqual([]);
  expect(await codeOf(attested(verifier, 'require', undefined))).toBe('attestation_refused');
});

test('hardware is only what was found for the key that is in use: not after a rotation, not in software', () => {
  const attestation = { kind: 'k', verdict: 'trusted', level: 'hardware', jkt: jwkThumbprint(jwk), at: 0 } as const;
  expect(isHardwareBound({ keys: { sig: jwk }, attestation })).toBe(true);
  expect(isHardwareBound({ keys: { sig: publicJwkOf(newEcKey()) }, attestation })).toBe(false);
  expect(isHardwareBound({ keys: { sig: jwk }, attestation: { ...attestation, level: 'software' } })).toBe(false);
  expect(isHardwareBound({ keys: { sig: jwk }, attestation: { ...attestation, verdict: 'untrusted' } })).toBe(false);
  expect(isHardwareBound({ keys: { sig: jwk } })).toBe(false);
});
