/** `id_token_hint`: an ID token of ours, for this client, whatever its age (CIBA Core 7.1, OpenID Connect Core 3.1.2.1). */
import type { ServerKeys } from '../domain/server-keys.ts';
import { audienceOf, isInstant, isTyp, type ReadJwt, readJwt } from './jwt-text.ts';
import { verifies } from './login-hint-token.ts';
import { refused } from './refused.ts';

const maxLength = 8 * 1024;

interface Deps {
  issuer: string;
  clientId: string;
  serverKeys: Pick<ServerKeys, 'publicKeys'>;
}

/**
 * Verified with every key that ever signed ID tokens: public halves stay when the private ones are gone. Other JWTs of
 * ours have a `typ` of their own, or no end.
 *
 * @returns the `sub`, as this client knows it
 * @throws the engine's InvalidRequest
 */
export async function readIdTokenHint(token: string, { issuer, clientId, serverKeys }: Deps): Promise<string> {
  if (token.length > maxLength) throw refused('id_token_hint is too long');
  const jwt = read(token);
  const { header, payload } = jwt;
  const { iss, sub, iat, exp } = payload;
  const isIdToken = isTyp(header.typ, 'jwt') && isInstant(iat) && isInstant(exp) && typeof sub === 'string';
  if (!isIdToken || iss !== issuer) throw refused('id_token_hint is no ID token of this server');
  if (!(await isSigned(token, jwt, serverKeys))) throw refused('id_token_hint does not verify');
  if (!audienceOf(payload)?.includes(clientId)) throw refused('id_token_hint was issued to another client');
  return sub as string;
}

function read(token: string): ReadJwt {
  // H-07
  if (token.split('.').length === 5) throw refused('id_token_hint is encrypted; the client must decrypt it first');
  try {
    return readJwt(token);
  } catch (cause) {
    throw refused('id_token_hint cannot be read', cause);
  }
}

async function isSigned(token: string, { header }: ReadJwt, serverKeys: Deps['serverKeys']): Promise<boolean> {
  const { alg, kid } = header;
  const keys = serverKeys.publicKeys('oidc').filter((key) => key.alg === alg && (kid ?? key.kid) === key.kid);
  for (const { jwk } of keys) {
    if (await verifies(token, jwk as never, alg)) return true;
  }
  return false;
}
