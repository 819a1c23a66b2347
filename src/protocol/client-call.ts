import type { IncomingMessage, ServerResponse } from 'node:http';
import { authenticateClient, type EngineContext, newContext } from './engine-patches.ts';
import { type Form, pick } from './form.ts';
import type { Engine } from './provider.ts';
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
  { provider }: Engine,
  { req, res, route, form, parameters }: ClientCall<Name>,
): Promise<{ ctx: EngineContext; params: Partial<Record<Name, string>> }> {
  const params = pick(form, parameters);
  const ctx = newContext(provider, { req, res, route, body: form });
  await authenticateClient(ctx, { ...pick(form, clientAuthenticationParameters), ...params });
  return { ctx, params };
}
