import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Client, errors } from 'oidc-provider';
import { fromBase64url, utf8Text } from '../support/bytes.ts';
import type { Clock } from '../support/clock.ts';
import { isSignature, isSignatureAlg, type SignatureAlg } from '../support/jose/index.ts';
import { type JsonObject, parseJsonObject } from '../support/strict-json.ts';
import { checkAssertion, clockToleranceSeconds } from './assertions.ts';
import type { ClientDirectory } from './client-directory.ts';
import type { ProtocolSettings } from './deps.ts';
import { keysOf } from './engine-patches.ts';

/**
 * Client assertions (RFC 7523) that are right, seen in one look: who polls with `private_key_jwt` shows another one each
 * time, and the engine's way through WebCrypto and four layers of middleware is the dearest step of such a poll.
 *
 *     form ──> read ──> client ──> claims ──> signature ──> jti, used up last ──> the client
 *       └─────────┴────────┴─────────┴────────────┴── not right, or not plain: the engine looks, and says why
 *
 * So nothing is refused here but a `jti` that was used. And nothing is accepted that the engine would refuse: every check
 * is its own or a stricter one, in `shared/jwt_client_auth.js` and `helpers/jwt.js` of oidc-provider.
 */
export interface QuickAssertions {
  /** @throws errors.InvalidClientAuth where the assertion was used before */
  clientOf(request: Pick<IncomingMessage, 'headers'>, presented: Record<string, unknown>): Promise<Client | undefined>;
}

export interface QuickAssertionsDeps {
  issuer: string;
  settings: ProtocolSettings;
  clock: Clock;
  find: ClientDirectory['find'];
  /** */
  audiences: ReadonlySet<string>;
  /** Uses a `jti` up; `exp` in epoch seconds. */
  once(issuer: string, jti: string, exp: number): Promise<boolean>;
}

/** a request that says in another way as well who calls is for the engine to judge. */
const otherWays = ['authorization', 'oauth-client-attestation', 'oauth-client-attestation-pop'];
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

interface Assertion {
  header: JsonObject;
  claims: JsonObject;
  signed: Buffer;
  signature: Buffer;
}

export function createQuickAssertions(deps: QuickAssertionsDeps): QuickAssertions {
  const { settings, clock, find, audiences, once } = deps;
  const imported = new WeakMap<object, KeyObject>();

  async function clientOf(
    { headers }: Pick<IncomingMessage, 'headers'>,
    presented: Record<string, unknown>,
  ): Promise<Client | undefined> {
    const assertion = otherWays.some((name) => name in headers) ? undefined : readPresented(presented);
    if (!assertion || typeof assertion.claims['sub'] !== 'string') return undefined;
    const client = await find(assertion.claims['sub']);
    if (client?.clientAuthMethod !== 'private_key_jwt' || !isRight(assertion, client)) return undefined;
    const { iss, jti, exp } = assertion.claims as { iss: string; jti: string; exp: number };
    if (await once(iss, jti, exp + clockToleranceSeconds)) return client;
    throw new errors.InvalidClientAuth('client assertion tokens must only be used once');
  }

  function isRight(assertion: Assertion, client: Client): boolean {
    return hasRightClaims(assertion, client) && isAsConfigured(assertion, client) && isSigned(assertion, client);
  }

  function hasRightClaims({ claims }: Assertion, { clientId }: Client): boolean {
    const { iss, sub, jti, aud, exp, nbf, iat } = claims;
    const now = Math.floor(clock() / 1000);
    return (
      iss === clientId &&
      sub === clientId &&
      typeof jti === 'string' &&
      jti !== '' &&
      isForUs(aud) &&
      typeof exp === 'number' &&
      now - clockToleranceSeconds < exp &&
      (nbf === undefined || (typeof nbf === 'number' && nbf <= now + clockToleranceSeconds)) &&
      (iat === undefined || typeof iat === 'number')
    );
  }

  function isForUs(aud: unknown): boolean {
    const named: unknown[] = Array.isArray(aud) ? aud : [aud];
    return named.every((each) => typeof each === 'string') && named.some((each) => audiences.has(each as string));
  }

  function isAsConfigured({ claims, header }: Assertion, client: Client): boolean {
    try {
      checkAssertion({ claims, header, client }, deps);
      return true;
    } catch {
      return false; // the engine asks the same, and its refusal is the one that counts
    }
  }

  function isSigned({ header, signed, signature }: Assertion, client: Client): boolean {
    const { alg, kid } = header as { alg: SignatureAlg; kid?: string };
    const { tokenEndpointAuthSigningAlg: registered } = client;
    if (registered ? alg !== registered : !settings.clientAuthentication.signingAlgs.includes(alg)) return false;
    const keys = keysOf(client).selectForVerify({ alg, ...(kid !== undefined && { kid }) }) as JsonWebKey[];
    return keys.some((jwk) => {
      const key = keyOf(jwk);
      return key !== undefined && isSignature(alg, key, signed, signature);
    });
  }

  /** A key stays the same object as long as its set is not fetched anew. undefined: it is none, whatever it says. */
  function keyOf(jwk: JsonWebKey): KeyObject | undefined {
    const known = imported.get(jwk);
    if (known) return known;
    const { kty, crv, x, y, n, e } = jwk;
    try {
      const key = createPublicKey({ format: 'jwk', key: { kty, crv, x, y, n, e } as JsonWebKey });
      imported.set(jwk, key);
      return key;
    } catch {
      return undefined;
    }
  }

  return { clientOf };
}

/** undefined: there is none, or not in the plain form. */
function readPresented(presented: Record<string, unknown>): Assertion | undefined {
  const { client_assertion: token, client_assertion_type: type, client_id: id, ...others } = presented;
  if (typeof token !== 'string' || type !== assertionType || Object.keys(others).length > 0) return undefined;
  const assertion = readAssertion(token);
  return id === undefined || id === assertion?.claims['sub'] ? assertion : undefined;
}

function readAssertion(token: string): Assertion | undefined {
  const [head = '', body = '', tail = '', ...more] = token.split('.');
  if (more.length > 0) return undefined;
  try {
    const header = parseJsonObject(utf8Text(fromBase64url(head)));
    const isPlain =
      isSignatureAlg(header['alg']) &&
      (header['kid'] === undefined || typeof header['kid'] === 'string') &&
      header['crit'] === undefined &&
      header['b64'] === undefined;
    if (!isPlain) return undefined;
    const claims = parseJsonObject(utf8Text(fromBase64url(body)));
    return { header, claims, signed: Buffer.from(`${head}.${body}`), signature: fromBase64url(tail) };
  } catch {
    return undefined;
  }
}
