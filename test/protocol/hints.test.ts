import { parseLoginHint } from '../../src/protocol/hints.ts';

test('a login hint says by its form what it is', () => {
  expect(parseLoginHint('Alice')).toEqual({ kind: 'username', value: 'alice' });
  expect(parseLoginHint('alice@Example.test')).toEqual({ kind: 'email', value: 'alice@example.test' });
  expect(parseLoginHint('+31 6 12345678')).toEqual({ kind: 'phone', value: '+31612345678' });
  expect(parseLoginHint('tel:+31612345678')).toEqual({ kind: 'phone', value: '+31612345678' });
  expect(parseLoginHint('EMAIL:a@b.test')).toEqual({ kind: 'email', value: 'a@b.test' });
  expect(parseLoginHint('sub:00abc')).toEqual({ kind: 'id', value: '00abc' });
});

test('what names nobody is not guessed at', () => {
  for (const hint of [
    '',
    ' ',
    '-alice',
    'sub:',
    'device:x',
    'https://alice',
    '{"format":"email"}',
    'a b',
    '\u0000',
    '+',
  ]) {
    expect([hint, parseLoginHint(hint)]).toEqual([hint, undefined]);
  }
});

test('an e-mail address is one, even with a colon in it', () => {
  expect(parseLoginHint('"a:b"@example.test')).toEqual({ kind: 'email', value: '"a:b"@example.test' });
});

test('H-10 what is too long is refused before it is read', () => {
  expect(() => parseLoginHint('a'.repeat(321))).toThrow(expect.objectContaining({ error: 'invalid_request' }));
});
