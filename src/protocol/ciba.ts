import type { BackchannelAuthenticationRequest, CIBAConfiguration, Client, KoaContextWithOIDC } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { checkBindingMessage } from '../domain/binding-message.ts';
import type { MatchMode } from '../domain/operation.ts';
import type { StartOperation } from '../domain/operations.ts';
import type { ProtocolDeps, ProtocolSettings } from './deps.ts';
import { findByLoginHint } from './hints.ts';
import { deliveryModeOf, sealNotification } from './notification-record.ts';
import { sealRequest } from './request-record.ts';
import { clientMember } from './vocabulary.ts';

export type CibaDeps = Pick<
  ProtocolDeps,
  'settings' | 'users' | 'operations' | 'secrets' | 'clock' | 'log' | 'traceId'
>;

/** Parameters that the engine has checked for being there once and being text. */
type Params = Partial<Record<'binding_message' | 'requested_expiry' | 'acr_values', string>>;

/**
 * The engine's hooks for `/bc-authorize`, in the order in which it calls them (after client, scope, and exactly one hint):
 * hint → user → user code → the remaining parameters → the operation. CIBA Core 7.2 wants this order, so the checks of
 * parameters stand in the last hook before the request is made, not in the ones that the engine names for them.
 */
export function createCibaHooks(deps: CibaDeps): CIBAConfiguration {
  const { users, settings } = deps;
  return {
    enabled: true,
    // the real ones are set behind the engine's back, which knows no push: provider.ts
    deliveryModes: ['poll'],

    async processLoginHint(ctx, hint) {
      const user = await findByLoginHint(users, hint!);
      // Locked and deactivated are answered like unknown (ruling 11).
      if (user?.state !== 'active') return undefined;
      ctx.state['user'] = user;
      return user.id;
    },

    processLoginHintToken() {
      throw new errors.InvalidRequest('login_hint_token is not supported');
    },

    validateRequestContext() {},
    validateBindingMessage() {},

    // User codes are not supported, and discovery says so: one that is sent is ignored (CIBA Core 7.1) and kept nowhere.
    verifyUserCode(ctx) {
      ctx.state['asked'] = checkParameters(ctx.oidc.params as Params, ctx.oidc.client!, settings);
    },

    async triggerAuthenticationDevice(ctx, request, account, client) {
      const { operation, matchCode } = await deps.operations.start(startOf(deps, ctx, request, client));
      Object.assign(ctx.body as object, {
        // CIBA Core 7.3: there is no interval for who may not poll
        ...(deliveryModeOf(client) !== 'push' && { interval: settings.ciba.intervalSeconds }),
        ...(matchCode !== undefined && { match_code: matchCode }),
      });
      deps.log.info('ciba.started', {
        operationId: operation.id,
        userId: account.accountId,
        clientId: client.clientId,
      });
    },
  };
}

/** What the request asks for, checked. */
export interface Asked {
  lifetimeSeconds: number;
  bindingMessage?: string;
  possessionOnly: boolean;
  method?: 'device' | 'pin';
}

/** For the engine's `ttl`, which becomes `expires_in`. */
export function lifetimeOf(ctx: KoaContextWithOIDC): number {
  return (ctx.state['asked'] as Asked).lifetimeSeconds;
}

function checkParameters(params: Params, client: Client, settings: ProtocolSettings): Asked {
  const { binding_message: bindingMessage, requested_expiry: requestedExpiry, acr_values: acrValues } = params;
  return {
    lifetimeSeconds: lifetime(requestedExpiry, settings.ciba.expiry),
    ...(bindingMessage !== undefined && {
      bindingMessage: checkBindingMessage(bindingMessage, settings.ciba.bindingMessage),
    }),
    ...strength(acrValues, client[clientMember.method] as Asked['method'], settings.acr),
  };
}

/** A positive integer in decimal, shortened or lengthened to what the server allows; `expires_in` tells (CIBA Core 7.3). */
function lifetime(requested: string | undefined, limits: ProtocolSettings['ciba']['expiry']): number {
  if (requested === undefined) return limits.defaultSeconds;
  if (!/^[1-9][0-9]*$/.test(requested)) throw new errors.InvalidRequest('invalid requested_expiry parameter value');
  return Math.min(Math.max(Number(requested), limits.minSeconds), limits.maxSeconds);
}

/**
 * Two factors, unless possession alone was asked for. `acr_values` that name nothing we know, or nothing that the client's
 * own method can reach, are refused now: the ID token could not carry one of them.
 */
function strength(
  acrValues: string | undefined,
  method: Asked['method'],
  acr: ProtocolSettings['acr'],
): Pick<Asked, 'possessionOnly' | 'method'> {
  const wanted = acrValues?.split(' ').filter((value) => value !== '');
  if (wanted === undefined || wanted.length === 0)
    return { possessionOnly: method === 'device', ...(method && { method }) };
  const possession = wanted.includes(acr.possession);
  const twoFactor = wanted.includes(acr.twoFactor);
  const isReachable = method === undefined ? possession || twoFactor : method === 'pin' ? twoFactor : possession;
  if (!isReachable) throw new errors.InvalidRequest('none of the acr_values can be met');
  return { possessionOnly: possession, ...(method && { method }) };
}

function startOf(
  { settings, secrets, clock, traceId }: CibaDeps,
  ctx: KoaContextWithOIDC,
  request: BackchannelAuthenticationRequest,
  client: Client,
): StartOperation {
  const { lifetimeSeconds, bindingMessage, possessionOnly, method } = ctx.state['asked'] as Asked;
  const trace = traceId?.();
  return {
    handle: request.jti,
    kind: 'authentication',
    userId: request.accountId!,
    clientId: client.clientId,
    shown: {
      client: { id: client.clientId, name: client.clientName ?? client.clientId },
      purpose: 'authentication',
      ...(bindingMessage !== undefined && { bindingMessage }),
    },
    ...(method && { method }),
    possessionOnly,
    match: (client[clientMember.match] as MatchMode | undefined) ?? 'none',
    lifetimeSeconds,
    intervalSeconds: settings.ciba.intervalSeconds,
    protocol: sealRequest(secrets, request),
    notification: sealNotification({ secrets, clock }, client, request, {
      token: ctx.oidc.params!['client_notification_token'] as string | undefined,
      lifetimeSeconds,
    }),
    by: { actor: `client:${client.clientId}`, ...(trace !== undefined && { traceId: trace }) },
  };
}
