import { randomBytes } from 'node:crypto';
import { findMatchCode, isMatch, makeMatch, matchTries } from '../../src/domain/match.ts';
import type { MatchMode } from '../../src/domain/operation.ts';
import { createSecrets } from '../../src/support/secrets.ts';
import { anOperation, aUser } from '../support/records.ts';

const secrets = createSecrets(randomBytes(32));
const operation = anOperation(aUser());

const made = (mode: MatchMode, id = operation.id) => {
  const result = makeMatch(mode, id, { secrets });
  if (!result) throw new Error('no number was made');
  return { ...result, operation: { ...operation, id, match: result.match } };
};

describe('number matching', () => {
  test('without it there is no number, and none fits', () => {
    expect(makeMatch('none', operation.id, { secrets })).toBeUndefined();
    expect(isMatch(secrets, operation, '')).toBe(false);
  });

  test('choose offers three different two-digit numbers, one of them right, and forgets which', () => {
    for (let i = 0; i < 200; i++) {
      const { code, match } = made('choose');
      expect(new Set(match.options).size).toBe(3);
      expect(match.options).toContain(code);
      for (const option of match.options ?? []) expect(option).toMatch(/^\d\d$/);
    }
  });

  test('the right number stands at every place about equally often', () => {
    const places = Array.from({ length: 900 }, () => {
      const { code, match } = made('choose');
      return match.options?.indexOf(code) ?? -1;
    });
    for (const place of [0, 1, 2]) expect(places.filter((each) => each === place).length).toBeGreaterThan(200);
  });

  test.each([
    ['type2', /^\d{2}$/],
    ['type6', /^\d{6}$/],
  ] as const)('%s shows the device no options', (mode, form) => {
    const { code, match } = made(mode);
    expect(code).toMatch(form);
    expect(match.options).toBeUndefined();
  });

  test('what is stored does not hold the typed number', () => {
    const { code, match } = made('type6');
    expect(JSON.stringify(match)).not.toContain(code);
  });

  test('the right number fits, every other one does not', () => {
    const { code, operation: asked } = made('type2');
    const all = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0'));
    expect(all.filter((each) => isMatch(secrets, asked, each))).toEqual([code]);
    for (const spelling of [` ${code}`, `${code}0`, String(Number(code) + 100), '', `0${code}`]) {
      expect(isMatch(secrets, asked, spelling)).toBe(false);
    }
  });

  test('a number fits its own operation only', () => {
    const first = made('type6');
    const second = { ...operation, id: anOperation(aUser()).id, match: first.match };
    expect(isMatch(secrets, first.operation, first.code)).toBe(true);
    expect(isMatch(secrets, second, first.code)).toBe(false);
  });

  test('tries are one where a guess is likely, three where it is not', () => {
    expect(matchTries).toEqual({ choose: 1, type2: 1, type6: 3 });
  });

  test.each(['choose', 'type2', 'type6'] as const)('the simulator finds a number of %s by trying all', (mode) => {
    // a small one, so that a million HMACs need not be made
    const random = (size: number) => Buffer.alloc(size, 0);
    const { code, match } = mode === 'choose' ? made(mode) : makeMatch(mode, operation.id, { secrets, random })!;
    expect(findMatchCode(secrets, { ...operation, match })).toBe(code);
  });
});
