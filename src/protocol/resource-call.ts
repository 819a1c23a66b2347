import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { jsonAnswer, send } from './answer.ts';
import { authenticateBearer, newContext } from './engine-patches.ts';
import { asOAuthError, ProtocolError } from './errors.ts';
import type { Engine } from './provider.ts';
import { route } from './vocabulary.ts';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * `GET /fapi/resource`: an example of what tokens are for, which certification suites call (FAPI-CIBA 6.2, FAPI 1.0 Baseline
 * 6.2.1). Token, the key that it is bound to, grant, client and person are checked as for userinfo.
 *
 * `x-fapi-auth-date` and `x-fapi-customer-ip-address` may come; nothing here depends on them.
 */
export async function resourceCall({ provider }: Engine, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const asked = String(req.headers['x-fapi-interaction-id'] ?? '');
  res.setHeader('x-fapi-interaction-id', uuid.test(asked) ? asked : randomUUID());
  if (new URLSearchParams(req.url!.split('?', 2)[1] ?? '').has('access_token')) {
    throw new ProtocolError('invalid_request', 'the access token must be sent in the authorization header');
  }
  const ctx = newContext(provider, { req, res, route: route.resource, body: {} });
  try {
    await authenticateBearer(ctx);
  } catch (error) {
    const { status, error: code, description } = asOAuthError(error);
    if (status !== 401 && !proofErrors.has(code)) throw error;
    // RFC 6750 3, RFC 9449 7.1
    res.setHeader('www-authenticate', `${schemeOf(req)} error="${code}"`);
    throw new ProtocolError(code, description, { status: 401 });
  }
  const { accountId, clientId } = ctx.oidc.entities.AccessToken!;
  send(res, jsonAnswer(200, { client_id: clientId, subject: accountId, accounts: [{ account_id: '100000109' }] }));
}

/** The engine answers them as its token endpoint would. */
const proofErrors = new Set(['invalid_dpop_proof', 'use_dpop_nonce']);

const schemeOf = ({ headers }: IncomingMessage) => (/^DPoP /i.test(headers.authorization ?? '') ? 'DPoP' : 'Bearer');
