import { Ajv2020 } from 'ajv/dist/2020.js';
import { deviceRoutes } from '../../src/http/device-api/routes.ts';
import { deviceOpenapi } from '../../src/http/openapi/device.ts';
import { createSchemaCheck } from '../../src/http/schema-check.ts';
import { documentation, type OpenapiDocument, type OpenapiOperation } from './support/documented.ts';
import { managementForAll } from './support/management.ts';

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** Every schema in it, at any depth, with the place where it stands. */
function schemasIn(value: unknown, at = ''): [string, Record<string, unknown>][] {
  if (typeof value !== 'object' || value === null) return [];
  const inside = Object.entries(value).flatMap(([name, each]) => schemasIn(each, `${at}/${name}`));
  const { type } = value as { type?: unknown };
  return typeof type === 'string' || Array.isArray(type) ? [[at, value as Record<string, unknown>], ...inside] : inside;
}

function operationsOf(document: OpenapiDocument): [string, string, OpenapiOperation][] {
  return Object.entries(document.paths).flatMap(([path, each]) =>
    Object.entries(each).map(([method, operation]): [string, string, OpenapiOperation] => [
      method.toUpperCase(),
      path,
      operation,
    ]),
  );
}

describe('the OpenAPI documents and what is mounted', () => {
  const server = managementForAll();
  const fill = (path: string) => path.replaceAll(/\{\w+\}/g, 'aaAAAAAAAAAAAAAAAAAAAAAA');

  /** Status of a request to each path of a document with each method. */
  async function probe(base: string, document: OpenapiDocument, headers: Record<string, string>) {
    const mounted = new Set<string>();
    for (const path of Object.keys(document.paths)) {
      const known = await fetch(base + fill(path), { method: 'OPTIONS', headers });
      expect([path, known.status]).toEqual([path, 405]); // a path that nobody mounted would be 404
      for (const method of known.headers.get('allow')!.split(', '))
        if (method !== 'HEAD') mounted.add(`${method} ${path}`);
      for (const method of methods) {
        if (mounted.has(`${method} ${path}`)) continue;
        expect((await fetch(base + fill(path), { method, headers })).status).toBe(405);
      }
    }
    return mounted;
  }

  const documentedCalls = (document: OpenapiDocument) =>
    new Set(operationsOf(document).map(([method, path]) => `${method} ${path}`));

  test('management: everything documented is mounted, everything mounted is documented', async () => {
    const headers = { authorization: 'Bearer test-management-key-0123456789abcdef' };
    expect(await probe(server.base, server.document, headers)).toEqual(documentedCalls(server.document));
  });

  test('device: everything documented is mounted, everything mounted is documented', async () => {
    const base = `${server.devices.base}/device/v1`;
    const document = (await (await fetch(`${base}/openapi.json`)).json()) as OpenapiDocument;
    expect(await probe(base, document, {})).toEqual(documentedCalls(document));
    expect(documentedCalls(document).size).toBe(deviceRoutes.length);
  });

  test('device: what is answered outside of the encryption is as documented', async () => {
    const base = `${server.devices.base}/device/v1`;
    const { problems } = documentation((await (await fetch(`${base}/openapi.json`)).json()) as OpenapiDocument);
    const held = async (method: string, path: string, init: RequestInit = {}) => {
      const answer = await fetch(base + path, { method, ...init });
      const type = answer.headers.get('content-type') ?? '';
      const body = type.includes('json') ? await answer.json() : await answer.text();
      expect(problems({ method, path, status: answer.status, type, body })).toEqual([]);
      return answer.status;
    };
    expect(await held('GET', '/keys')).toBe(200);
    expect(await held('GET', '/jwks.json')).toBe(200);
    for (const [method, path] of operationsOf(
      server.devices && (deviceOpenapi({ issuer: 'x' }) as unknown as OpenapiDocument),
    )) {
      if (method !== 'POST') continue;
      const jose = { 'content-type': 'application/jose' };
      expect(await held('POST', path, { body: 'not.a.jwe', headers: jose })).toBe(400);
      expect(await held('POST', path, { body: '{}', headers: { 'content-type': 'application/json' } })).toBe(415);
      expect(await held('POST', path, { body: 'a'.repeat(57_345), headers: jose })).toBe(413);
    }
  });

  test('every field, parameter, answer and call is described, and no name is used twice', () => {
    for (const document of [server.document, deviceOpenapi({ issuer: 'http://x' }) as unknown as OpenapiDocument]) {
      expect(document.openapi).toBe('3.1.0');
      const ids = operationsOf(document).map(([, , { operationId }]) => operationId);
      expect(new Set(ids).size).toBe(ids.length);
      for (const [at, schema] of schemasIn(document.components.schemas)) {
        if (/\/(items|additionalProperties)$/.test(at)) continue; // what they hold is described above
        expect([at, schema.description]).toEqual([at, expect.any(String)]);
      }
      for (const [method, path, { parameters, responses }] of operationsOf(document)) {
        const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        expect(parameters.filter((each) => each.in === 'path').map(({ name }) => name)).toEqual(named);
        for (const part of [...parameters, ...Object.values(responses)] as { description?: string }[]) {
          expect([method, path, part.description]).toEqual([method, path, expect.stringMatching(/./)]);
        }
      }
    }
  });

  test('every schema is JSON Schema 2020-12 and compiles strictly', () => {
    const ajv = new Ajv2020();
    for (const document of [server.document, deviceOpenapi({ issuer: 'http://x' }) as unknown as OpenapiDocument]) {
      const { schemas } = document.components;
      const check = createSchemaCheck('urn:assent:test', schemas);
      for (const [name, schema] of Object.entries(schemas)) {
        ajv.validateSchema(schema);
        expect([name, ajv.errors]).toEqual([name, null]);
        expect(() => check.problems(name, undefined)).not.toThrow();
      }
      for (const [method, path, { parameters }] of operationsOf(document)) {
        const query = parameters.filter((each) => each.in === 'query').map(({ name, schema }) => [name, schema]);
        ajv.validateSchema({ properties: Object.fromEntries(query) });
        expect([method, path, ajv.errors]).toEqual([method, path, null]);
        expect(() => check.compileQuery(Object.fromEntries(query))({})).not.toThrow();
      }
    }
  });

  test('every reference leads somewhere', () => {
    for (const document of [server.document, deviceOpenapi({ issuer: 'http://x' }) as unknown as OpenapiDocument]) {
      const names = [...JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name!);
      expect([...new Set(names)].filter((name) => !document.components.schemas[name])).toEqual([]);
      // and none is there for nobody
      expect(Object.keys(document.components.schemas).filter((name) => !names.includes(name))).toEqual([]);
    }
  });
});
