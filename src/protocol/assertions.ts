import { errors } from 'oidc-provider';
import type { Clock } from '../support/clock.ts';
import type { ClientMetadata, ProtocolSettings } from './deps.ts';
import { clientMember, path } from './vocabulary.ts';

type Policy = ProtocolSettings['clientAuthentication']['audience'];

/** An assertion that is good for longer would have to be remembered for longer (A-05, TH-10). */
const maxSeconds: Record<Policy, number> = { core: 3600, rfc10070: 300 };

/** RFC 10070: says what a JWT is for, so that none made for something else can be used here. */
const assertionType = 'client-authentication+jwt';
/** What others call theirs. */
const plainTypes = ['jwt', assertionType];

/**
 * whom the assertion may be made for. `core`: the issuer, or one of the two endpoints of CIBA, however it was reached
 * (CIBA Core 7.1); `rfc10070`: the issuer and nobody else, checked in {@link checkAssertion}.
 *
 * @param further paths of endpoints that may be named as well where they are called: RFC 9126 2 wants that of PAR
 */
export function audiencesOf(issuer: string, mtlsOrigin: string | undefined, ...further: string[]): Set<string> {
  const prefix = new URL(issuer).pathname.replace(/\/$/, '');
  const bases = [issuer.replace(/\/$/, ''), ...(mtlsOrigin === undefined ? [] : [mtlsOrigin + prefix])];
  const paths = [path.token, path.authentication, ...further];
  return new Set([issuer, ...bases.flatMap((base) => paths.map((each) => base + each))]);
}

export interface Assertion {
  claims: Record<string, unknown>;
  header: Record<string, unknown>;
  client: ClientMetadata | Record<string, unknown>;
}

/**
 * What the engine leaves open, after signature, issuer, subject, audience and expiry.
 * @throws errors.InvalidClientAuth
 */
export function checkAssertion(
  { claims, header, client }: Assertion,
  { issuer, settings, clock }: { issuer: string; settings: ProtocolSettings; clock: Clock },
): void {
  const policy = (client[clientMember.audience] as Policy | undefined) ?? settings.clientAuthentication.audience;
  const refuse = (why: string): never => {
    throw new errors.InvalidClientAuth(why);
  };
  // RFC 7515 4.1.11: the engine understands no extension; `b64` among them would let two readers see two payloads
  if (header['crit'] !== undefined) refuse('the client assertion has critical headers');
  const type = String(header['typ'] ?? 'jwt')
    .toLowerCase()
    .replace(/^application\//, '');
  if (policy === 'rfc10070' ? type !== assertionType : !plainTypes.includes(type)) {
    refuse('the client assertion is a JWT of another type');
  }
  if (policy === 'rfc10070' && claims['aud'] !== issuer) refuse('the audience must be the issuer, as one text');
  // the client was found by `sub`
  if (claims['iss'] !== claims['sub']) refuse('issuer and subject must be the client');
  const now = clock() / 1000;
  const { exp, iat } = claims as { exp: number; iat?: number };
  const begin = typeof iat === 'number' ? Math.min(iat, now) : now;
  if (exp > begin + maxSeconds[policy] + clockToleranceSeconds) refuse('the client assertion is valid for too long');
}

/** Ruling 5. */
export const clockToleranceSeconds = 10;
