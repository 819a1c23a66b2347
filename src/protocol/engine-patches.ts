/**
 * Everything that reaches behind the engine's public face: oidc-provider 9.13.3, pinned. Each export names what it
 * takes or changes and why; test/protocol/engine-patches.test.ts has a test for each that fails when an upgrade makes
 * it ineffective. No other file imports from `oidc-provider/lib`.
 */
import { hash, type JsonWebKey, type X509Certificate } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Context, Middleware } from 'koa';
import type Provider from 'oidc-provider';
import {
  type AccountClaims,
  type BackchannelAuthenticationRequest,
  type Client,
  errors,
  type Grant,
  type KoaContextWithOIDC,
  type TokenEndpointGrantContext,
} from 'oidc-provider';
import { checkRequestedExpiry, cibaLoadAccount, cibaRequired } from 'oidc-provider/lib/actions/authorization/ciba.js';
import authenticationStack from 'oidc-provider/lib/actions/authorization/index.js';
import { getAuthorizationParams } from 'oidc-provider/lib/actions/authorization/request_parameters.js';
import tokenStack from 'oidc-provider/lib/actions/token.js';
import als from 'oidc-provider/lib/helpers/als.js';
import { issueIdToken, issueTokens } from 'oidc-provider/lib/helpers/grant_common.js';
import {
  applyAuthorizationDetails,
  buildTokenResponse,
  checkDpopReplay,
  checkDpopRequired,
  checkMtlsCert,
  type DPoPValidationResult,
  resolveAndApplyResource,
  validateDpop,
} from 'oidc-provider/lib/helpers/grants.js';
import internals from 'oidc-provider/lib/helpers/weak_cache.js';
import {
  getValidateAccessToken,
  loadAccessTokenAccount,
  loadAccessTokenClient,
  loadAccessTokenGrant,
} from 'oidc-provider/lib/shared/access_token.js';
import clientAuthentication from 'oidc-provider/lib/shared/client_auth.js';
import { urlencoded as parseBody } from 'oidc-provider/lib/shared/selective_body.js';
import type { ClientMetadata } from './deps.ts';

export type EngineContext = TokenEndpointGrantContext;
/** The key that tokens will be bound to, by a DPoP proof or by the client's certificate (RFC 9449, RFC 8705). */
export interface KeyProof {
  /** Tells keys apart, whichever way they were proved. */
  thumbprint: string;
  dpop?: DPoPValidationResult;
  certificate?: X509Certificate;
}
export type StartingKey = DPoPValidationResult;
export type { AccountClaims };

type Own<T> = { prototype: T };

/**
 * Ruling 3: URLs and `htu` come from the issuer. The engine takes them from `Host`, which the caller chooses. `own`: endpoints
 * that the engine does not know, by the name of their route.
 */
export function pinUrls(provider: Provider, { own = {}, alias }: PinnedUrls = {}): void {
  provider.OIDCContext.prototype.urlFor = function urlFor(this: { ctx: Context; route: string }, name, options) {
    const url = own[name] ?? provider.urlFor(name, options);
    if (alias === undefined || name !== this.route) return url;
    const aliased = alias + new URL(url).pathname;
    return htuNamedIn(this.ctx.get('dpop')) === aliased ? aliased : url;
  };
}

interface PinnedUrls {
  own?: Readonly<Record<string, string>>;
  /** Origin of `mtls_endpoint_aliases`: whoever calls there names it in a DPoP proof (RFC 8705 5, RFC 9449 4.3). */
  alias?: string | undefined;
}

