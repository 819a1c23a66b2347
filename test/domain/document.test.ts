import { maxTitle, readDocument } from '../../src/domain/document.ts';
import { DomainError } from '../../src/domain/errors.ts';

const limits = { maxBytes: 1000 };
const aText = { title: 'Terms', mime: 'text/plain', content: 'One.\r\n\tTwo. 😀\n' };
const aFile = { title: 'Terms', mime: 'application/pdf', content: Buffer.from('%PDF-1.7').toString('base64') };
const sha256 = '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU';

const refusal = (value: unknown): unknown => {
  try {
    readDocument(value, limits);
  } catch (error) {
    return error instanceof DomainError && (error.members['invalid_params'] as { name: string }[])[0]?.name;
  }
};

test('a text is taken as it stands, a file from base64 or base64url', () => {
  const { shown, content } = readDocument(aText, limits);
  expect(content?.toString()).toBe(aText.content);
  expect(shown).toMatchObject({ title: 'Terms', mime: 'text/plain', size: content!.length, display: 'text' });
  const bytes = Buffer.from([0xfb, 0xff, 0xfe]);
  for (const text of ['+//+', '-__-']) {
    expect(readDocument({ ...aFile, content: text }, limits)).toMatchObject({ content: bytes, shown: { size: 3 } });
  }
});

test('what only its hash is known of is external, of whatever kind', () => {
  const document = readDocument({ title: 'Deed', mime: 'text/html', content_sha256: sha256 }, limits);
  expect(document).toEqual({ shown: { title: 'Deed', mime: 'text/html', sha256, display: 'external' } });
});

test.each<[string, unknown, string]>([
  ['a text', 'document', 'document'],
  ['a list', [aText], 'document'],
  ['an unknown member', { ...aText, url: 'https://example.test' }, 'document.url'],
  ['no title', { ...aText, title: undefined }, 'document.title'],
  ['a title of spaces', { ...aText, title: '   ' }, 'document.title'],
  ['a title that shows nothing', { ...aText, title: '\u2800\u3164' }, 'document.title'],
  ['a text that shows nothing', { ...aText, content: ' \n\t\u2800' }, 'document.content'],
  ['a title of two lines', { ...aText, title: 'a\nb' }, 'document.title'],
  ['a title that runs backwards', { ...aText, title: 'a\u202eb' }, 'document.title'],
  ['a title that is too long', { ...aText, title: 'a'.repeat(maxTitle + 1) }, 'document.title'],
  ['no type', { ...aText, mime: undefined }, 'document.mime'],
  ['HTML', { ...aText, mime: 'text/html' }, 'document.mime'],
  ['SVG', { ...aFile, mime: 'image/svg+xml' }, 'document.mime'],
  ['a type with parameters', { ...aText, mime: 'text/plain; charset=utf-8' }, 'document.mime'],
  ['a type of an object’s own', { ...aText, mime: 'constructor' }, 'document.mime'],
  ['neither content nor hash', { title: 'a', mime: 'text/plain' }, 'document.content'],
  ['both', { ...aText, content_sha256: sha256 }, 'document.content'],
  ['an empty content', { ...aText, content: '' }, 'document.content'],
  ['a content that is no text', { ...aText, content: 1 }, 'document.content'],
  ['a text that hides something', { ...aText, content: 'a\u200bb' }, 'document.content'],
  ['half a character', { ...aText, content: '\ud83d' }, 'document.content'],
  ['no base64', { ...aFile, content: 'a b' }, 'document.content'],
  ['base64 with a character too many', { ...aFile, content: 'AAAAA' }, 'document.content'],
  ['a content that is too long', { ...aText, content: 'é'.repeat(501) }, 'document.content'],
  ['a hash that is too short', { title: 'a', mime: 'text/plain', content_sha256: 'AAAA' }, 'document.content_sha256'],
  ['a hash in hex', { title: 'a', mime: 'text/plain', content_sha256: 'e3'.repeat(32) }, 'document.content_sha256'],
])('%s is refused, by name', (_name, value, expected) => {
  expect(refusal(value)).toBe(expected);
});
