/**
 * Rich authorization requests (RFC 9396). Each type is registered in the configuration with a JSON Schema, and with a
 * sentence per language that tells the person what it is about. What is granted is what was shown: the details go into the
 * signed context as the very text that becomes the token's `authorization_details`.
 */
import { isDeepStrictEqual } from 'node:util';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { errors, type KoaContextWithOIDC, type RichAuthorizationRequestsActiveConfiguration } from 'oidc-provider';
import type { Shown } from '../domain/operations.ts';
import { isJsonObject } from '../support/strict-json.ts';

export interface DetailType {
  type: string;
  /** Of one object. `type` need not be named in it; what it does not name is refused (RFC 9396, section 5). */
  schema: Record<string, unknown>;
  /** By language: plain text with `{path.to.member}`. */
  display: Record<string, unknown>;
  /** The same for what stands out on the screen. */
  amount?: string;
  currency?: string;
  payee?: string;
}

export type Details = Record<string, unknown>[];

interface Options {
  types: readonly DetailType[];
  /** For people who did not choose one. */
  language: string;
}

type Feature = RichAuthorizationRequestsActiveConfiguration & {
  authorizationDetailsForIntrospection(ctx: unknown, token: { rar?: unknown }): never;
};

export interface RichRequests {
  feature: Feature;
  /**
   * What the device shows. Every value is text.
   * @throws the engine's InvalidAuthorizationDetails where something that belongs on the screen is missing or cannot be shown
   */
  shown(details: Details, language: string | undefined): NonNullable<Shown['transaction']>;
}

const limits = { details: 16, bytes: 4096, text: 500, value: 200 };
// as in a binding message: what can hide, reorder or break what the person reads
const unreadable = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;
const placeholder = /\{([^{}]+)\}/g;

/** @throws Error for a schema that is none; the configuration has refused it before */
export function createRichRequests({ types, language }: Options): RichRequests {
  const byType = new Map(types.map((each) => [each.type, each]));
  const validators = compileDetailTypes(types);

  function validate(detail: unknown): void {
    const { type } = detail as { type: string };
    const isValid = validators.get(type)!;
    if (isValid(detail)) return;
    const [problem] = isValid.errors ?? [];
    const where = problem?.instancePath || (problem?.params['missingProperty'] as string | undefined) || '';
    throw invalid(`${type}: ${where} ${problem?.message ?? 'is not valid'}`.slice(0, limits.text));
  }

  return {
    feature: {
      enabled: true,
      types: Object.fromEntries(types.map(({ type }) => [type, { validate: (_ctx, detail) => validate(detail) }])),
      authorizationDetailsForGrantSource: (_ctx, source) => source.rar as never,
      authorizationDetailsForAccessToken: (ctx, _token, source) => narrowed(ctx, source?.rar as Details | undefined),
      authorizationDetailsForIntrospection: (_ctx, token) => token.rar as never,
    },

    shown(details, wanted) {
      const texts = details.map((detail) => {
        const { display } = byType.get(String(detail['type']))!;
        return filled(textFor(display, wanted, language), detail, limits.text);
      });
      return {
        ...(details.length === 1 && prominent(byType.get(String(details[0]!['type']))!, details[0]!)),
        texts,
        authorization_details: JSON.stringify(details),
      };
    },
  };
}

/** The validators of all types. @throws Error for the first schema that cannot be used */
export function compileDetailTypes(
  types: readonly Pick<DetailType, 'type' | 'schema'>[],
): Map<string, ValidateFunction> {
  // that they are schemas was checked with the configuration (config/rules.ts); once more would be a tenth of a start
  const ajv = new Ajv2020({ strict: false, validateFormats: false, validateSchema: false });
  return new Map(types.map(({ type, schema }) => [type, ajv.compile(closed(type, schema))]));
}

/** A member that the schema does not know must be refused, unless the schema itself says otherwise. */
function closed(type: string, schema: Record<string, unknown>): Record<string, unknown> {
  const isOpen = 'additionalProperties' in schema || 'unevaluatedProperties' in schema;
  const properties = { ...(schema['properties'] as object), type: { const: type } };
  const { $id, ...rest } = schema;
  return { ...rest, type: 'object', properties, ...(!isOpen && { unevaluatedProperties: false }) };
}

/** @throws the engine's InvalidAuthorizationDetails for more than a device could show */
export function readDetails(text: string): Details {
  if (Buffer.byteLength(text) > limits.bytes) throw invalid('the authorization details are too long');
  // the engine has parsed and validated them
  const details = JSON.parse(text) as Details;
  if (details.length > limits.details) throw invalid('there are too many authorization details');
  return details;
}

/** The token call may ask for fewer of what was granted, never for others nor for one of them twice (RFC 9396, section 6). */
function narrowed(ctx: KoaContextWithOIDC, granted: Details | undefined): never {
  const { authorization_details: text } = ctx.oidc.params as { authorization_details?: string };
  if (text === undefined) return granted as never;
  const wanted = parsedDetails(text);
  // one payment that was approved is not two, so each counts once
  const left = [...(granted ?? [])];
  for (const detail of wanted) {
    const found = left.findIndex((each) => isDeepStrictEqual(each, detail));
    if (found < 0) throw invalid('these authorization details were not granted');
    left.splice(found, 1);
  }
  return wanted as never;
}

/** At the token call nobody has looked at them yet. */
function parsedDetails(text: string): Details {
  try {
    const details: unknown = JSON.parse(text);
    if (Array.isArray(details)) return details;
  } catch {
    // as what follows
  }
  throw invalid('authorization_details must be a JSON array');
}

function prominent({ amount, currency, payee }: DetailType, detail: Record<string, unknown>): Record<string, string> {
  const members = Object.entries({ amount, currency, payee }).filter(([, template]) => template !== undefined);
  return Object.fromEntries(members.map(([name, template]) => [name, filled(template!, detail, limits.value)]));
}

/** The person's language, its base, the server's, any. */
function textFor(display: DetailType['display'], wanted: string | undefined, fallback: string): string {
  const names = [wanted, wanted?.split('-')[0], fallback, fallback.split('-')[0], 'en'];
  const name = names.find((each) => each !== undefined && Object.hasOwn(display, each));
  return String(display[name ?? Object.keys(display)[0]!]);
}

function filled(template: string, detail: Record<string, unknown>, max: number): string {
  const text = template.replaceAll(placeholder, (_all, path: string) => valueAt(detail, path));
  if ([...text].length > max) throw invalid('the authorization details are too long to be shown');
  return text;
}

function valueAt(detail: Record<string, unknown>, path: string): string {
  const value = path.split('.').reduce<unknown>((within, name) => {
    const isThere = (isJsonObject(within) || Array.isArray(within)) && Object.hasOwn(within, name);
    return isThere ? (within as Record<string, unknown>)[name] : undefined;
  }, detail);
  const isShowable = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  if (!isShowable || value === '') throw invalid(`${path} must be shown to the user, and is not there`);
  const text = String(value);
  if (unreadable.test(text) || [...text].length > limits.value) throw invalid(`${path} cannot be shown to the user`);
  return text;
}

const invalid = (description: string) => new errors.InvalidAuthorizationDetails(description);
