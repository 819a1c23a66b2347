/**
 * Signed authentication requests (CIBA Core 7.1.1). Of the checks these are ours; the engine then compares `iss`, `aud`,
 * `exp` and `nbf`, verifies the signature with the client's registered keys, and refuses `request` within `request`.
 *
 *     size → outer parameters → strict JSON → typ, alg → required claims, window → types ─engine: signature─> whom, what ─ciba.ts─> jti used up
 */
import type { Client } from 'oidc-provider';
import { isJsonObject, type JsonObject } from '../support/strict-json.ts';
import type { ProtocolDeps } from './deps.ts';
import type { Form } from './form.ts';
import { isInstant, isTyp, type ReadJwt, readJwt } from './jwt-text.ts';
import { refused } from './refused.ts';
import { clientAuthenticationParameters } from './vocabulary.ts';

export interface SignedRequest {
  jti: string;
  /** Epoch seconds. */
  exp: number;
  /** As the client sent them: objects where they are. */
  requestContext?: unknown;
  document?: unknown;
}

export const maxLength = 32 * 1024;
/** FAPI-CIBA 5.2.2; good for everybody: the `jti` must be remembered as long. */
export const maxWindowSeconds = 3600;
export const clockToleranceSeconds = 10;
/** These are sent beside the request, and prove nothing within it: whoever sends them there has let them out. */
const onlyOutside = clientAuthenticationParameters.filter((name) => name !== 'client_id');
const requiredClaims = ['iss', 'aud', 'exp', 'iat', 'nbf', 'jti'];

/** Members that may be JSON, or a number (J-13, J-17). All others that are parameters are texts. */
const otherTypes: Record<string, (value: unknown) => boolean> = {
  requested_expiry: (value) => typeof value === 'number',
  max_age: (value) => typeof value === 'number',
  authorization_details: Array.isArray,
  claims: isJsonObject,
  request_context: isJsonObject,
  document: isJsonObject,
  resource: (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
};

interface Reading {
  client: Client;
  /** Names of authentication request parameters. */
  parameters: ReadonlySet<string>;
  /** Epoch milliseconds. */
  now: number;
}

/**
 * @returns undefined where the request is not signed
 * @throws the engine's InvalidRequest, for whatever is wrong (J-20)
 */
export function readSignedRequest(form: Form, { client, parameters, now }: Reading): SignedRequest | undefined {
  const { request } = form;
  if (!request) return undefined;
  if (Array.isArray(request)) throw refused('request must not be provided twice');
  if (request.length > maxLength) throw refused('the request object is too large');
  refuseOutside(form, parameters);
  const { header, payload } = read(request);
  if (!isTyp(header.typ, 'oauth-authz-req+jwt', 'jwt')) throw refused('the typ of the request object is another');
  checkAlgorithm(header.alg, client);
  refuseInside(payload);
  checkClaims(payload, client, now / 1000);
  for (const name of parameters) checkType(name, payload[name]);
  const { jti, exp, request_context: requestContext, document } = payload;
  return { jti: String(jti), exp: Number(exp), requestContext, document };
}

/** J-11: what is sent beside the request object is neither used nor ignored. */
function refuseOutside(form: Form, parameters: ReadonlySet<string>): void {
  const allowed: readonly string[] = ['request', ...clientAuthenticationParameters];
  const outside = Object.keys(form).filter((name) => parameters.has(name) && !allowed.includes(name) && form[name]);
  if (outside.length > 0) throw refused(`parameters beside the request object: ${outside.join(', ')}`);
}

function refuseInside(payload: JsonObject): void {
  const inside = onlyOutside.filter((name) => payload[name] !== undefined);
  if (inside.length > 0) throw refused(`client authentication within the request object: ${inside.join(', ')}`);
}

function read(request: string): ReadJwt {
  if (request.split('.').length === 5) throw refused('encrypted request objects are not supported');
  try {
    return readJwt(request);
  } catch (cause) {
    throw refused('the request object cannot be read', cause);
  }
}

/** The client says at registration whether and how it signs; nothing is left to the request. */
function checkAlgorithm(alg: string, client: Client): void {
  const registered = client.backchannelAuthenticationRequestSigningAlg;
  if (registered === undefined) throw refused('the client has not registered to sign its requests');
  if (alg !== registered) throw refused('the request object is signed with another algorithm than registered');
}

function checkClaims(payload: JsonObject, client: Client, nowSeconds: number): void {
  const missing = requiredClaims.filter((name) => payload[name] === undefined);
  if (missing.length > 0) throw refused(`the request object is missing ${missing.join(', ')}`);
  const { exp, iat, nbf, jti, sub } = payload;
  if (!isInstant(exp) || !isInstant(iat) || !isInstant(nbf)) throw refused('exp, iat and nbf must be numbers');
  if (exp <= nbf || exp - nbf > maxWindowSeconds) throw refused('the request object is valid for too long');
  if (iat > nowSeconds + clockToleranceSeconds) throw refused('the request object was issued in the future');
  if (typeof jti !== 'string' || jti === '' || jti.length > 256) throw refused('jti must be a text');
  // RFC 9101, 10.8: with the client as its subject it could pass for a client assertion
  if (sub === client.clientId) throw refused('the client must not be the subject of its request object');
}

function checkType(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'string' || otherTypes[name]?.(value)) return;
  throw refused(`${name} has a type that it cannot have`);
}

/** After the signature. The client's assertions share the record, so one JWT is never both (J-17). */
export function isFirstUse(
  { replay, clock }: Pick<ProtocolDeps, 'replay' | 'clock'>,
  clientId: string,
  { jti, exp }: Pick<SignedRequest, 'jti' | 'exp'>,
): Promise<boolean> {
  const until = (exp + clockToleranceSeconds) * 1000;
  return replay.once({ scope: `jti:${clientId}`, id: jti, now: clock(), until });
}
