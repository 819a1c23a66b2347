import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NotificationLine } from '../domain/notification-log.ts';
import { isHandle, operationIdOf } from '../support/ids.ts';
import { jsonAnswer, send } from './answer.ts';
import { authenticate } from './client-call.ts';
import type { ProtocolDeps } from './deps.ts';
import { readForm } from './form.ts';
import type { Engine } from './provider.ts';
import { refused } from './refused.ts';
import { createRequestIds, type RequestIds } from './request-ids.ts';
import { deliveriesParameters, route } from './vocabulary.ts';

type Deps = Pick<ProtocolDeps, 'deliveries' | 'secrets'>;

type Params = Partial<Record<(typeof deliveriesParameters)[number], string>>;

const defaultLimit = 50;

/**
 * `POST /bc-authorize/deliveries`: a client's own delivery log, asked for like introspection: a form with its
 * authentication. With `auth_req_id` only of that request; what is another client's, or nobody's, has an empty log.
 */
export async function deliveriesCall(
  { deliveries, secrets }: Deps,
  engine: Engine,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const form = await readForm(req);
  const { ctx, params } = await authenticate(engine, {
    req,
    res,
    route: route.authentication,
    form,
    parameters: deliveriesParameters,
  });
  const { client } = ctx.oidc;
  const ids = createRequestIds(secrets);
  const { items, nextCursor } = await read({ deliveries, ids }, client.clientId, params);
  const shown = items.map((line) => documentOf({ ...line, operationId: ids.shownTo(client, line.operationId) }));
  send(res, jsonAnswer(200, { items: shown, next_cursor: nextCursor ?? null }));
}

async function read(
  { deliveries, ids }: { deliveries: Deps['deliveries']; ids: RequestIds },
  clientId: string,
  params: Params,
) {
  const { auth_req_id: authReqId, limit, cursor } = params;
  if (limit !== undefined && !/^([1-9]\d?|1\d\d|200)$/.test(limit)) throw refused('limit must be 1 to 200');
  if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) throw refused('cursor must be the next_cursor of an answer');
  if (authReqId === undefined) {
    return deliveries.ofClient(clientId, {
      limit: Number(limit ?? defaultLimit),
      ...(cursor !== undefined && { cursor }),
    });
  }
  const handle = ids.handleOf(authReqId);
  const items = isHandle(handle) ? await deliveries.ofOperation(clientId, operationIdOf(handle)) : [];
  return { items, nextCursor: undefined };
}

/** As the management API says it. */
function documentOf({ operationId, mode, attempt, outcome, status, reason, ms, at }: NotificationLine) {
  return {
    operation_id: operationId,
    mode,
    attempt,
    outcome,
    status: status ?? null,
    reason: reason ?? null,
    duration_ms: ms ?? null,
    at: new Date(at).toISOString(),
  };
}
