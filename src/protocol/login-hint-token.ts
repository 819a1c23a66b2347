/** `login_hint_token`: a JWT in which somebody else names the person (CIBA Core 7.1; RFC 9493 for `sub_id`). */
import { compactVerify, importJWK } from 'jose';
import { errors } from 'oidc-provider';
import type { Clock } from '../support/clock.ts';
import type { HintIssuer, IssuerKeys } from './issuer-keys.ts';
import { asymmetricAlgs, audienceOf, isInstant, isTyp, type ReadJwt, readJwt } from './jwt-text.ts';
import { refused } from './refused.ts';

const maxLength = 8 * 1024;
const clockToleranceSeconds = 10;

interface Deps {
  /** Our own, the audience of tokens that are meant for us. */
  issuer: string;
  issuers: readonly HintIssuer[];
  issuerKeys: IssuerKeys;
  clock: Clock;
}

/**
 * What the token says about the person.
 *
 * @throws the engine's ExpiredLoginHintToken for one that was good, InvalidRequest for every other
 */
export async function readLoginHintToken(token: string, deps: Deps): Promise<unknown> {
  if (token.length > maxLength) throw refused('login_hint_token is too long');
  const jwt = read(token);
  const { header, payload } = jwt;
  const issuer = deps.issuers.find((each) => each.issuer === payload['iss']);
  if (!issuer) throw refused('the issuer of the login_hint_token is not known');
  if (!isTyp(header.typ, 'jwt')) throw refused('the typ of the login_hint_token is another');
  if (!(await isSigned(token, jwt, issuer, deps.issuerKeys))) throw refused('the login_hint_token does not verify');
  if (!audienceOf(payload)?.includes(issuer.audience ?? deps.issuer)) {
    throw refused('the login_hint_token is for somebody else');
  }
  checkTime(payload, deps.clock() / 1000);
  return payload['sub_id'];
}

function read(token: string): ReadJwt {
  try {
    return readJwt(token);
  } catch (cause) {
    throw refused('the login_hint_token cannot be read', cause);
  }
}

async function isSigned(token: string, { header }: ReadJwt, issuer: HintIssuer, keys: IssuerKeys): Promise<boolean> {
  const { alg } = header;
  if (!(asymmetricAlgs as readonly string[]).includes(alg)) return false;
  for (const jwk of await keys.keysOf(issuer, header)) {
    if (await verifies(token, jwk, alg)) return true;
  }
  return false;
}

export async function verifies(token: string, jwk: Parameters<typeof importJWK>[0], alg: string): Promise<boolean> {
  try {
    await compactVerify(token, await importJWK(jwk, alg), { algorithms: [alg] });
    return true;
  } catch {
    return false;
  }
}

/** Expiry is told last: only of a token that was good is it worth saying (CIBA Core 13). */
function checkTime({ exp, nbf, iat }: ReadJwt['payload'], now: number): void {
  if (!isInstant(exp)) throw refused('the login_hint_token has no end');
  for (const from of [nbf, iat]) {
    if (from === undefined) continue;
    if (!isInstant(from) || from > now + clockToleranceSeconds) throw refused('the login_hint_token is not valid yet');
  }
  if (exp <= now - clockToleranceSeconds) throw new errors.ExpiredLoginHintToken('the login_hint_token has expired');
}
