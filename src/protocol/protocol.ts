import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Notifications } from '../domain/notification.ts';
import { type Answer, errorAnswer, send } from './answer.ts';
import { createAuthenticationCall } from './authentication-call.ts';
import { cancelCall } from './cancel-call.ts';
import { checkClient, pairwiseSectorOf } from './client-metadata.ts';
import { deliveriesCall } from './deliveries-call.ts';
import type { ClientMetadata, ProtocolDeps, ProtocolSettings } from './deps.ts';
import { engineListener } from './engine-listener.ts';
import { asOAuthError, refusalOfOthers } from './errors.ts';
import { logRefusal } from './log-refusal.ts';
import { createNotifications } from './notifications.ts';
import { createOverload, Overloaded } from './overload.ts';
import { buildEngine, type Callers, type Engine } from './provider.ts';
import { createRegistrationCalls } from './registration-call.ts';
import { resourceCall } from './resource-call.ts';
import { createRoutes, type Endpoint, type Found, isPage, type Option } from './routes.ts';
import { createSignIn } from './sign-in.ts';
import { strayPage } from './sign-in-engine.ts';
import type { SignIn } from './sign-in-types.ts';
import { createTokenCall } from './token-call.ts';

export { ClientMetadataError } from './clients.ts';
export type { ClientMetadata, ProtocolDeps, ProtocolSettings } from './deps.ts';

