/**
 * The `ctx` string, the document and the post-context at rest (device-protocol, section 7): under a random key of the operation's
 * own, which the master key wraps. Destroying the wrapped key destroys the texts; hash and signatures stay.
 */
import { randomBytes } from 'node:crypto';
import { decrypt, encrypt } from '../support/aead.ts';
import type { RandomBytes } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import { contextHash } from './device-messages/context.ts';
import type { Operation } from './operation.ts';

const keyLabel = 'context-key';
const aadOf = (operationId: string) => `operation:${operationId}`;
// none of them can take another's place
const documentAadOf = (operationId: string) => `operation:${operationId}:document`;
const postAadOf = (operationId: string) => `operation:${operationId}:post`;

export function sealOperationContext(
  secrets: Pick<Secrets, 'seal'>,
  operationId: string,
  ctx: string,
  random: RandomBytes = randomBytes,
): NonNullable<Operation['context']> {
  const key = random(32);
  return {
    sealed: encrypt(key, ctx, aadOf(operationId)).toString('base64url'),
    wrappedKey: secrets.seal(keyLabel, key, aadOf(operationId)),
    hash: contextHash(ctx),
  };
}

/**
 * The very bytes that were written at the start.
 *
 * @returns undefined for an operation that shows nothing (a registration)
 * @throws Error when the stored text was changed or moved to another operation
 */
export function openOperationContext(
  secrets: Pick<Secrets, 'open'>,
  { id, context }: Pick<Operation, 'id' | 'context'>,
): string | undefined {
  if (!context) return undefined;
  const key = secrets.open(keyLabel, context.wrappedKey, aadOf(id));
  return decrypt(key, Buffer.from(context.sealed, 'base64url'), aadOf(id)).toString('utf8');
}

/** Under the key of the operation's context, which names its hash. */
export function sealDocument(
  secrets: Pick<Secrets, 'open'>,
  { id, context }: { id: string; context: NonNullable<Operation['context']> },
  content: Uint8Array,
): string {
  const key = secrets.open(keyLabel, context.wrappedKey, aadOf(id));
  return encrypt(key, content, documentAadOf(id)).toString('base64url');
}

/** @throws Error when the stored content was changed or moved to another operation */
export function openDocument(
  secrets: Pick<Secrets, 'open'>,
  { id, context }: { id: string; context: NonNullable<Operation['context']> },
  sealed: string,
): Buffer {
  const key = secrets.open(keyLabel, context.wrappedKey, aadOf(id));
  return decrypt(key, Buffer.from(sealed, 'base64url'), documentAadOf(id));
}

/** Under the key of the operation's context; under one of its own where it shows nothing (a registration). */
export function sealPostContext(
  secrets: Pick<Secrets, 'seal' | 'open'>,
  { id, context }: Pick<Operation, 'id' | 'context'>,
  text: string,
  random: RandomBytes = randomBytes,
): NonNullable<Operation['postContext']> {
  const key = context ? secrets.open(keyLabel, context.wrappedKey, aadOf(id)) : random(32);
  return {
    sealed: encrypt(key, text, postAadOf(id)).toString('base64url'),
    ...(!context && { wrappedKey: secrets.seal(keyLabel, key, aadOf(id)) }),
  };
}

/**
 * @returns undefined where there is none, or its key was destroyed
 * @throws Error when the stored text was changed or moved to another operation
 */
export function openPostContext(
  secrets: Pick<Secrets, 'open'>,
  { id, context, postContext }: Pick<Operation, 'id' | 'context' | 'postContext'>,
): string | undefined {
  const wrappedKey = postContext?.wrappedKey ?? context?.wrappedKey;
  if (!postContext || !wrappedKey) return undefined;
  const key = secrets.open(keyLabel, wrappedKey, aadOf(id));
  return decrypt(key, Buffer.from(postContext.sealed, 'base64url'), postAadOf(id)).toString('utf8');
}
