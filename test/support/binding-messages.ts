/** TH-03: texts that are accepted, and must arrive wherever they are shown as the bytes that came. */
import { unshowable } from '../../src/domain/binding-message.ts';

const plain = [
  '1234',
  'W4SCT',
  'Transfer 1 250,00 EUR to Jörg & Söhne?',
  'تأكيد الدفع رقم ٤٢',
  'אישור תשלום 42',
  'Pay אישור 42 EUR to משה, twice',
  '支払いを確認してください',
  'จ่าย ๕๐๐ บาท ให้ร้านดอกไม้',
  'दुकान को ५०० रुपये',
  'Bezahlen 😀✅🇳🇱',
  'family 👍🏽 and heart ❤️',
  '<script>alert(1)</script>',
  '&lt;b&gt; &amp; &#x3c; <img src=x onerror=alert(1)>',
  '%0d%0aSet-Cookie: a=b',
  '+ is %2B, & is %26',
  "Robert'); DROP TABLE users;--",
  'quote " backslash \\ and \\u202e in letters',
  '\u0024{jndi:ldap://x} {{7*7}} <%= it %>',
];

const spaces = [
  '   spaces at both ends   ',
  'two  three   spaces',
  'non breaking\u00a0space',
  '\u2003em\u2003and\u3000ideographic\u3000',
];

const marks = [
  'decomposed e\u0301 stays decomposed',
  'composed \u00e9 stays composed',
  'both orders a\u0323\u0307 a\u0307\u0323',
  '한국 \u1112\u1161\u11ab',
  '\u0301 begins with a mark',
  `z${'\u0336\u0301\u0489'.repeat(50)}`,
  'ﬁ Ⅳ ﷺ ㎏ keep their compatibility',
];

const longest = ['x'.repeat(160), 'é'.repeat(160), '花'.repeat(160), '😀'.repeat(160)];

/** Every 997th code point that may be shown at all, a hundred and sixty in a text: each script and block has its turn. */
function walk(): string[] {
  const points = Array.from({ length: Math.ceil(0x110000 / 997) }, (_, i) => 0x20 + i * 997)
    .filter((point) => point < 0x110000 && (point < 0xd800 || point > 0xdfff))
    .map((point) => String.fromCodePoint(point))
    .filter((character) => !unshowable.test(character));
  return Array.from({ length: Math.ceil(points.length / 160) }, (_, i) =>
    points.slice(i * 160, (i + 1) * 160).join(''),
  );
}

export const acceptedBindingMessages: readonly string[] = [...plain, ...spaces, ...marks, ...longest, ...walk()];