/** The OpenID provider. */
export interface Protocol {
  /**
   * Metadata of a client that is to be registered, as they would be in force. May ask the host of its sector.
   * @throws DomainError client_metadata_invalid
   */
  checkClient(metadata: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** What it answers, wrong methods included. Nothing lies below them: that is 404. */
  readonly paths: readonly string[];
  /**
   * False for clients that do not exist, were removed, or are switched off. As every use of a client here: the store is asked
   * at most once a second whether any has changed, so it is true in every process a second after the change.
   */
  isClientActive(clientId: string): Promise<boolean>;
  /** For the pages of browser sign-in, where there is one. */
  readonly signIn?: SignIn;
  /** Never rejects. The body must not have been read. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** What whoever stands in front of this refuses, in our words. undefined: people look at a page there (ruling 2). */
  refusal(pathname: string, of: { status: number; body: { detail: string } }): Answer | undefined;
  /** What clients are told by ping and push. */
  readonly notifications: Notifications;
  /**
   * Builds the engine anew: with the server's keys as they are now, and changed clients or settings. Requests that are
   * under way end with the former one. @throws ClientMetadataError; then the former one stays
   */
  reload(changed?: { clients?: ClientMetadata[]; settings?: ProtocolSettings }): Promise<void>;
}

/** @throws ClientMetadataError with all problems of all clients */
export function createProtocol(deps: ProtocolDeps): Protocol {
  const { signIn } = deps;
  const sectorOf = (metadata: object) => pairwiseSectorOf(running.engine.provider, metadata as ClientMetadata, current);
  const registration = deps.registration && createRegistrationCalls(deps, deps.registration, sectorOf);
  const routes = createRoutes(deps.issuer, optionsOfRoutes(deps));
  const overload = createOverload(deps);
  const tokenCall = createTokenCall(deps);
  const authenticationCall = createAuthenticationCall(deps);
  let current = deps;
  const callers: Callers = new WeakMap();
  let running = start(deps, callers);

  async function serve(found: Found, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { engine, listener } = running;
    const endpoints: Record<Endpoint, () => unknown> = {
      token: () => tokenCall(() => running.engine, req, res),
      authenticate: () => authenticationCall(engine, req, res),
      cancel: () => cancelCall(deps, engine, req, res),
      deliveries: () => deliveriesCall(deps, engine, req, res),
      register: () => registration!.register(req, res, ''),
      manage: () => registration!.manage(req, res, found.below!),
      resource: () => resourceCall(engine, req, res),
      engine: () => listener(withPath(req, found.pathname), res),
    };
    const endpoint = found.methods[req.method!];
    if (endpoint === 'authenticate') overload.check('starts');
    if (endpoint === 'token') overload.check('polls');
    if (endpoint && isPlainOptions(req)) send(res, optionsOf(found));
    else if (endpoint) await endpoints[endpoint]();
    else send(res, stray(req, found, 405) ?? notAllowed(found));
  }

  /** Ruling 2: a person who goes astray where browsers go reads a page. */
  const stray = (req: IncomingMessage, { pathname }: { pathname: string }, status: number) =>
    signIn && routes.isForPeople(pathname) ? strayPage({ signIn }, req, { pathname, status }) : undefined;

  return {
    paths: routes.paths,
    ...(signIn && { signIn: createSignIn({ ...deps, signIn }, () => running.engine) }),
    notifications: createNotifications(deps, () => running.engine),
    isClientActive: async (clientId) => (await running.engine.provider.Client.find(clientId)) !== undefined,

    async handle(req, res) {
      const pathname = pathOf(req.url!);
      const found = routes.find(pathname);
      if (!found) return send(res, stray(req, { pathname }, 404) ?? notFound);
      try {
        withOneBlank(req.headers);
        await serve(found, req, res);
      } catch (thrown) {
        const error = asOAuthError(thrown);
        // it tells the log itself, of many at once
        if (!(thrown instanceof Overloaded))
          logRefusal(deps.log, { route: found.pathname, clientId: callers.get(req) }, error, thrown);
        send(res, errorAnswer(error));
      }
    },

    refusal(pathname, { status, body }) {
      const found = routes.find(pathname);
      return found && isPage(found) ? undefined : errorAnswer(refusalOfOthers(status, body.detail));
    },

    checkClient: (metadata) => checkClient(running.engine.provider, metadata as ClientMetadata, current),

    async reload(changed) {
      const next = { ...current, ...changed };
      running = start(next, callers);
      current = next;
    },
  };
}

const optionsOfRoutes = ({ registration, exampleResource, signIn }: ProtocolDeps): Option[] => [
  ...(registration ? (['registration'] as const) : []),
  ...(exampleResource ? (['resource'] as const) : []),
  ...(signIn ? (['browsers'] as const) : []),
];

function start(deps: ProtocolDeps, callers: Callers): { engine: Engine; listener: RequestListener } {
  const engine = buildEngine(deps, callers);
  return { engine, listener: engineListener(engine.provider, deps) };
}

/** RFC 9110 11.4: between scheme and credentials there may be several; the engine knows one. */
function withOneBlank(headers: IncomingMessage['headers']): void {
  if (headers.authorization?.includes('  ')) headers.authorization = headers.authorization.replace(/^([^ ]+) +/, '$1 ');
}

const pathOf = (url: string) => url.split('?', 1)[0]!;

/** The engine knows its endpoints without the issuer's path. */
function withPath(req: IncomingMessage, pathname: string): IncomingMessage {
  const asked = pathOf(req.url!);
  if (asked !== pathname) req.url = pathname + req.url!.slice(asked.length);
  return req;
}

const notFound = errorAnswer({ status: 404, error: 'invalid_request', description: 'There is nothing here.' });

const allowOf = ({ methods }: Found) => Object.keys(methods).join(', ');

/** Not a preflight, which is the engine's: it knows no other OPTIONS and would say 404 (RFC 9110 9.3.7). */
function isPlainOptions({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] === undefined;
}

function optionsOf(found: Found): Answer {
  const headers = { allow: allowOf(found), 'cache-control': 'no-store', 'content-length': '0' };
  return { status: 200, headers, body: '' };
}

function notAllowed(found: Found): Answer {
  const allow = allowOf(found);
  return errorAnswer({ status: 405, error: 'invalid_request', description: `Use ${allow}.` }, { allow });
}
