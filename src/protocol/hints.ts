/** Whom a `login_hint` or a subject identifier names: from texts to one of our own identifiers (surfaces, section 2). */
import { readIdentifier } from '../domain/identifiers.ts';
import type { IdentifierKind } from '../domain/user.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../support/strict-json.ts';
import { refused } from './refused.ts';

/** `sub`: as the client knows the person. `device`: the person who holds it, and no other device may answer. */
export type Named = { kind: 'sub' | 'device' | IdentifierKind; value: string };

/** An e-mail address has at most 254 characters; the rest is room for a prefix, or for JSON around it. */
const maxHintLength = 320;
const maxJsonLength = 1024;

const prefixes = new Map<string, Named['kind']>([
  ['sub', 'sub'],
  ['tel', 'phone'],
  ['email', 'email'],
  ['device', 'device'],
]);

/**
 * User name, e-mail, phone number; `sub:`, `email:`, `tel:` or `device:` and the value; or a subject identifier as JSON.
 * None of the first three can hold a colon or a brace where these have theirs (ruling 24), so the forms cannot be confused.
 *
 * @returns undefined for what cannot name anybody
 * @throws the engine's InvalidRequest for what is too long to be a hint, before anything parses it; for JSON that names
 *         in a way that is not one
 */
export function parseLoginHint(hint: string, issuer: string): Named | undefined {
  const isJson = hint.startsWith('{');
  if (hint.length > (isJson ? maxJsonLength : maxHintLength)) throw refused('login_hint is too long');
  if (isJson) return readSubjectIdentifier(parsed(hint), issuer);
  const [, prefix, value] = /^([a-z]+):(.+)$/i.exec(hint) ?? [];
  if (prefix === undefined || value === undefined) return readIdentifier(hint);
  const kind = prefixes.get(prefix.toLowerCase());
  return kind && { kind, value };
}

/**
 * RFC 9493. `iss_sub` is somebody whom we know by that `sub`; `opaque` the integrator's own reference (`external_ref`);
 * `account` a user name at our own host. `aliases` is refused: two identifiers could be two people, and whoever sent them
 * knows better which one is meant.
 *
 * @returns undefined for an identifier of a kind that we do not keep
 * @throws the engine's InvalidRequest for what is no subject identifier
 */
export function readSubjectIdentifier(identifier: unknown, issuer: string): Named | undefined {
  if (!isJsonObject(identifier)) throw refused('not a subject identifier');
  switch (textIn(identifier, 'format')) {
    case 'iss_sub': {
      const isOurs = withoutSlash(textIn(identifier, 'iss')) === withoutSlash(issuer);
      const value = textIn(identifier, 'sub');
      return isOurs ? { kind: 'sub', value } : undefined;
    }
    case 'email':
      return { kind: 'email', value: textIn(identifier, 'email') };
    case 'phone_number':
      return { kind: 'phone', value: textIn(identifier, 'phone_number') };
    case 'opaque':
      return { kind: 'external_ref', value: textIn(identifier, 'id') };
    case 'account':
      return accountOf(textIn(identifier, 'uri'), issuer);
    case 'aliases':
      throw refused('a subject identifier of format aliases is not supported; send one of them');
    case 'did':
    case 'uri':
      return undefined;
    default:
      throw refused('a subject identifier of an unknown format');
  }
}

/** `acct:name@host` (RFC 7565), whose host is ours. */
function accountOf(uri: string, issuer: string): Named | undefined {
  const [, name, host] = /^acct:([^@]+)@([^@/?#]+)$/i.exec(uri) ?? [];
  if (name === undefined || host === undefined) throw refused('uri must be an acct: URI');
  return host.toLowerCase() === new URL(issuer).hostname ? { kind: 'username', value: name } : undefined;
}

function parsed(hint: string): JsonObject {
  try {
    return parseJsonObject(hint, 2);
  } catch (cause) {
    throw refused('login_hint is not JSON', cause);
  }
}

function textIn(identifier: JsonObject, member: string): string {
  const value = identifier[member];
  if (typeof value !== 'string' || value === '') throw refused(`a subject identifier needs ${member}`);
  return value;
}

/** SDKs build the issuer from a domain, and some end it with a slash (B11). */
const withoutSlash = (text: string) => text.replace(/\/$/, '');
