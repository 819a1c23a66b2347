import type { IncomingMessage, ServerResponse } from 'node:http';
import { authenticateClient, type EngineContext, newContext, takeClient } from './engine-patches.ts';
import { type Form, pick } from './form.ts';
import type { Engine } from './provider.ts';
import { shownSecretOf } from './shown-secrets.ts';
import { clientAuthenticationParameters } from './vocabulary.ts';

export interface ClientCall<Name extends string> {
  req: IncomingMessage;
  res: ServerResponse;
  /** The engine's name for the endpoint. */
  route: string;
  form: Form;
  parameters: readonly Name[];
}

/**
 * A call that does not take the engine's way, from a client that the engine's own code has authenticated.
 *
 * @throws ProtocolError | errors of the engine
 */
export async function authenticate<Name extends string>(
  engine: Engine,
  { req, res, route, form, parameters }: ClientCall<Name>,
): Promise<{ ctx: EngineContext; params: Partial<Record<Name, string>> }> {
  const params = pick(form, parameters);
  const { shownSecrets, quickAssertions, callers } = engine;
  const ctx = newContext(engine.provider, { req, res, route, body: form });
  const presented = pick(form, clientAuthenticationParameters);
  const shown = shownSecretOf(req, presented);
  const known =
    shown === undefined ? await quickAssertions.clientOf(req, presented) : await shownSecrets.clientOf(shown);
  if (known) takeClient(ctx, known, params);
  else await authenticateClient(ctx, { ...presented, ...params });
  callers.set(req, ctx.oidc.client.clientId);
  if (!known && shown !== undefined) shownSecrets.remember(shown, ctx.oidc.client);
  return { ctx, params };
}
