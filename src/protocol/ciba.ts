import type { BackchannelAuthenticationRequest, CIBAConfiguration, Client, KoaContextWithOIDC } from 'oidc-provider';
import { DomainError } from '../domain/errors.ts';
import type { MatchMode } from '../domain/operation.ts';
import type { Started, StartOperation } from '../domain/operations.ts';
import type { Asked } from './asked.ts';
import type { ProtocolDeps } from './deps.ts';
import { deliveryModeOf, sealNotification } from './notification-record.ts';
import { sealRequest } from './request-record.ts';
import { clientMember } from './vocabulary.ts';

type CibaDeps = Pick<ProtocolDeps, 'settings' | 'operations' | 'secrets' | 'clock' | 'log' | 'traceId'>;

/**
 * The engine's hooks for `/bc-authorize`. What the request asks, and whom it is about, is known by then (`asked.ts`, in the
 * place of the engine's own step, so that CIBA Core 7.2's order is kept): what is left to do is to start the operation.
 */
export function createCibaHooks(deps: CibaDeps): CIBAConfiguration {
  return {
    enabled: true,
    deliveryModes: ['poll'],
    processLoginHint: () => undefined,
    processLoginHintToken: () => undefined,
    validateRequestContext() {},
    validateBindingMessage() {},
    verifyUserCode() {},

    async triggerAuthenticationDevice(ctx, request, _account, client) {
      const { operation, matchCode } = await start(deps, startOf(deps, ctx, request, client));
      Object.assign(ctx.body as object, {
        // CIBA Core 7.3: there is no interval for who may not poll
        ...(deliveryModeOf(client) !== 'push' && { interval: deps.settings.ciba.intervalSeconds }),
        ...(matchCode !== undefined && { match_code: matchCode }),
      });
      const { id: operationId, userId, clientId } = operation;
      deps.log.info('ciba.started', { operationId, userId, clientId });
    },
  };
}

export const askedIn = (ctx: KoaContextWithOIDC) => ctx.state['asked'] as Asked;

/** For the engine's `ttl`, which becomes `expires_in`. */
export function lifetimeOf(ctx: KoaContextWithOIDC): number {
  return askedIn(ctx).lifetimeSeconds;
}

/** Where the person was locked since they were found, or others ask them too much: no word of that to who must not know. */
async function start({ operations }: CibaDeps, operation: StartOperation): Promise<Started> {
  try {
    return await operations.start(operation);
  } catch (error) {
    if (operation.orDecoy === undefined || !isTelling(error)) throw error;
    return operations.start({ ...operation, userId: operation.orDecoy, decoy: true });
  }
}

/** The cap of the client itself holds for decoys just as well, so it tells nothing. */
function isTelling(error: unknown): boolean {
  if (!(error instanceof DomainError)) return false;
  return error.code === 'user_unknown' || (error.code === 'too_many_pending' && error.detail === 'user');
}

function startOf(
  { settings, secrets, clock, traceId }: CibaDeps,
  ctx: KoaContextWithOIDC,
  request: BackchannelAuthenticationRequest,
  client: Client,
): StartOperation {
  const { subject, lifetimeSeconds, bindingMessage, possessionOnly, method, transaction, record } = askedIn(ctx);
  const trace = traceId?.();
  const purpose = transaction ? 'authorization' : 'authentication';
  const token = ctx.oidc.params!['client_notification_token'] as string | undefined;
  return {
    handle: request.jti,
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
    },
    ...(method && { method }),
    possessionOnly,
    match: (client[clientMember.match] as MatchMode | undefined) ?? 'none',
    lifetimeSeconds,
    intervalSeconds: settings.ciba.intervalSeconds,
    protocol: sealRequest(secrets, request.jti, record),
    notification: sealNotification({ secrets, clock }, client, request, { token, lifetimeSeconds }),
    by: { actor: `client:${client.clientId}`, ...(trace !== undefined && { traceId: trace }) },
  };
}
