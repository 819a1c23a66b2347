import { checkBindingMessage } from '../../src/domain/binding-message.ts';
import { acceptedBindingMessages } from '../support/binding-messages.ts';

const isRefused = (text: string) => {
  try {
    checkBindingMessage(text);
    return false;
  } catch (error) {
    return (error as { code: string }).code === 'binding_message_invalid';
  }
};

/** Every code point of the named general categories. */
function codePoints(categories: RegExp): string[] {
  const all = Array.from({ length: 0x110000 }, (_, i) => i).filter((point) => point < 0xd800 || point > 0xdfff);
  return all.map((point) => String.fromCodePoint(point)).filter((character) => categories.test(character));
}

const controls = codePoints(/[\p{Cc}\p{Cf}]/u);
const bidi = [
  '\u202a',
  '\u202b',
  '\u202c',
  '\u202d',
  '\u202e',
  '\u2066',
  '\u2067',
  '\u2068',
  '\u2069',
  '\u200e',
  '\u200f',
  '\u061c',
];

/** TH-03's table: whatever can hide, reorder or break what the person reads, at several places of a harmless text. */
const hostile: string[] = [
  ...controls.flatMap((c) => [
    c,
    `${c}Pay 5`,
    `Pay 5${c}`,
    `Pay${c}5`,
    `Zahlung ✅ ${c}${c}`,
    `支払い${c}5`,
    `${c} ${c}`,
    `a${c}b${c}c`,
  ]),
  ...bidi.flatMap((open) => bidi.map((close) => `Pay ${open}txt.exe${close} now`)),
  '👩\u200d👩\u200d👧',
  'Pay 5\r\nPay 5000',
  'line\u2028separator',
  'paragraph\u2029separator',
  '\ud83d',
  'half \udc00 pair',
  'private \ue000 use',
  'private \u{f0000} plane',
  'tag \u{e0041}',
  '\ufeffbyte order mark',
  'null\0byte',
  'x'.repeat(100 * 1024),
  '\u202e'.repeat(100 * 1024),
  '😀'.repeat(50 * 1024),
  'x'.repeat(161),
  '😀'.repeat(161),
  '',
  // nothing to see
  ' ',
  '\u00a0\u2003 ',
  '\u3164\u115f\u1160\uffa0',
  '\u2800',
];

describe('binding messages', () => {
  test('TH-03 R-14 two thousand hostile texts are refused: every Cc and Cf character, bidi pairs, broken pairs, 100 kB', () => {
    expect(controls.length).toBeGreaterThan(200);
    expect(hostile.length).toBeGreaterThanOrEqual(2000);
    expect(hostile.filter((text) => !isRefused(text))).toEqual([]);
  });

  test.each(acceptedBindingMessages)('%j is accepted and given back as it came', (text) => {
    expect(checkBindingMessage(text)).toBe(text);
  });

  test('length counts code points and bytes, not UTF-16 units', () => {
    expect(isRefused('x'.repeat(160))).toBe(false);
    expect(isRefused('😀'.repeat(160))).toBe(false); // 160 code points, 640 bytes
    expect(isRefused(`${'😀'.repeat(159)}xx`)).toBe(true);
    expect(() => checkBindingMessage('é'.repeat(100), { maxCodePoints: 300, maxBytes: 199 })).toThrow();
  });

  test('limits come from the configuration', () => {
    const text = 'x'.repeat(300);
    expect(checkBindingMessage(text, { maxCodePoints: 300, maxBytes: 1200 })).toBe(text);
    expect(isRefused(text)).toBe(true);
  });
});