/** What a proof says of itself; nothing is believed for it but which of our own addresses it is compared with. */
function htuNamedIn(proof: string): string | undefined {
  try {
    const { htu } = JSON.parse(Buffer.from(proof.split('.')[1] ?? '', 'base64url').toString());
    return typeof htu === 'string' ? htu.split(/[?#]/, 1)[0] : undefined;
  } catch {
    return undefined;
  }
}

/** The `auth_req_id` begins with its user's partition. The engine asks each model for its id when it is first saved. */
export function nameRequests(provider: Provider, newAuthReqId: (userId: string) => string): void {
  const { prototype } = provider.BackchannelAuthenticationRequest as unknown as Own<
    BackchannelAuthenticationRequest & { generateTokenId(): string }
  >;
  prototype.generateTokenId = function generateTokenId() {
    return newAuthReqId(this.accountId!);
  };
}

type Form = Record<string, string | string[]>;

/**
 * The engine reads most forms by itself, and takes as many parameters as come (TH-20). What it has read is given to `take`, which
 * answers the form to go on with, or refuses the request by throwing.
 */
export function takeForms(provider: Provider, take: (form: Form, at: { route: string; state: object }) => Form): void {
  const taken = Symbol('form');
  type Reading = { [taken]?: Form; route: string; ctx: Context };
  Object.defineProperty(provider.OIDCContext.prototype, 'body', {
    get(this: Reading) {
      return this[taken];
    },
    set(this: Reading, form: Form) {
      const { route, ctx } = this;
      this[taken] = take(form, { route, state: ctx.state });
    },
  });
}

/** What an access token of the engine is made of, whichever form it has. */
interface SavedToken {
  format: 'opaque' | 'jwt';
  adapter: { upsert(id: string, payload: object, expiresIn: number): Promise<void> };
  save(): Promise<string>;
  getValueAndPayload(): Promise<{ payload: object }>;
}

/**
 * An access token that is a JWT is written nowhere, so it could be neither introspected nor revoked. It is written as others are,
 * under `keptAs` of its text.
 */
export function keepStructuredTokens(provider: Provider, keptAs: (jwt: string) => string): void {
  const { prototype } = provider.AccessToken as unknown as Own<SavedToken>;
  const { save } = prototype;
  prototype.save = async function saveAndKeep() {
    const value = await save.call(this);
    if (this.format !== 'jwt') return value;
    const { iat, exp } = JSON.parse(Buffer.from(value.split('.')[1]!, 'base64url').toString());
    this.format = 'opaque';
    const { payload } = await this.getValueAndPayload();
    this.format = 'jwt';
    await this.adapter.upsert(keptAs(value), { ...payload, iat, exp }, exp - iat);
    return value;
  };
}

/** Single use in one atomic step; the engine's own is find, then save. `exp` is in epoch seconds. */
export function replaceReplayDetection(
  provider: Provider,
  once: (issuer: string, jti: string, exp: number) => Promise<boolean>,
): void {
  const model = provider.ReplayDetection as unknown as { unique: typeof once };
  model.unique = once;
}

/** Clients come from us. The engine validates static ones at first use, and forgets all but 100 others. */
export function replaceClientFind(provider: Provider, find: (id: string) => Promise<Client | undefined>): void {
  const model = provider.Client as unknown as { find(id: string): Promise<Client | undefined> };
  model.find = find;
}

/** Of registered clients only hashes are known, and there can be two secrets for a while. */
export function replaceSecretComparison(
  provider: Provider,
  compare: (client: Client, presented: string) => boolean | undefined,
): void {
  const { prototype } = provider.Client as unknown as Own<{ compareClientSecret(presented: string): unknown }>;
  const { compareClientSecret } = prototype;
  prototype.compareClientSecret = function compareOurs(this: Client, presented: string) {
    return compare(this, presented) ?? compareClientSecret.call(this, presented);
  };
}

/** the engine accepts the issuer, the token endpoint and the current one. `route`: the engine's name of that. */
export function replaceAssertionAudience(provider: Provider, audience: (route: string) => Set<string>): void {
  const { prototype } = provider.OIDCContext as unknown as Own<{ clientJwtAuthExpectedAudience(): Set<string> }>;
  prototype.clientJwtAuthExpectedAudience = function expected(this: { route: string }) {
    return audience(this.route);
  };
}

/** What of a client's key set decides when it is fetched again. */
export interface RemoteKeys {
  jwksUri?: string;
  /** Epoch seconds. */
  freshUntil?: number;
  fresh(): boolean;
  refresh(): Promise<void>;
  selectForVerify(options: { alg: string; kid?: string }): unknown[];
  selectForEncrypt(options: { alg: string; use: 'enc' }): JsonWebKey[];
}

/** The key set of a client, which the engine makes when it is first asked for. */
export function keysOf(client: Client): RemoteKeys {
  return (client as unknown as { asymmetricKeyStore: RemoteKeys }).asymmetricKeyStore;
}

/** @throws the engine's InvalidClientMetadata */
export function newClient(provider: Provider, metadata: ClientMetadata): Client {
  const Model = provider.Client as unknown as new (metadata: ClientMetadata) => Client;
  return new Model(metadata);
}

/** A call that does not go through the engine's router, in the shape that its middleware expects. */
export function newContext(
  provider: Provider,
  request: { req: IncomingMessage; res: ServerResponse; route: string; body: Record<string, unknown> },
): EngineContext {
  const ctx = provider.createContext(request.req, request.res) as Context & { oidc: { body: unknown } };
  ctx['_matchedRouteName'] = request.route;
  const oidc = new provider.OIDCContext(ctx);
  Object.assign(oidc, { body: request.body });
  Object.defineProperty(ctx, 'oidc', { value: oidc });
  return ctx as unknown as EngineContext;
}

/**
 * Who calls, by the engine's own rules. Sets `ctx.oidc.client`, and `WWW-Authenticate` where that was the way.
 * @throws errors of the engine
 */
export async function authenticateClient(ctx: EngineContext, params: Record<string, unknown>): Promise<Client> {
  Object.assign(ctx.oidc, { params });
  await run(clientAuthentication, ctx);
  return ctx.oidc.client;
}

/** As {@link authenticateClient} leaves the context, of a client that is known to have proved itself. */
export function takeClient(ctx: EngineContext, client: Client, params: Record<string, unknown>): void {
  Object.assign(ctx.oidc, { params });
  ctx.oidc.entity('Client', client);
}

/** The rest of the engine's token endpoint: other grants, whose body we had to read to know that. */
export async function runTokenEndpoint(ctx: EngineContext): Promise<void> {
  await inContext(ctx, () => run(afterBody, ctx)).catch(withoutKey);
}
const afterBody = tokenStack.filter((middleware) => middleware !== parseBody);

/** Every parameter that an authentication request may have, as the engine is configured. */
export function authenticationParameters(ctx: EngineContext): ReadonlySet<string> {
  return getAuthorizationParams(ctx);
}

/** What is ours of the engine's authentication endpoint. Each may refuse by throwing. */
export interface AuthenticationSteps {
  /** After the signed request was verified, and before anything else is looked at. */
  identify(): Promise<void>;
  /** After the engine has looked at scope, claims, details and resource. Whose request it will be. */
  ask(): Promise<string>;
}

/**
 * The rest of the engine's authentication endpoint, once the client is known, in the order of CIBA Core 7.2. Its step from
 * the hint to the person is ours: of three hints it leaves one out, another it takes as the user's id, and it comes last.
 * Answers the acknowledgement. Needs {@link inContext}.
 */
export async function runAuthentication(
  ctx: EngineContext,
  { identify, ask }: AuthenticationSteps,
): Promise<Record<string, unknown>> {
  const first: Middleware = (_ctx, next) => identify().then(next);
  const last: Middleware = async (_ctx, next) => {
    const accountId = await ask();
    ctx.oidc.entity('Account', { accountId, claims: () => ({ sub: accountId }) });
    await next();
  };
  await run([...untilVerified, first, ...afterVerified.with(afterVerified.indexOf(cibaLoadAccount), last)], ctx);
  return ctx.body as Record<string, unknown>;
}
const authentication = authenticationStack('backchannel_authentication');
const untilVerified = authentication.slice(
  authentication.indexOf(clientAuthentication.at(-1)!) + 1,
  authentication.indexOf(cibaRequired),
);
// one that is too long is shortened, not refused
const afterVerified = authentication
  .slice(authentication.indexOf(cibaRequired))
  .filter((middleware) => middleware !== checkRequestedExpiry);

/** Models ask the engine's storage which request they belong to. */
export function inContext<T>(ctx: EngineContext, work: () => Promise<T>): Promise<T> {
  return als.run(ctx, work);
}

/** The request that is being served, where the engine calls us without it (the adapter). */
export function currentContext(): object | undefined {
  return als.getStore() as object | undefined;
}

/**
 * A DPoP proof, if there is one or the client must bring one; its certificate, where tokens are bound to that. Nothing is
 * stored yet, so a failure changes nothing.
 */
export async function proveKey(provider: Provider, ctx: EngineContext): Promise<KeyProof | undefined> {
  // at the engine's invalid_grant, here and below, a client would give up a request that is alive
  // the engine's types know certificates as text only; it takes both
  const certificate = checkMtlsCert(provider, ctx, errors.InvalidRequest) as X509Certificate | undefined;
  const dpop = await validateDpop(provider, ctx);
  checkDpopRequired(provider, ctx, dpop, errors.InvalidDpopProof);
  if (!certificate) return dpop && { thumbprint: dpop.thumbprint, dpop };
  const thumbprint = `x5t#S256:${hash('sha256', certificate.raw, 'base64url')}`;
  return dpop ? { thumbprint: `${thumbprint} ${dpop.thumbprint}`, dpop, certificate } : { thumbprint, certificate };
}

/**
 * A DPoP proof of an authentication request, which has no other purpose there than to name the key of the later token request.
 * Not used up yet. @throws errors of the engine: invalid_dpop_proof, use_dpop_nonce
 */
export function proveStartingKey(provider: Provider, ctx: EngineContext): Promise<StartingKey | undefined> {
  return validateDpop(provider, ctx);
}

/** Uses the proof up. @throws errors of the engine: invalid_dpop_proof */
export async function spendStartingKey(provider: Provider, ctx: KoaContextWithOIDC, key: StartingKey): Promise<void> {
  await checkDpopReplay(provider, ctx as EngineContext, key, ctx.oidc.client!.clientId, errors.InvalidDpopProof);
}

/** Uses the proof up. `issue` does that itself. */
export async function spendProof(provider: Provider, ctx: EngineContext, proof: KeyProof | undefined): Promise<void> {
  await checkDpopReplay(provider, ctx, proof?.dpop, ctx.oidc.client.clientId, errors.InvalidDpopProof);
}

/**
 * Who holds an access token, by the engine's own rules for its userinfo endpoint: token, key binding, grant, client, and the
 * person. @throws errors of the engine (RFC 6750 3.1)
 */
export async function authenticateBearer(ctx: EngineContext): Promise<void> {
  const steps = [getValidateAccessToken(), loadAccessTokenClient, loadAccessTokenAccount, loadAccessTokenGrant];
  await inContext(ctx, () => run(steps, ctx));
}

/** Tokens of one approved request, saved through the adapter; answers the token response. Needs {@link inContext}. */
export async function issue(
  provider: Provider,
  ctx: EngineContext,
  from: { request: BackchannelAuthenticationRequest; grant: Grant; proof: KeyProof | undefined },
): Promise<Record<string, unknown>> {
  const helpers = {
    resolveAndApplyResource: resolveAndApplyResource.bind(undefined, provider),
    applyAuthorizationDetails: applyAuthorizationDetails.bind(undefined, provider),
    buildTokenResponse: buildTokenResponse.bind(undefined, provider),
  };
  const options = { gty: 'ciba', entityLabel: 'backchannel authentication request', ...bindingOf(from.proof) };
  await issueTokens(provider, helpers, ctx, from.request, from.grant, options).catch(withoutKey);
  return ctx.body as Record<string, unknown>;
}

/**
 * A key that was not proved, or proved before, is no fault of the request, code or refresh token that it came with: at the engine's
 * `invalid_grant` the client would give up what is alive (RFC 9449 5 has a code of its own). Always throws.
 */
function withoutKey(error: unknown): never {
  const detail = (error instanceof errors.InvalidGrant && error.error_detail) || '';
  if (unproved.dpop.includes(detail)) throw new errors.InvalidDpopProof(detail);
  if (unproved.certificate.includes(detail)) throw new errors.InvalidRequest(detail);
  throw error;
}
const unproved = {
  dpop: ['DPoP proof JWT not provided', 'DPoP proof JWT Replay detected'],
  certificate: ['mutual TLS client certificate not provided'],
};

const bindingOf = (proof: KeyProof | undefined) => ({ dPoP: proof?.dpop, cert: proof?.certificate });

/**
 * How tokens may be delivered; discovery and the checks of client metadata follow. The engine refuses `push` in its
 * configuration, for it has none.
 */
export function setDeliveryModes(provider: Provider, modes: readonly string[]): void {
  const { deliveryModes } = internals(provider).features.ciba;
  deliveryModes.clear();
  for (const mode of modes) deliveryModes.add(mode);
}

/** A context for work that no request asked for, on behalf of one client. */
export function serverContext(provider: Provider, client: Client): EngineContext {
  const req = new IncomingMessage(new Socket());
  Object.assign(req, { method: 'POST', url: '/' });
  const ctx = newContext(provider, { req, res: new ServerResponse(req), route: 'token', body: {} });
  Object.assign(ctx.oidc, { params: {} });
  ctx.oidc.entity('Client', client);
  return ctx;
}

/**
 * As {@link issue}, with an ID token that vouches for what is pushed beside it (CIBA Core 10.3.1). The engine makes its ID
 * token last and gives it no such claims since 9.0, so this is a second one, once the other tokens are known.
 */
export async function issuePushed(
  provider: Provider,
  ctx: EngineContext,
  { request, grant }: { request: BackchannelAuthenticationRequest; grant: Grant },
  authReqId: string,
): Promise<Record<string, unknown>> {
  const body = await issue(provider, ctx, { request, grant, proof: undefined });
  const { id_token_signed_response_alg: alg } = ctx.oidc.client.metadata();
  const vouched = {
    'urn:openid:params:jwt:claim:auth_req_id': authReqId,
    // hashed by the engine when it signs
    at_hash: body['access_token'],
    ...(body['refresh_token'] !== undefined && {
      'urn:openid:params:jwt:claim:rt_hash': leftHalf(alg!, body['refresh_token'] as string),
    }),
  };
  ctx.state['vouched'] = vouched;
  return { ...body, id_token: await issueIdToken(provider, ctx, request, ctx.oidc.entities.AccessToken, grant) };
}

/** ID tokens carry what {@link issuePushed} wants them to vouch for. */
export function extendIdTokens(provider: Provider): void {
  const { prototype } = provider.IdToken as unknown as Own<{
    ctx?: EngineContext;
    payload(): Promise<Record<string, unknown>>;
  }>;
  const { payload } = prototype;
  prototype.payload = async function payloadAndMore() {
    return { ...(await payload.call(this)), ...(this.ctx?.state['vouched'] as object | undefined) };
  };
}

/**
 * Without a key to encrypt to the engine says that the client's registration is wrong, and the client would give up what is
 * approved. What is wrong may be right in a moment: its keys are elsewhere.
 */
export function holdBackWithoutKey(provider: Provider, held: (cause: Error, clientId: string) => Error): void {
  const { prototype } = provider.IdToken as unknown as Own<{
    client: Client;
    issue(options: { use: string }): Promise<string>;
  }>;
  const { issue: make } = prototype;
  prototype.issue = async function issueOrHoldBack(options) {
    try {
      return await make.call(this, options);
    } catch (error) {
      throw error instanceof errors.InvalidClientMetadata ? held(error, this.client.clientId) : error;
    }
  };
}

/** OIDC Core 3.1.3.6: left half of the hash that belongs to the algorithm. EdDSA: SHA-512, as the engine takes for it. */
function leftHalf(alg: string, text: string): string {
  const bits = /^[A-Z]{2}(256|384|512)$/.exec(alg)?.[1] ?? '512';
  const digest = hash(`sha${bits}`, text, 'buffer');
  return digest.subarray(0, digest.length / 2).toString('base64url');
}

async function run(stack: Middleware[], ctx: EngineContext): Promise<void> {
  const dispatch = async (index: number): Promise<void> => {
    await stack[index]?.(ctx as never, () => dispatch(index + 1));
  };
  await dispatch(0);
}
