import { readFileSync } from 'node:fs';
import { ConfigError, type ConfigProblem } from './config/error.ts';
import { fillPreset, presetProblems } from './config/presets.ts';
import { checkRules, sha256Hex } from './config/rules.ts';
import { variableSettings } from './config/schema.ts';
import type { Config } from './config/types.ts';
import { validateAgainstSchema } from './config/validate.ts';
import { parseJsonObject } from './support/strict-json.ts';

export { ConfigError, type ConfigProblem } from './config/error.ts';
export type * from './config/types.ts';

export interface ConfigSource {
  /** The configuration file; `ASSENT_CONFIG`. */
  file: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  readFile?: (path: string) => string;
}

// biome-ignore lint/suspicious/noExplicitAny: settings that the schema has not seen yet can be anything
type Draft = any;

/**
 * The settings: the file, then the environment over it, then defaults. Checked as a whole and frozen.
 *
 * @throws ConfigError with every problem at once
 */
export function loadConfig({ file, env, readFile = (path) => readFileSync(path, 'utf8') }: ConfigSource): Config {
  const problems: ConfigProblem[] = [];
  const variables = new Map<string, string>();
  const draft: Draft = readSettings(file, readFile);

  const unread: string[] = [];
  const readSecret = (setting: string, path: string): string | undefined => {
    try {
      return readFile(path).trim();
    } catch (error) {
      unread.push(setting);
      problems.push({ setting, message: `cannot read the file (${(error as NodeJS.ErrnoException).code ?? 'error'})` });
      return undefined;
    }
  };

  applyEnvironment(draft, env, { problems, variables, readSecret });
  applySecretFiles(draft, { problems, readSecret });
  fillPreset(draft);
  problems.push(...validateAgainstSchema(draft));
  fillIn(draft);
  // of what could not be read nobody says as well that it is missing
  const isTold = (setting: string) => unread.some((each) => each === setting || each.startsWith(`${setting}.`));
  problems.push(...checkRules(draft).filter(({ setting }) => !isTold(setting)), ...presetProblems(draft));

  if (problems.length > 0) {
    throw new ConfigError(problems.map((problem) => ({ variable: variables.get(problem.setting), ...problem })));
  }
  return deepFreeze(draft);
}

function readSettings(file: string | undefined, readFile: (path: string) => string): Draft {
  if (!file) {
    throw new ConfigError([{ setting: 'ASSENT_CONFIG', message: 'is required: the configuration file' }]);
  }
  try {
    const { $schema, ...settings } = parseJsonObject(readFile(file));
    return settings;
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'is not JSON that can be used' : 'cannot be read';
    throw new ConfigError([{ setting: file, message: `${reason}: ${(error as Error).message}` }]);
  }
}

interface Reading {
  problems: ConfigProblem[];
  readSecret: (setting: string, path: string) => string | undefined;
}

function applyEnvironment(
  draft: Draft,
  env: ConfigSource['env'],
  { problems, variables, readSecret }: Reading & { variables: Map<string, string> },
): void {
  for (const { path, variable, schema } of variableSettings()) {
    const setting = path.join('.');
    const fromFile = schema['x-secret'] ? env[`${variable}_FILE`] : undefined;
    // An empty variable is what compose files make of one that is not set.
    if (env[variable] && fromFile) {
      problems.push({ setting, message: `set ${variable} or ${variable}_FILE, not both` });
    }
    const text = env[variable] || (fromFile && readSecret(setting, fromFile));
    if (text || fromFile) variables.set(setting, env[variable] ? variable : `${variable}_FILE`);
    if (text) setMember(draft, path, schema.type === 'integer' && /^\d{1,9}$/.test(text) ? Number(text) : text);
  }
}

function setMember(draft: Draft, path: string[], value: unknown): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) draft[name] = value;
  else if (typeof (draft[name] ??= {}) === 'object') setMember(draft[name], rest, value);
}

/** `client_secret_file` and `keyFile` become what they name. */
function applySecretFiles(draft: Draft, reading: Reading): void {
  replaceFiles(draft.clients, 'clients', 'client_secret', 'client_secret_file', reading);
  replaceFiles(draft.management?.apiKeys, 'management.apiKeys', 'key', 'keyFile', reading);
}

function replaceFiles(items: Draft, list: string, member: string, fileMember: string, reading: Reading): void {
  if (!Array.isArray(items)) return;
  items.forEach((item, index) => {
    const setting = `${list}[${index}].${fileMember}`;
    if (typeof item?.[fileMember] !== 'string') return;
    if (item[member] !== undefined) {
      reading.problems.push({ setting, message: `give ${member} or ${fileMember}, not both` });
    }
    const secret = reading.readSecret(setting, item[fileMember]);
    delete item[fileMember];
    if (secret !== undefined) item[member] = secret;
  });
}

/** Defaults that depend on other settings. */
function fillIn(draft: Draft): void {
  if (draft.environment === 'development') {
    draft.issuer ??= `http://localhost:${draft.port}`;
    if (draft.authenticator) draft.authenticator.origin ??= `http://localhost:${draft.authenticator.port}`;
  }
  if (draft.device) draft.device.callsPerMinute ??= draft.environment === 'development' ? 0 : 1200;
  if (typeof draft.mtls === 'object' && URL.canParse(draft.issuer)) draft.mtls.origin ??= mtlsOrigin(draft);
  for (const key of listOf(draft.management?.apiKeys)) {
    if (typeof key.key === 'string') key.sha256 ??= sha256Hex(key.key);
  }
  for (const application of listOf(draft.applications)) fillEnrollment(application, draft.device?.enrollment);
  for (const { pin } of listOf(draft.applications)) {
    if (!pin || !draft.device?.pin) continue;
    pin.length ??= draft.device.pin.defaultLength;
    pin.max_failures ??= draft.device.pin.maxFailures;
    pin.proof_retention ??= draft.device.pin.proofRetention;
  }
}

function fillEnrollment(application: Draft, common: Draft): void {
  if (typeof common !== 'object' || common === null) return;
  application.confirm ??= common.confirm;
  application.approve_by_existing_device ??= common.approveByExistingDevice;
  application.attestation ??= common.attestation;
}

/** The issuer's host on the port for certificates; behind a proxy the issuer's own origin. */
function mtlsOrigin({ issuer, tls }: Draft): string {
  const url = new URL(issuer);
  if (!tls?.clientPort) return url.origin;
  url.protocol = 'https:';
  url.port = String(tls.clientPort);
  return url.origin;
}

const listOf = (value: Draft): Draft[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : [];

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}
