import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { type InvalidParam, invalidRequest } from './problem.ts';
import type { Schema } from './route.ts';

/** Checks against the schemas of one API; the same ones stand in its OpenAPI document. */
export interface SchemaCheck {
  /** @throws DomainError invalid_request with an entry for everything that is wrong */
  require(name: string, value: unknown): void;
  /** What is wrong with the value; nothing: it fits. */
  problems(name: string, value: unknown): InvalidParam[];
  /** For query parameters: a schema of its own, with values turned into the types that it names. */
  compileQuery(properties: Record<string, Schema>): (values: Record<string, unknown>) => void;
}

/** More would help nobody, and an answer should not grow with the attack. */
const MAX_REPORTED = 20;
const MAX_NAME_LENGTH = 100;

const RFC3339 = /^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;

/** RFC 3339 §5.6 and a day that exists. */
export function isInstant(text: string): boolean {
  if (!RFC3339.test(text)) return false;
  const day = text.slice(0, 10);
  return new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day) ?? false;
}

/**
 * Each schema is compiled when it is first used: all of them at once would be a fifth of a start. That they are schemas, and
 * compile, is a test (test/http/openapi.test.ts).
 */
export function createSchemaCheck(root: string, schemas: Record<string, Schema>): SchemaCheck {
  const options = { allErrors: true, strict: true, allowUnionTypes: true, validateSchema: false } as const;
  const formats = { 'date-time': { type: 'string', validate: isInstant } } as const;
  const bodies = new Ajv2020({ ...options, formats, keywords: ['components'] });
  bodies.addSchema({ $id: root, components: { schemas } });
  const queries = new Ajv2020({ ...options, formats, coerceTypes: true });

  const problems = (name: string, value: unknown): InvalidParam[] => {
    const validate = bodies.getSchema(`${root}#/components/schemas/${name}`);
    if (!validate) throw new Error(`no schema is called ${name}`);
    return validate(value) ? [] : invalidParams(validate.errors ?? []);
  };
  return {
    problems,
    require(name, value) {
      refuse(problems(name, value));
    },
    compileQuery(properties) {
      let validate: ValidateFunction | undefined;
      return (values) => {
        validate ??= queries.compile({ type: 'object', additionalProperties: false, properties });
        refuse(validate(values) ? [] : invalidParams(validate.errors ?? []));
      };
    },
  };
}

function refuse(invalid: InvalidParam[]): void {
  if (invalid.length > 0) throw invalidRequest(invalid);
}

function invalidParams(errors: ErrorObject[]): InvalidParam[] {
  // `propertyNames` reports the name's own problem and then itself; the first says more.
  return errors
    .filter(({ keyword }) => keyword !== 'propertyNames')
    .slice(0, MAX_REPORTED)
    .map((error) => ({ name: nameOf(error).slice(0, MAX_NAME_LENGTH), reason: reasonOf(error) }));
}

/** `/attributes/address` and the member that is missing or too much: `attributes.address`. */
function nameOf({ instancePath, params, propertyName }: ErrorObject): string {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const { additionalProperty, missingProperty } = params as { additionalProperty?: string; missingProperty?: string };
  return [...path, additionalProperty ?? missingProperty ?? propertyName]
    .filter((part) => part !== undefined)
    .join('.');
}

function reasonOf({ keyword, params, message = 'is not valid', propertyName }: ErrorObject): string {
  if (keyword === 'additionalProperties') return 'is not known here';
  if (keyword === 'required') return 'is required';
  if (keyword === 'enum')
    return `must be one of ${JSON.stringify((params as { allowedValues: unknown }).allowedValues)}`;
  if (keyword === 'format') return 'must be an RFC 3339 instant, for example 2026-11-20T10:15:00Z';
  return propertyName === undefined ? message : `its name ${message}`;
}
