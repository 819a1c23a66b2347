import { acrValues, levelOf } from '../../src/domain/acr.ts';

const names = { possession: 'urn:one', twoFactor: 'urn:two' };

describe('levels (ruling 13)', () => {
  test('a signature alone is possession of a software key', () => {
    expect(levelOf([])).toEqual({ acr: 'urn:assent:acr:possession', amr: ['swk'] });
    expect(levelOf(['device'])).toEqual({ acr: 'urn:assent:acr:possession', amr: ['swk'] });
  });

  test('a PIN beside the signature is two factors', () => {
    expect(levelOf(['pin'])).toEqual({ acr: 'urn:assent:acr:two-factor', amr: ['swk', 'pin', 'mfa'] });
  });

  test("the platform's verification says that it was the user, not by which part of the body", () => {
    expect(levelOf(['biometric']).amr).toEqual(['swk', 'user', 'mfa']);
    expect(levelOf(['face']).amr).toEqual(['swk', 'face', 'mfa']);
  });

  test('several proofs are all named, once each', () => {
    expect(levelOf(['pin', 'biometric', 'pin']).amr).toEqual(['swk', 'pin', 'user', 'mfa']);
  });

  test('an attested hardware key is named as one', () => {
    expect(levelOf(['pin'], names, true)).toEqual({ acr: 'urn:two', amr: ['hwk', 'pin', 'mfa'] });
  });

  test('the names come from the configuration, and those are what is published', () => {
    expect(levelOf([], names).acr).toBe('urn:one');
    expect(acrValues(names)).toEqual(['urn:two', 'urn:one']);
    expect(acrValues({ possession: 'same', twoFactor: 'same' })).toEqual(['same']);
  });
});
