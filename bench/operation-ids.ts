/** Which operation a phone is to show: known from the `auth_req_id` by the server's own key, as its inbox would tell it. */
import { randomBytes } from 'node:crypto';
import { openRedisStore } from '../adapters/redis/index.ts';
import { openKeyRing } from '../src/domain/key-ring.ts';
import { createRequestIds } from '../src/protocol/request-ids.ts';
import { operationIdOf } from '../src/support/ids.ts';
import type { Secrets } from '../src/support/secrets.ts';

export type OperationIds = (authReqId: string) => string;

export async function operationIds(url: string, { masterKey }: { masterKey: Buffer }): Promise<OperationIds> {
  const store = await openRedisStore({ url });
  try {
    const { secrets } = await openKeyRing({ store, clock: Date.now, random: randomBytes, masterKey });
    return operationIdsBy(secrets);
  } finally {
    await store.close();
  }
}

export function operationIdsBy(secrets: Pick<Secrets, 'hmac'>): OperationIds {
  const { handleOf } = createRequestIds(secrets);
  return (authReqId) => operationIdOf(handleOf(authReqId));
}
