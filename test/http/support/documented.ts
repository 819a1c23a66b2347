import type { Schema } from '../../../src/http/route.ts';
import { createSchemaCheck } from '../../../src/http/schema-check.ts';

/** The parts of an OpenAPI document that a test reads. */
export interface OpenapiDocument {
  openapi: string;
  servers: { url: string }[];
  paths: Record<string, Record<string, OpenapiOperation>>;
  components: { schemas: Record<string, Schema> };
}

export interface OpenapiOperation {
  operationId: string;
  parameters: { name: string; in: string; schema: Schema }[];
  requestBody?: { content: Record<string, unknown> };
  responses: Record<
    string,
    { headers?: Record<string, unknown>; content?: Record<string, { schema: { $ref: string } }> }
  >;
}

export interface Answered {
  method: string;
  /** Below the server of the document. */
  path: string;
  status: number;
  type: string;
  body: unknown;
}

/**
 * Holds real answers against a document.
 * @returns what is wrong; nothing: the answer is as documented
 */
export function documentation(document: OpenapiDocument) {
  const check = createSchemaCheck('urn:assent:documented', document.components.schemas);
  const operationOf = (method: string, path: string): OpenapiOperation | undefined => {
    const template = Object.keys(document.paths).find(
      (each) => fits(each, path) && document.paths[each]![method.toLowerCase()],
    );
    return template === undefined ? undefined : document.paths[template]![method.toLowerCase()];
  };
  return {
    operationOf,
    problems({ method, path, status, type, body }: Answered): string[] {
      const operation = operationOf(method, path);
      if (!operation) return [`${method} ${path} is not documented`];
      const response = operation.responses[status];
      if (!response) return [`${operation.operationId} answered ${status}, which is not documented`];
      // nothing is said of a body, and nothing is there
      if (!response.content && body === undefined) return [];
      const content = response.content?.[type.split(';')[0]!.trim()];
      if (!content) return [`${operation.operationId} answered ${type} with ${status}`];
      const name = content.schema.$ref.split('/').at(-1)!;
      return check
        .problems(name, body)
        .map((problem) => `${operation.operationId} ${status} ${problem.name}: ${problem.reason}`);
    },
  };
}

function fits(template: string, path: string): boolean {
  return new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path);
}
