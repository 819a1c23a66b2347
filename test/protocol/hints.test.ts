import { parseLoginHint as parse, readSubjectIdentifier } from '../../src/protocol/hints.ts';

const issuer = 'https://login.example';
const parseLoginHint = (hint: string) => parse(hint, issuer);

test('a login hint says by its form what it is', () => {
  expect(parseLoginHint('Alice')).toEqual({ kind: 'username', value: 'alice' });
  expect(parseLoginHint('alice@Example.test')).toEqual({ kind: 'email', value: 'alice@example.test' });
  expect(parseLoginHint('+31 6 12345678')).toEqual({ kind: 'phone', value: '+31612345678' });
  expect(parseLoginHint('tel:+31612345678')).toEqual({ kind: 'phone', value: '+31612345678' });
  expect(parseLoginHint('EMAIL:a@b.test')).toEqual({ kind: 'email', value: 'a@b.test' });
  expect(parseLoginHint('sub:00abc')).toEqual({ kind: 'sub', value: '00abc' });
  expect(parseLoginHint('device:00abc')).toEqual({ kind: 'device', value: '00abc' });
});

test('what names nobody is not guessed at', () => {
  for (const hint of [
    '',
    ' ',
    '-alice',
    'sub:',
    'device:',
    'constructor:x',
    '__proto__:x',
    'https://alice',
    '{"format":"did","url":"did:example:1"}',
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

test('a subject identifier of RFC 9493 names somebody in its own way', () => {
  const read = (identifier: object) => parseLoginHint(JSON.stringify(identifier));
  expect(read({ format: 'email', email: 'a@b.test' })).toEqual({ kind: 'email', value: 'a@b.test' });
  expect(read({ format: 'phone_number', phone_number: '+316' })).toEqual({ kind: 'phone', value: '+316' });
  expect(read({ format: 'opaque', id: 'crm-1' })).toEqual({ kind: 'external_ref', value: 'crm-1' });
  expect(read({ format: 'iss_sub', iss: issuer, sub: 's' })).toEqual({ kind: 'sub', value: 's' });
  expect(read({ format: 'iss_sub', iss: `${issuer}/`, sub: 's' })).toEqual({ kind: 'sub', value: 's' });
  expect(read({ format: 'iss_sub', iss: 'https://other.example', sub: 's' })).toBeUndefined();
  expect(read({ format: 'account', uri: 'acct:alice@login.example' })).toEqual({ kind: 'username', value: 'alice' });
  expect(read({ format: 'account', uri: 'acct:alice@other.example' })).toBeUndefined();
});

test('what is no subject identifier, or several at once, is refused', () => {
  for (const identifier of [
    undefined,
    null,
    'alice',
    [],
    {},
    { format: 'email' },
    { format: 'email', email: 7 },
    { format: 'email', email: '' },
    { format: 'iss_sub', iss: issuer },
    { format: 'account', uri: 'alice' },
    { format: 'moon', id: 'x' },
    { format: 'aliases', identifiers: [{ format: 'email', email: 'a@b.test' }] },
  ]) {
    const reading = () => readSubjectIdentifier(identifier, issuer);
    expect(reading).toThrow(expect.objectContaining({ error: 'invalid_request' }));
  }
  for (const hint of ['{', '{}x', '{"format":"email","format":"opaque","email":"a@b.test","id":"x"}']) {
    expect(() => parseLoginHint(hint)).toThrow(expect.objectContaining({ error: 'invalid_request' }));
  }
});
