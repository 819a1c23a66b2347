import { newActivationCode, parseActivationCode } from '../../src/domain/activation-code.ts';

const code = newActivationCode();
const text = code.replaceAll('-', '');
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

describe('activation codes', () => {
  test('a code is eight characters of Base32 and a checksum, grouped to be read aloud', () => {
    expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]$/);
    expect(parseActivationCode(code)).toBe(text);
  });

  test('all forty random bits are in it', () => {
    const none = newActivationCode((size) => Buffer.alloc(size, 0));
    const all = newActivationCode((size) => Buffer.alloc(size, 255));
    expect(none).toBe('0000-0000-0');
    expect(all.slice(0, 9)).toBe('ZZZZ-ZZZZ');
    expect(new Set(Array.from({ length: 500 }, () => newActivationCode())).size).toBe(500);
  });

  test('case, blanks, dashes and look-alikes do not matter', () => {
    const typed = newActivationCode(() => Buffer.from([0x00, 0x44, 0x32, 0x14, 0xc7]));
    const asTyped = ` ${typed.toLowerCase().replaceAll('0', 'o').replaceAll('1', 'l').replaceAll('-', ' ')} `;
    expect(parseActivationCode(asTyped)).toBe(typed.replaceAll('-', ''));
  });

  test('every single wrong character is found', () => {
    for (let place = 0; place < text.length; place++) {
      const wrong = [...alphabet].filter((character) => character !== text[place]);
      const typed = wrong.map((character) => text.slice(0, place) + character + text.slice(place + 1));
      expect(typed.filter((each) => parseActivationCode(each) !== undefined)).toEqual([]);
    }
  });

  test('every two characters that changed places are found', () => {
    const distinct = newActivationCode(() => Buffer.from([0x01, 0x23, 0x45, 0x67, 0x89])).replaceAll('-', '');
    for (let a = 0; a < distinct.length; a++) {
      for (let b = a + 1; b < distinct.length; b++) {
        if (distinct[a] === distinct[b]) continue;
        const characters = [...distinct];
        [characters[a], characters[b]] = [characters[b]!, characters[a]!];
        expect(parseActivationCode(characters.join(''))).toBeUndefined();
      }
    }
  });

  test.each(['', 'ABCD', `${text}0`, 'UUUU-UUUU-U', '😀'.repeat(9), 'x'.repeat(100_000)])('%j is no code', (typed) => {
    expect(parseActivationCode(typed)).toBeUndefined();
  });
});
