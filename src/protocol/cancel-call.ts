import type { IncomingMessage, ServerResponse } from 'node:http';
import { parse } from 'node:querystring';
import { DomainError } from '../domain/errors.ts';
import { isHandle, operationIdOf } from '../support/ids.ts';
import { authenticate } from './client-call.ts';
import type { ProtocolDeps } from './deps.ts';
import { ProtocolError } from './errors.ts';
import { readForm } from './form.ts';
import type { Engine } from './provider.ts';
import { createRequestIds } from './request-ids.ts';
import { cancelParameters, route } from './vocabulary.ts';

type Deps = Pick<ProtocolDeps, 'operations' | 'secrets' | 'log' | 'traceId'>;

/**
 * `DELETE /bc-authorize`: the client no longer wants what it asked for. 204, however often; 409 once the person decided.
 * `auth_req_id` in the query or in a form; the rest of the query is ignored, credentials in it above all.
 */
export async function cancelCall(
  { operations, secrets, log, traceId }: Deps,
  engine: Engine,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const query = parse(req.url!.split('?', 2)[1] ?? '');
  const form = { auth_req_id: query['auth_req_id'], ...(await readForm(req)) };
  const { ctx, params } = await authenticate(engine, {
    req,
    res,
    route: route.authentication,
    form,
    parameters: cancelParameters,
  });
  if (params.auth_req_id === undefined)
    throw new ProtocolError('invalid_request', "missing required parameter 'auth_req_id'");
  const handle = createRequestIds(secrets).handleOf(params.auth_req_id);
  if (!isHandle(handle)) throw new DomainError('operation_not_found');

  const { clientId } = ctx.oidc.client;
  const operationId = operationIdOf(handle);
  const trace = traceId?.();
  const by = { actor: `client:${clientId}`, ...(trace !== undefined && { traceId: trace }) };
  await operations.cancel({ operationId, clientId, by });
  log.info('ciba.cancelled', { operationId, clientId });
  res.writeHead(204, { 'cache-control': 'no-store' }).end();
}
