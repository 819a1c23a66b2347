import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Client, errors } from 'oidc-provider';
import { jsonAnswer, send } from './answer.ts';
import type { Asked } from './asked.ts';
import { authenticate } from './client-call.ts';
import type { ProtocolDeps } from './deps.ts';
import {
  type AuthenticationSteps,
  authenticationParameters,
  type EngineContext,
  inContext,
  proveStartingKey,
  runAuthentication,
  type StartingKey,
} from './engine-patches.ts';
import { ProtocolError } from './errors.ts';
import { type Form, readForm } from './form.ts';
import type { Subject } from './identify.ts';
import { deliveryModeOf } from './notification-record.ts';
import { createOnce } from './once.ts';
import type { Engine } from './provider.ts';
import { refused } from './refused.ts';
import { requireSignature } from './request-policy.ts';
import { readSignedRequest } from './signed-request.ts';
import { clientMember, grantType, route } from './vocabulary.ts';

type Deps = Pick<ProtocolDeps, 'idempotency' | 'secrets' | 'clock' | 'log' | 'beat'>;

/** `POST /bc-authorize`. @throws ProtocolError | DomainError | errors of the engine; nothing has been started then */
export type AuthenticationCall = (engine: Engine, req: IncomingMessage, res: ServerResponse) => Promise<void>;

/**
 * The authentication request, in the order of CIBA Core 7.2:
 *
 * 1. body, client authentication, grant, DPoP proof where there is one
 * 2. the signed request; the engine verifies its signature
 * 3. `identify.ts`: exactly one hint → the person → their user code
 * 4. the remaining parameters: by the engine scope, claims, details, resource; the others by `asked.ts`
 * 5. `ciba.ts`: `jti`s are used up, and the operation is started, in one write
 *
 * A client that must not know who exists (`assent_unknown_user: decoy`) hears the end of 2 to 5 at the next beat only.
 * With `Idempotency-Key`, 2 to 5 happen once and a repeat gets the same acknowledgement.
 */
export function createAuthenticationCall(deps: Deps): AuthenticationCall {
  const once = createOnce(deps);
  return async (engine, req, res) => {
    const form = await readForm(req);
    const { ctx } = await authenticate(engine, { req, res, route: route.authentication, form, parameters: [] });
    const { client } = ctx.oidc;
    if (!client.grantTypeAllowed(grantType.ciba)) {
      throw new ProtocolError('unauthorized_client', 'requested grant type is not allowed for this client');
    }
    const startedWith = await proveStartingKey(engine.provider, ctx);
    if (startedWith && deliveryModeOf(client) === 'push') throw refused('tokens that are pushed are bound to no key');
    const key = req.headers['idempotency-key'];
    const start = () => acknowledge(deps, engine, ctx, { form, startedWith });
    const verify = () => checkSignature(deps, ctx, form);
    const asked = { clientId: client.clientId, key, form, provedBy: startedWith?.thumbprint, verify };
    const answered = key === undefined ? start() : once({ ...asked, key }, start);
    send(res, jsonAnswer(200, await (mayKnow(client) ? answered : answered.finally(deps.beat))));
  };
}

/** Who exists; whoever may not gets no answer whose time would tell (TH-04). */
const mayKnow = (client: Client) => client[clientMember.unknownUser] !== 'decoy';

/** Steps 2 to 5. */
async function acknowledge(
  deps: Deps,
  engine: Engine,
  ctx: EngineContext,
  { form, startedWith }: { form: Form; startedWith: StartingKey | undefined },
): Promise<object> {
  const signed = readSigned(deps, ctx, form);
  requireSignature(engine.settings.ciba.requests, signed !== undefined);
  let subject: Subject;
  return run(ctx, {
    async identify() {
      subject = await engine.identify(ctx);
    },
    async ask() {
      const asked = await engine.ask(ctx, { subject, signed });
      ctx.state['asked'] = { ...asked, ...(startedWith && { startedWith }) } satisfies Asked;
      return asked.subject.userId;
    },
  });
}

/** Step 2 alone, of a request whose answer is known. */
async function checkSignature(deps: Deps, ctx: EngineContext, form: Form): Promise<void> {
  readSigned(deps, ctx, form);
  const far = new Error('as far as the signature');
  const stop = () => Promise.reject(far);
  await run(ctx, { identify: stop, ask: stop }).catch((error: unknown) => {
    if (error !== far) throw error;
  });
}

function readSigned({ clock }: Deps, ctx: EngineContext, form: Form) {
  return readSignedRequest(form, { client: ctx.oidc.client, parameters: authenticationParameters(ctx), now: clock() });
}

async function run(ctx: EngineContext, steps: AuthenticationSteps): Promise<object> {
  try {
    return await inContext(ctx, () => runAuthentication(ctx, steps));
  } catch (error) {
    // keys of the client that cannot be fetched: J-20 knows one error for all that is wrong with a signed request
    if (error instanceof errors.InvalidClientMetadata) throw refused('the request object does not verify', error);
    throw error;
  }
}
