import { randomBytes } from 'node:crypto';
import {
  openOperationContext,
  openPostContext,
  sealOperationContext,
  sealPostContext,
} from '../../src/domain/context.ts';
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

describe('the post-context at rest', () => {
  const after = '{"text":"Ready at the counter"}';
  const withBoth = () => {
    const operation = withContext();
    return { ...operation, postContext: sealPostContext(secrets, operation, after) };
  };

  test('it opens under the key of the context, and is gone with that key', () => {
    const operation = withBoth();
    expect(operation.postContext.wrappedKey).toBeUndefined();
    expect(openPostContext(secrets, operation)).toBe(after);
    expect(
      openPostContext(secrets, { ...operation, context: { ...operation.context, wrappedKey: '' } }),
    ).toBeUndefined();
    expect(openPostContext(secrets, { id: operation.id, postContext: operation.postContext })).toBeUndefined();
  });

  test('neither text can take the other’s place, nor that of another operation', () => {
    const [one, other] = [withBoth(), withBoth()];
    const { context, postContext } = one;
    const shownBefore = { ...context, sealed: postContext.sealed };
    expect(() => openOperationContext(secrets, { id: one.id, context: shownBefore })).toThrow();
    expect(() => openPostContext(secrets, { ...one, postContext: { sealed: context.sealed } })).toThrow();
    expect(() => openPostContext(secrets, { ...one, postContext: other.postContext })).toThrow();
  });

  test('a registration has a key for it alone', () => {
    const operation = anOperation(aUser());
    const postContext = sealPostContext(secrets, operation, after);
    expect(openPostContext(secrets, { ...operation, postContext })).toBe(after);
    expect(() => openPostContext(secrets, { ...operation, id: 'another', postContext })).toThrow();
  });
});
