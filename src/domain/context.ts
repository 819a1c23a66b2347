/**
 * The `ctx` string at rest (device-protocol, section 7): under a random key of its own, which the master key wraps.
 * Destroying the wrapped key destroys the text; hash and signatures stay.
 */
import { randomBytes } from 'node:crypto';
import type { RandomBytes } from '../support/ids.ts';
import { createSecrets, type Secrets } from '../support/secrets.ts';
import { contextHash } from './device-messages/context.ts';
import type { Operation } from './operation.ts';

const textLabel = 'context';
const keyLabel = 'context-key';
const aadOf = (operationId: string) => `operation:${operationId}`;

export function sealOperationContext(
  secrets: Pick<Secrets, 'seal'>,
  operationId: string,
  ctx: string,
  random: RandomBytes = randomBytes,
): NonNullable<Operation['context']> {
  const key = random(32);
  return {
    sealed: createSecrets(key).seal(textLabel, ctx, aadOf(operationId)),
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
  return createSecrets(key).open(textLabel, context.sealed, aadOf(id)).toString('utf8');
}
