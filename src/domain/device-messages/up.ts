/** Messages up: decrypted, but not believed. What is inside is looked at by request.ts. */
import { timingSafeEqual } from 'node:crypto';
import { fromBase64url, utf8Text } from '../../support/bytes.ts';
import { decryptJwe, JoseError, type JweKey, type ParsedJwe, parseJwe } from '../../support/jose/index.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../support/strict-json.ts';
import { DomainError } from '../errors.ts';
import type { ServerKeyPair } from './server-key.ts';
import type { OpenSession } from './sessions.ts';
import { paddingBytes, typ } from './wire.ts';

/** Four signing keys would be one more than any device has. */
const maxProofs = 4;

interface OpenedBase {
  /** the answer goes under this key: 32 bytes, for this request alone */
  readonly rk: Buffer;
}

/** Encrypted to `box`; signed by somebody, still to be verified. */
export interface OpenedSigned extends OpenedBase {
  readonly kind: 'signed';
  readonly jws: string;
  readonly proofs: readonly string[];
}

/** Encrypted under a session key, so made by whoever was given the session. */
export interface OpenedSession extends OpenedBase {
  readonly kind: 'session';
  readonly session: OpenSession;
  readonly request: JsonObject;
}

export type OpenedUp = OpenedSigned | OpenedSession;

export interface UpKeys {
  /** a `box` key by kid, while its private half exists */
  boxKey(kid: string): Pick<ServerKeyPair, 'privateKey'> | undefined;
  /** a session by its id; see sessions.ts */
  openSession(id: string): OpenSession | undefined;
}

/**
 * Decrypt a message up.
 *
 * @param token the request's body
 * @throws DomainError unreadable | unknown_key: both go out as a plain 400, there is no `rk` to answer under. A session
 *         that does not open any more is `unknown_key` too: the device starts a new one.
 */
export function openUp(token: string, keys: UpKeys): OpenedUp {
  try {
    return open(token, keys);
  } catch (cause) {
    if (cause instanceof DomainError) throw cause;
    throw unreadable(
      cause instanceof JoseError ? `${cause.code}: ${cause.message}` : 'not the form of a message',
      cause,
    );
  }
}

function open(token: string, keys: UpKeys): OpenedUp {
  const jwe = parseJwe(token);
  if (jwe.header.typ !== typ.up || jwe.header.cty !== 'json') throw unreadable('typ or cty');
  const session = jwe.header.alg === 'dir' ? keys.openSession(jwe.header.kid ?? '') : undefined;
  const plaintext = decryptJwe(jwe, session ? { alg: 'dir', key: session.key } : boxKey(jwe, keys));
  if (plaintext.length % paddingBytes !== 0) throw unreadable('not padded');
  const envelope = parseJsonObject(utf8Text(plaintext));
  return session ? readSession(envelope, session) : readSigned(envelope);
}

function boxKey({ header }: ParsedJwe, keys: UpKeys): JweKey {
  const box = header.alg === 'ECDH-ES' ? keys.boxKey(header.kid ?? '') : undefined;
  if (!box) throw new DomainError('unknown_key', { detail: `no ${header.alg} key of that kid` });
  return { alg: 'ECDH-ES', privateKey: box.privateKey };
}

function readSigned(envelope: JsonObject): OpenedSigned {
  onlyMembers(envelope, ['rk', 'jws', 'proofs', 'pad']);
  const { jws, proofs = [] } = envelope;
  if (typeof jws !== 'string') throw unreadable('no jws');
  if (!Array.isArray(proofs) || proofs.length > maxProofs || !proofs.every((proof) => typeof proof === 'string')) {
    throw unreadable('proofs is not a short list of texts');
  }
  return { kind: 'signed', rk: responseKey(envelope), jws, proofs };
}

function readSession(envelope: JsonObject, session: OpenSession): OpenedSession {
  onlyMembers(envelope, ['rk', 'request', 'pad']);
  if (!isJsonObject(envelope.request)) throw unreadable('no request');
  const rk = responseKey(envelope);
  if (timingSafeEqual(rk, session.key)) throw unreadable('rk is not fresh');
  return { kind: 'session', rk, session, request: envelope.request };
}

function onlyMembers(envelope: JsonObject, allowed: string[]): void {
  if (!Object.keys(envelope).every((name) => allowed.includes(name))) throw unreadable('an unknown member');
}

function responseKey({ rk }: JsonObject): Buffer {
  const key = typeof rk === 'string' ? fromBase64url(rk) : Buffer.alloc(0);
  if (key.length !== 32) throw unreadable('rk is not 32 bytes');
  return key;
}

function unreadable(detail: string, cause?: unknown): DomainError {
  return new DomainError('unreadable', { detail, cause });
}
