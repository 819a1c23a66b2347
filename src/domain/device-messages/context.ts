/** The `ctx` string: what the device shows and the person signs. Written once; from then on only its bytes count. */
import { randomBytes } from 'node:crypto';
import { sha256Base64url } from '../../support/bytes.ts';
import type { OperationKind } from '../operation.ts';
import type { Shown } from '../operations.ts';

export interface ContextOf extends Shown {
  op: string;
  kind: OperationKind;
  /** 16 bytes; random unless a test says otherwise. Without it the hash of a short text could be guessed. */
  salt?: Uint8Array;
}

/**
 * Write the JSON text. Amounts are strings already: a number could be printed in two ways.
 *
 * @throws TypeError if `transaction` holds a number, which is a fault of the caller
 */
export function buildContext({ op, kind, salt = randomBytes(16), ...shown }: ContextOf): string {
  const { purpose, client, bindingMessage, transaction, document, context, enrolling, origin, claimed } = shown;
  refuseNumbers(transaction);
  return JSON.stringify({
    v: 1,
    salt: Buffer.from(salt).toString('base64url'),
    op,
    kind,
    purpose,
    client: { id: client.id, name: client.name },
    binding_message: bindingMessage,
    transaction,
    document,
    context,
    enrolling,
    origin,
    claimed,
  });
}

/** Over the UTF-8 of the string as received; nobody serialises it again. */
export function contextHash(ctx: string): string {
  return sha256Base64url(ctx);
}

function refuseNumbers(value: unknown): void {
  if (typeof value === 'number') throw new TypeError('amounts in a transaction are strings');
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(refuseNumbers);
}
