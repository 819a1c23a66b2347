import { allow } from '../health.ts';
import type { Middleware } from '../middleware/context.ts';
import type { ResponseSpec, RouteSpec, Schema } from '../route.ts';

export interface OpenapiParts {
  info: { title: string; version: string; description: string };
  /** Where the paths begin. */
  server: { url: string; description: string };
  tags: { name: string; description: string }[];
  securitySchemes: Record<string, Schema>;
  schemas: Record<string, Schema>;
  /** Problems that every route may answer, by status. */
  commonProblems: Record<number, string>;
  routes: readonly RouteSpec[];
  /** Members of one operation that only this API has. */
  extend?: (route: RouteSpec) => Record<string, unknown>;
}

export const problemSchema: Schema = {
  type: 'object',
  description: 'A refusal (RFC 9457). Programs read `code`; it never changes its meaning.',
  required: ['type', 'title', 'status', 'detail', 'code', 'trace_id'],
  properties: {
    type: { type: 'string', description: '`urn:assent:problem:<code>`' },
    title: { type: 'string', description: 'What the code means, in one sentence.' },
    status: { type: 'integer', description: 'The HTTP status.' },
    detail: { type: 'string', description: 'What is particular to this case.' },
    code: { type: 'string', description: 'Stable name of the refusal.', examples: ['user_not_found'] },
    trace_id: { type: 'string', description: 'Finds this request in the log; also in `X-Trace-Id`.' },
    invalid_params: {
      type: 'array',
      description: 'What is wrong with the input.',
      items: {
        type: 'object',
        description: 'One thing that is wrong.',
        required: ['name', 'reason'],
        properties: {
          name: { type: 'string', description: 'The member, as a path with dots; the whole body where it is empty.' },
          reason: { type: 'string', description: 'What is wrong, or what would be right.' },
        },
      },
    },
  },
};

/** OpenAPI 3.1, made from the very table that the router mounts: the two cannot drift apart. */
export function openapiDocument(parts: OpenapiParts): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of parts.routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = { ...operationOf(route, parts), ...parts.extend?.(route) };
  }
  return {
    openapi: '3.1.0',
    info: { ...parts.info, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [parts.server],
    tags: parts.tags,
    paths,
    components: { securitySchemes: parts.securitySchemes, schemas: { ...parts.schemas, Problem: problemSchema } },
  };
}

function operationOf(route: RouteSpec, { commonProblems }: OpenapiParts): Record<string, unknown> {
  const { operationId, summary, description, tag, body } = route;
  const problems = Object.entries({ ...commonProblems, ...route.problems });
  return {
    operationId,
    summary,
    ...(description && { description }),
    tags: [tag],
    parameters: parametersOf(route),
    ...(body && { requestBody: { required: body.required, content: contentOf(body.types, body.schema) } }),
    responses: {
      ...Object.fromEntries(Object.entries(route.responses).map(([status, spec]) => [status, responseOf(spec)])),
      ...Object.fromEntries(problems.map(([status, text]) => [status, problemResponse(text ?? '')])),
    },
  };
}

function parametersOf({ path, query = {}, headers = {} }: RouteSpec): Record<string, unknown>[] {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    description: name === 'id' ? 'Identifier, as this API gave it.' : `The ${name} that this API gave.`,
    schema: { type: 'string' },
  }));
  const inQuery = Object.entries(query).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    description,
    schema,
  }));
  const inHeader = Object.entries(headers).map(([name, description]) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  }));
  return [...inPath, ...inQuery, ...inHeader];
}

function contentOf(types: readonly string[], schema: string): Record<string, unknown> {
  return Object.fromEntries(types.map((type) => [type, { schema: { $ref: `#/components/schemas/${schema}` } }]));
}

function responseOf({ description, schema, type = 'application/json', headers = {} }: ResponseSpec) {
  return {
    description,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: 'string' } }]),
    ),
    ...(schema && { content: contentOf([type], schema) }),
  };
}

function problemResponse(description: string) {
  return { description, content: contentOf(['application/problem+json'], 'Problem') };
}

/** The document at its path, for everybody who may reach the listener. */
export function serveDocument(path: string, document: Record<string, unknown>): Middleware {
  const text = JSON.stringify(document);
  return async (ctx, next) => {
    if (ctx.path !== path) return next();
    allow(ctx, ['GET', 'HEAD']);
    ctx.type = 'application/json';
    ctx.body = text;
  };
}
