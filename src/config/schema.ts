import { readFileSync } from 'node:fs';

/** The part of JSON Schema that config/schema.json is written in, with our own keywords. */
export interface SettingSchema {
  $ref?: string;
  type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  description?: string;
  default?: unknown;
  examples?: unknown[];
  enum?: string[];
  minimum?: number;
  maximum?: number;
  minItems?: number;
  format?: string;
  required?: string[];
  properties?: Record<string, SettingSchema>;
  items?: SettingSchema;
  $defs?: Record<string, SettingSchema>;
  /** The environment variable that overrides the file. */
  'x-env'?: string;
  /** Never printed; `<variable>_FILE` names a file with the value. */
  'x-secret'?: boolean;
  /** The default in words, where it depends on something. */
  'x-default'?: string;
  /** Has no default here, but always has a value once it is loaded. */
  'x-filled'?: boolean;
}

export const ourKeywords = ['x-env', 'x-secret', 'x-default', 'x-filled'];

export const configSchema: SettingSchema = JSON.parse(
  readFileSync(new URL('../../config/schema.json', import.meta.url), 'utf8'),
);

export interface VariableSetting {
  path: string[];
  variable: string;
  schema: SettingSchema;
}

/** Every setting that an environment variable can give, in the order of the schema. */
export function variableSettings(schema: SettingSchema = configSchema, path: string[] = []): VariableSetting[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const variable = member['x-env'];
    const here = [...path, name];
    return [...(variable ? [{ path: here, variable, schema: member }] : []), ...variableSettings(member, here)];
  });
}
