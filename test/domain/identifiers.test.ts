import { randomBytes } from 'node:crypto';
import { identifierHmac, normaliseIdentifier, readIdentifier } from '../../src/domain/identifiers.ts';
import type { IdentifierKind } from '../../src/domain/user.ts';
import { createSecrets } from '../../src/support/secrets.ts';

describe('identifiers', () => {
  test.each<[IdentifierKind, string, string]>([
    ['username', 'Alice', 'alice'],
    ['username', 'a.b_c-9', 'a.b_c-9'],
    ['email', 'Alice@Example.TEST', 'alice@example.test'],
    ['email', 'first.last+tag@mail.example.co', 'first.last+tag@mail.example.co'],
    ['phone', '+31 6 1234 5678', '+31612345678'],
    ['phone', '+1 (555) 010-9999', '+15550109999'],
    ['external_ref', 'CRM/1042 b', 'CRM/1042 b'],
    ['external_ref', 'e\u0301', '\u00e9'],
  ])('%s %j is kept as %j', (kind, text, kept) => {
    expect(normaliseIdentifier(kind, text)).toBe(kept);
    expect(normaliseIdentifier(kind, kept)).toBe(kept);
  });

  test.each<[IdentifierKind, string]>([
    ['username', ''],
    ['username', '-alice'],
    ['username', 'al ice'],
    ['username', 'alice@example.test'],
    ['username', 'sub:alice'],
    ['username', 'x'.repeat(65)],
    ['username', 'аlice'], // a Cyrillic letter
    ['email', 'alice'],
    ['email', 'alice@'],
    ['email', '@example.test'],
    ['email', 'a b@example.test'],
    ['email', 'alice@example..test'],
    ['email', 'alice@exa\u202emple.test'],
    ['email', `${'x'.repeat(65)}@example.test`],
    ['phone', '0612345678'],
    ['phone', '+31'],
    ['phone', 'call me on +31612345678'],
    ['phone', '+31612345678 ext 9'],
    ['phone', '+999123456789'],
    ['external_ref', ''],
    ['external_ref', ' padded '],
    ['external_ref', 'line\nbreak'],
    ['external_ref', 'x'.repeat(257)],
    ['external_ref', 'x'.repeat(1_000_000)],
  ])('%s %j is refused', (kind, text) => {
    expect(normaliseIdentifier(kind, text)).toBeUndefined();
  });

  test('what a person types says by its form which kind it is', () => {
    expect(readIdentifier(' Alice ')).toEqual({ kind: 'username', value: 'alice' });
    expect(readIdentifier('alice@example.test')).toEqual({ kind: 'email', value: 'alice@example.test' });
    expect(readIdentifier('+31 612345678')).toEqual({ kind: 'phone', value: '+31612345678' });
    expect(readIdentifier('{"format":"opaque"}')).toBeUndefined();
  });

  test('the store gets neither the text nor anything that tells two kinds of the same text apart by equality', () => {
    const secrets = createSecrets(randomBytes(32));
    const asName = identifierHmac(secrets, { kind: 'username', value: 'alice' });
    expect(asName).not.toContain('alice');
    expect(asName).toBe(identifierHmac(secrets, { kind: 'username', value: 'alice' }));
    expect(asName).not.toBe(identifierHmac(secrets, { kind: 'external_ref', value: 'alice' }));
    expect(asName).not.toBe(identifierHmac(createSecrets(randomBytes(32)), { kind: 'username', value: 'alice' }));
  });
});
