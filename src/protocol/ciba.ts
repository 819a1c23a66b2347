import type { CIBAConfiguration, Client, KoaContextWithOIDC } from 'oidc-provider';
import type { MatchMode } from '../domain/operation.ts';
import type { StartOperation } from '../domain/operations.ts';
import type { Asked } from './asked.ts';
import type { ProtocolDeps } from './deps.ts';
import { spendStartingKey } from './engine-patches.ts';
import { deliveryModeOf, sealNotification } from './notification-record.ts';
import { refused } from './refused.ts';
import { createRequestIds } from './request-ids.ts';
import { sealRequest } from './request-record.ts';
import { isFirstUse } from './signed-request.ts';
import { clientMember } from './vocabulary.ts';

type CibaDeps = Pick<ProtocolDeps, 'settings' | 'operations' | 'replay' | 'secrets' | 'clock' | 'log' | 'traceId'>;

/**
 * The engine's hooks for `/bc-authorize`. What the request asks, and whom it is about, is known by then (`identify.ts`, `asked.ts`, in
 * place of the engine's own step, so that CIBA Core 7.2's order is kept): what is left to do is to start the operation.
 */
export function createCibaHooks(deps: CibaDeps): CIBAConfiguration {
  const ids = createRequestIds(deps.secrets);
  return {
    enabled: true,
    deliveryModes: ['poll'],
    processLoginHint: () => undefined,
    processLoginHintToken: () => undefined,
    validateRequestContext() {},
    validateBindingMessage() {},
    verifyUserCode() {},

    async triggerAuthenticationDevice(ctx, request, _account, client) {
      await useUp(deps, ctx, client);
      const { authReqId, handle } = ids.of(client, request.jti);
      const start = startOf(deps, ctx, client, { authReqId, handle });
      const { operation, matchCode, unasked } = await deps.operations.start(start);
      Object.assign(ctx.body as object, {
        auth_req_id: authReqId,
        // CIBA Core 7.3: there is no interval for who may not poll
        ...(deliveryModeOf(client) !== 'push' && { interval: deps.settings.ciba.intervalSeconds }),
        ...(matchCode !== undefined && { match_code: matchCode }),
      });
      const { id: operationId, userId, clientId } = operation;
      deps.log.info('ciba.started', { operationId, userId, clientId, ...(unasked && { unasked }) });
    },
  };
}

/** As late as can be: what was refused before, and what could not be judged, may be sent again as it is (J-10). */
async function useUp(deps: CibaDeps, ctx: KoaContextWithOIDC, { clientId }: Client): Promise<void> {
  const { signed, startedWith } = askedIn(ctx);
  if (startedWith) await spendStartingKey(ctx.oidc.provider, ctx, startedWith);
  if (signed && !(await isFirstUse(deps, clientId, signed))) throw refused('the request object was used before');
}

export const askedIn = (ctx: KoaContextWithOIDC) => ctx.state['asked'] as Asked;

/** For the engine's `ttl`, which becomes `expires_in`. */
export function lifetimeOf(ctx: KoaContextWithOIDC): number {
  return askedIn(ctx).lifetimeSeconds;
}

function startOf(
  { settings, secrets, clock, traceId }: CibaDeps,
  ctx: KoaContextWithOIDC,
  client: Client,
  { authReqId, handle }: { authReqId: string; handle: string },
): StartOperation {
  const {
    subject,
    lifetimeSeconds,
    bindingMessage,
    possessionOnly,
    method,
    transaction,
    context,
    document,
    record,
    startedWith,
  } = askedIn(ctx);
  const trace = traceId?.();
  const purpose = transaction || document ? 'authorization' : 'authentication';
  const token = ctx.oidc.params!['client_notification_token'] as string | undefined;
  return {
    handle,
    kind: purpose,
    userId: subject.userId,
    clientId: client.clientId,
    ...(subject.user === undefined && { decoy: true }),
    ...(subject.decoyId !== undefined && { orDecoy: subject.decoyId }),
    ...(subject.deviceId !== undefined && { deviceId: subject.deviceId }),
    shown: {
      client: { id: client.clientId, name: client.clientName ?? client.clientId },
      purpose,
      ...(bindingMessage !== undefined && { bindingMessage }),
      ...(transaction && { transaction }),
      ...(context && { context }),
    },
    ...(document && { document }),
    ...(method && { method }),
    possessionOnly,
    match: (client[clientMember.match] as MatchMode | undefined) ?? 'none',
    lifetimeSeconds,
    intervalSeconds: settings.ciba.intervalSeconds,
    protocol: sealRequest(secrets, handle, { ...record, ...(startedWith && { jkt: startedWith.thumbprint }) }),
    notification: sealNotification({ secrets, clock }, client, {
      authReqId,
      handle,
      token,
      lifetimeSeconds,
    }),
    by: { actor: `client:${client.clientId}`, ...(trace !== undefined && { traceId: trace }) },
  };
}
