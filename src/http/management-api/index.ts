import type { Applications } from '../../domain/applications.ts';
import type { Clients } from '../../domain/clients.ts';
import type { Devices } from '../../domain/devices.ts';
import type { KeyRing } from '../../domain/key-ring.ts';
import type { NotificationLog } from '../../domain/notification-log.ts';
import type { Operations } from '../../domain/operations.ts';
import type { PinProofs } from '../../domain/pin-proofs.ts';
import type { IdempotencyStore } from '../../domain/ports/records.ts';
import type { ServerKeys } from '../../domain/server-keys.ts';
import type { TicketConfirmation } from '../../domain/ticket-confirmation.ts';
import type { Tickets } from '../../domain/tickets.ts';
import type { Users } from '../../domain/users.ts';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../support/clock.ts';
import type { Secrets } from '../../support/secrets.ts';
import { type Answer, createIdempotency, idempotencyKeyOf } from '../idempotency.ts';
import { readJson } from '../middleware/body.ts';
import type { AppContext, AppState, Middleware } from '../middleware/context.ts';
import { serveDocument } from '../openapi/document.ts';
import { managementOpenapi } from '../openapi/management.ts';
import { invalidRequest } from '../problem.ts';
import { mountRoutes } from '../route.ts';
import { createSchemaCheck, type SchemaCheck } from '../schema-check.ts';
import { type ApiKey, authenticate, requireScope } from './auth.ts';
import { type Call, type ManagementRoute, queryOf, versionOf } from './call.ts';
import { clientRoutes } from './clients.ts';
import { deviceRoutes } from './devices.ts';
import { keyRoutes } from './keys.ts';
import { masterKeyRoutes } from './master-keys.ts';
import { operationRoutes } from './operations.ts';
import { createPaging } from './paging.ts';
import { pinProofRoutes } from './pin-proofs.ts';
import { managementSchemas } from './schemas.ts';
import { ticketRoutes } from './tickets.ts';
import { userRoutes } from './users.ts';

export interface ManagementApiDeps {
  users: Users;
  devices: Devices;
  clients: Clients;
  deliveries: Pick<NotificationLog, 'ofClient'>;
  serverKeys: Pick<ServerKeys, 'publicKeys' | 'rotateSigning'>;
  keyRing: KeyRing;
  tickets: Pick<Tickets, 'create'>;
  ticketConfirmation: TicketConfirmation;
  operations: Pick<Operations, 'get' | 'liftLimits'>;
  pinProofs: PinProofs;
  applications: Applications;
  idempotency: IdempotencyStore;
  secrets: Secrets;
  clock: Clock;
  log: Log;
  /** `config.management.apiKeys` */
  apiKeys: readonly ApiKey[];
}

/** What the first step leaves for the others. */
type Authenticated = AppState & { apiKey: ApiKey };

const PREFIX = '/management/v1';

/** Every route of `/management/v1`. What an issue has not brought yet is not here, and so is a 404. */
export function managementRoutes(deps: ManagementApiDeps): ManagementRoute[] {
  const parts = { ...deps, paging: createPaging(deps.secrets) };
  return [
    ...userRoutes(parts),
    ...ticketRoutes(parts),
    ...deviceRoutes(parts),
    ...clientRoutes(parts),
    ...keyRoutes(parts),
    ...masterKeyRoutes(parts),
    ...operationRoutes(parts),
    ...pinProofRoutes(parts),
  ];
}

/**
 * The way of a call: key -> route (404, 405) -> scope -> query, body and conditions as documented -> idempotency ->
 * domain. Without a key nothing is learned, not even which paths exist; only the OpenAPI document is for everybody.
 */
export function createManagementApi(deps: ManagementApiDeps): Middleware {
  const routes = managementRoutes(deps);
  const check = createSchemaCheck('urn:assent:management', managementSchemas);
  const once = createIdempotency({ ...deps, store: deps.idempotency });
  const document = serveDocument(`${PREFIX}/openapi.json`, managementOpenapi(routes));
  const serve = mountRoutes(PREFIX, routes, (route) => {
    const requireQuery = check.compileQuery(route.query ?? {});
    return async (ctx, params) => {
      const key = (ctx.state as Authenticated).apiKey;
      requireScope(key, route.scope);
      const query = queryOf(ctx.querystring);
      requireQuery(query);
      const call = { params, query, body: await bodyOf(ctx, route, check), ...callerOf(ctx, key, route) };
      const idempotencyKey = route.creates && ctx.get('idempotency-key');
      const answer = idempotencyKey
        ? await once(oneTimeOf(idempotencyKey, ctx, key, route, call), () => route.handle(call))
        : await route.handle(call);
      write(ctx, answer);
    };
  });
  return (ctx, next) =>
    document(ctx, () => {
      (ctx.state as Authenticated).apiKey = authenticate(deps.apiKeys, ctx.req.headers.authorization);
      return Promise.resolve(serve(ctx, next));
    });
}

async function bodyOf(ctx: AppContext, route: ManagementRoute, check: SchemaCheck): Promise<unknown> {
  const body = await readJson(ctx, route.body && { types: route.body.types });
  if (route.body) check.require(route.body.schema, body);
  else if (Object.keys(body).length > 0) throw invalidRequest([{ name: '', reason: 'this call takes no body' }]);
  return body;
}

function callerOf(ctx: AppContext, key: ApiKey, route: ManagementRoute): Pick<Call, 'by' | 'expectedVersion'> {
  const by = { actor: `management:${key.name}`, traceId: ctx.state.traceId };
  const ifMatch = ctx.get('if-match');
  if (!ifMatch) return { by };
  // To go on as if it had not been there would overwrite what the caller wanted to protect.
  if (!route.conditional) throw invalidRequest([{ name: 'If-Match', reason: 'is not supported by this call' }]);
  return { by, expectedVersion: versionOf(ifMatch) };
}

function oneTimeOf(idempotencyKey: string, ctx: AppContext, key: ApiKey, route: ManagementRoute, call: Call) {
  return {
    scope: `management:${key.name}:${route.operationId}`,
    key: idempotencyKeyOf(idempotencyKey),
    request: `${ctx.path}\n${JSON.stringify(call.body)}`,
  };
}

function write(ctx: AppContext, { status, headers = {}, body }: Answer): void {
  ctx.status = status;
  ctx.set(headers);
  ctx.body = body;
}
