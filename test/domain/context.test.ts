import { randomBytes } from 'node:crypto';
import { openOperationContext, sealOperationContext } from '../../src/domain/context.ts';
import { contextHash } from '../../src/domain/device-messages/context.ts';
import { createSecrets } from '../../src/support/secrets.ts';
import { anOperation, aUser } from '../support/records.ts';

const secrets = createSecrets(randomBytes(32));
const ctx = '{"v":1,"binding_message":"Zahlung ✅ 5,00 EUR","decomposed":"e\u0301"}';

const withContext = (text = ctx) => {
  const operation = anOperation(aUser());
  return { ...operation, context: sealOperationContext(secrets, operation.id, text) };
};

describe('the context at rest', () => {
  test('it opens to the very bytes that were sealed, and the hash is over them', () => {
    const operation = withContext();
    expect(openOperationContext(secrets, operation)).toBe(ctx);
    expect(operation.context.hash).toBe(contextHash(ctx));
  });

  test('nothing of the text can be read in the record, and equal texts do not look equal', () => {
    const [first, second] = [withContext(), withContext()];
    expect(JSON.stringify(first.context)).not.toContain('Zahlung');
    expect(first.context.sealed).not.toBe(second.context.sealed);
    expect(first.context.wrappedKey).not.toBe(second.context.wrappedKey);
  });

  test('moved to another operation it does not open', () => {
    const [first, second] = [withContext(), withContext()];
    expect(() => openOperationContext(secrets, { id: second.id, context: first.context })).toThrow();
    const swapped = { ...first.context, sealed: second.context.sealed };
    expect(() => openOperationContext(secrets, { id: first.id, context: swapped })).toThrow();
  });

  test('one flipped bit keeps it shut', () => {
    const operation = withContext();
    const bytes = Buffer.from(operation.context.sealed, 'base64url');
    bytes[20]! ^= 1;
    const sealed = bytes.toString('base64url');
    expect(() =>
      openOperationContext(secrets, { id: operation.id, context: { ...operation.context, sealed } }),
    ).toThrow();
  });

  test('without the wrapped key, or under another master key, the text is gone', () => {
    const operation = withContext();
    expect(() => openOperationContext(createSecrets(randomBytes(32)), operation)).toThrow();
    const destroyed = { ...operation.context, wrappedKey: '' };
    expect(() => openOperationContext(secrets, { id: operation.id, context: destroyed })).toThrow();
  });

  test('a registration shows nothing', () => {
    expect(openOperationContext(secrets, anOperation(aUser()))).toBeUndefined();
  });
});
