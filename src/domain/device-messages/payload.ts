/** Readers for the members of a verified payload. A member of the wrong kind is one refusal: `message_invalid`. */
import { fromBase64url } from '../../support/bytes.ts';
import type { EcPublicJwk } from '../../support/jose/index.ts';
import { parsePublicJwk } from '../../support/jose/index.ts';
import { isJsonObject, type JsonObject } from '../../support/strict-json.ts';
import { DomainError } from '../errors.ts';

export function invalid(detail: string, cause?: unknown): DomainError {
  return new DomainError('message_invalid', { detail, cause });
}

/** @throws DomainError message_invalid, also for an empty text or one longer than `max` UTF-16 units */
export function textOf(object: JsonObject, name: string, max = 256): string {
  const value = object[name];
  if (typeof value !== 'string' || value === '' || value.length > max) throw invalid(`${name} is not a text`);
  return value;
}

export function optionalTextOf(object: JsonObject, name: string, max = 256): string | undefined {
  return object[name] === undefined ? undefined : textOf(object, name, max);
}

/** @throws DomainError message_invalid, unless a safe integer, not negative */
export function integerOf(object: JsonObject, name: string): number {
  const value = object[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw invalid(`${name} is not a number`);
  return value;
}

export function objectOf(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  if (!isJsonObject(value)) throw invalid(`${name} is not an object`);
  return value;
}

/** Base64url of exactly `bytes` bytes, or of at least `bytes` where `atLeast`. Returned as the text. */
export function base64urlOf(object: JsonObject, name: string, bytes: number, atLeast = false): string {
  const text = textOf(object, name);
  const { length } = readBytes(text, name);
  if (atLeast ? length < bytes : length !== bytes) throw invalid(`${name} has a wrong length`);
  return text;
}

function readBytes(text: string, name: string): Buffer {
  try {
    return fromBase64url(text);
  } catch (cause) {
    throw invalid(`${name} is not base64url`, cause);
  }
}

export function publicJwkOf(object: JsonObject, name: string): EcPublicJwk {
  try {
    return parsePublicJwk(object[name]);
  } catch (cause) {
    throw invalid(`${name} is not a public P-256 key`, cause);
  }
}

/** One of the allowed texts. */
export function oneOf<T extends string>(object: JsonObject, name: string, allowed: readonly T[]): T {
  const value = object[name];
  if (!allowed.includes(value as T)) throw invalid(`${name} is not one of the known values`);
  return value as T;
}
