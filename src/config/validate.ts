import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import type { ConfigProblem } from './error.ts';
import { configSchema, ourKeywords } from './schema.ts';

/** Our formats: what they accept, and how a problem says so. */
const formats = {
  issuer: {
    means: 'must be an http or https address without query, fragment or slash at the end',
    accepts: (text: string) => isWebAddress(text) && !/[?#]/.test(text) && !text.endsWith('/'),
  },
  origin: {
    means: 'must be an origin: scheme, host and port, without slash at the end',
    accepts: (text: string) => isWebAddress(text) && new URL(text).origin === text,
  },
  'master-key': {
    means: 'must be 32 bytes in base64url (43 characters)',
    accepts: (text: string) => /^[A-Za-z0-9_-]{43}$/.test(text),
  },
  'master-keys': {
    means: 'must be keys of 32 bytes in base64url (43 characters), with commas between them',
    accepts: (text: string) => /^[A-Za-z0-9_-]{43}(\s*,\s*[A-Za-z0-9_-]{43})*$/.test(text),
  },
  uri: { means: 'must be an address', accepts: (text: string) => URL.canParse(text) },
};

function isWebAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === '';
}

// "This or that is required" names members that are declared one level up.
const strictness = { strict: true, strictTypes: false, strictRequired: false };
// Every start compiles it and uses it once. That it is a schema is a test (test/config/schema.test.ts).
const quickly = { validateSchema: false, code: { optimize: false } };
const ajv = new Ajv2020({ allErrors: true, useDefaults: true, ...strictness, ...quickly });
ajv.addVocabulary(ourKeywords);
for (const [name, { accepts }] of Object.entries(formats)) ajv.addFormat(name, accepts);
const validate = ajv.compile(configSchema);

/** Hold the settings against the schema and fill in its defaults. */
export function validateAgainstSchema(draft: unknown): ConfigProblem[] {
  return validate(draft) ? [] : (validate.errors ?? []).map(asProblem);
}

function asProblem(error: ErrorObject): ConfigProblem {
  const { keyword, params } = error;
  if (keyword === 'required') return { setting: settingName(error, params.missingProperty), message: 'is required' };
  if (keyword === 'additionalProperties') {
    return { setting: settingName(error, params.additionalProperty), message: 'is not a setting' };
  }
  return { setting: settingName(error), message: explain(error) };
}

function explain({ keyword, params, message }: ErrorObject): string {
  if (keyword === 'enum') return `must be one of ${params.allowedValues.join(', ')}`;
  if (keyword === 'format') return formats[params.format as keyof typeof formats].means;
  return message ?? 'is not valid';
}

/** `/clients/0/client_id` -> `clients[0].client_id` */
function settingName({ instancePath }: ErrorObject, member?: string): string {
  const parts = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (member !== undefined) parts.push(member);
  return (
    parts.reduce((name, part) => name + (/^\d+$/.test(part) ? `[${part}]` : `${name && '.'}${part}`), '') || 'file'
  );
}
