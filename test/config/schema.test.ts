import { existsSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { generatedFiles } from '../../src/config/docs.ts';
import { configSchema, type SettingSchema, variableSettings } from '../../src/config/schema.ts';

function members(schema: SettingSchema, path = ''): [string, SettingSchema][] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, member]): [string, SettingSchema][] => [
    [`${path}${name}`, member],
    ...members(member, `${path}${name}.`),
  ]);
  return [...own, ...Object.entries(schema.$defs ?? {}).flatMap(([name, list]) => members(list, `${name}.`))];
}

test.each(Object.entries(generatedFiles))('%s is what the schema says (npm run docs)', (file, text) => {
  expect(existsSync(file) && readFileSync(file, 'utf8')).toBe(text());
});

test('where only certain values may be in a list, the reference names them', () => {
  const named = members(configSchema).filter(([, { items }]) => items?.enum);
  const reference = generatedFiles['config/README.md']();
  const unnamed = named.flatMap(([, { items }]) => items!.enum!.filter((value) => !reference.includes(`\`${value}\``)));
  expect(unnamed).toEqual([]);
});

test('it is JSON Schema 2020-12', () => {
  const ajv = new Ajv2020();
  ajv.validateSchema(configSchema);
  expect(ajv.errors).toBeNull();
});

test('every setting has a description, an example, and a default or words about it', () => {
  const incomplete = members(configSchema).filter(
    ([, { description, examples, default: value, 'x-default': words }]) =>
      !description || (examples?.length ?? 0) === 0 || (value === undefined && words === undefined),
  );
  expect(incomplete.map(([name]) => name)).toEqual([]);
});

test('every object of the schema refuses unknown members', () => {
  const open = members(configSchema).filter(
    ([, member]) => member.properties && (member as { additionalProperties?: boolean }).additionalProperties !== false,
  );
  expect(open).toEqual([]);
});

test('the variables are those of the documentation, each once', () => {
  const names = variableSettings().map(({ variable }) => variable);
  expect(names).toEqual([...new Set(names)]);
  expect(names).toEqual(
    expect.arrayContaining([
      'ASSENT_ISSUER',
      'ASSENT_PORT',
      'ASSENT_HOST',
      'ASSENT_MANAGEMENT_PORT',
      'ASSENT_MANAGEMENT_HOST',
      'ASSENT_AUTHENTICATOR_PORT',
      'ASSENT_AUTHENTICATOR_ORIGIN',
      'ASSENT_STORE',
      'ASSENT_MASTER_KEY',
      'ASSENT_PROXY_HOPS',
    ]),
  );
});
