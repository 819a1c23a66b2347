/** Commands of whoever runs the server: they read the configuration, and the store where it must not be served. */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { configReadme } from '../config/docs.ts';
import { sha256Hex } from '../config/rules.ts';
import { configSchema } from '../config/schema.ts';
import { type Config, ConfigError, loadConfig } from '../config.ts';
import { assent } from './command-name.ts';
import { usage } from './errors.ts';
import { writeNew } from './new-files.ts';
import type { Run } from './run.ts';
import type { Environment } from './settings.ts';
import { fields } from './text.ts';

export interface ConfigOption {
  config?: string;
}

/** Where `assent init` writes it, for whoever stands there. */
const fileHere = 'assent.json';

/** @throws CliError configuration_invalid with every problem */
function readConfig(file: string | undefined, env: Environment): Config {
  try {
    return loadConfig({ file: file || env.ASSENT_CONFIG, env });
  } catch (error) {
    throw asInvalid(error);
  }
}

function asInvalid(error: unknown): unknown {
  if (!(error instanceof ConfigError)) return error;
  const { problems } = error;
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  const advice = `${error.message}\n\nEvery setting is explained by: ${assent} config docs`;
  return usage('configuration_invalid', `The configuration has ${count}:`, { advice, problems });
}

/** Becomes the server: same process, so that signals and supervisors meet it and nothing else. */
export async function serveCommand({ terminal }: Run, { config: file }: ConfigOption) {
  readConfig(file, terminal.env);
  if (file) process.env.ASSENT_CONFIG = file;
  await import('../main.ts');
}

export async function checkConfigCommand({ terminal, result }: Run, file: string | undefined) {
  const found = file ?? terminal.env.ASSENT_CONFIG ?? (existsSync(fileHere) ? fileHere : undefined);
  const config = readConfig(found, terminal.env);
  const { checkStart } = await import('../check.ts');
  await checkStart(config).catch((error: unknown) => Promise.reject(asInvalid(error)));
  const { environment, issuer, authenticator, management, clients, applications } = config;
  const summary = {
    environment,
    issuer,
    authenticator: authenticator.origin,
    management: `${management.host}:${management.port}`,
    store: withoutPassword(config.store),
    clients: clients.length,
    applications: applications.length,
  };
  result({ ok: true, ...summary }, ['The configuration can be used.', ...fields(summary)]);
}

export async function configDocsCommand({ result }: Run) {
  result(configSchema, [configReadme(configSchema)]);
}

/** The password of a Redis URL is nobody's business. */
const withoutPassword = (store: string) => store.replace(/\/\/[^@/]*@/, '//•••@');

export interface InitOptions {
  issuer: string;
  authenticatorOrigin: string;
}

export interface InitGiven extends Partial<InitOptions> {
  conformance?: boolean;
  suite: string;
}

/** A configuration for production with secrets of its own. Nothing that exists is touched. */
export async function initCommand(run: Run, folder: string, given: InitGiven) {
  if (given.conformance) {
    const { initConformance } = await import('./conformance.ts');
    return initConformance(run, folder, given);
  }
  const { result } = run;
  const { issuer = 'https://login.example.com', authenticatorOrigin = 'https://approve.example.com' } = given;
  const options = { issuer, authenticatorOrigin };
  const at = (name: string) => join(resolve(folder), name);
  const files = { config: at('assent.json'), masterKey: at('master.key'), managementKey: at('management.key') };
  const managementKey = randomBytes(32).toString('base64url');
  // one that is there, of `npm start` for instance, has another master key: the start would refuse it
  const store =
    ['data/assent.db', 'data/production.db'].map(at).find((file) => !existsSync(file)) ?? at('data/assent.db');
  await writeNew([
    [files.masterKey, `${randomBytes(32).toString('base64url')}\n`, 0o600],
    [files.managementKey, `${managementKey}\n`, 0o600],
    [files.config, `${JSON.stringify(newConfig(options, store, managementKey), null, 2)}\n`, 0o640],
  ]);
  result({ ...files, issuer: options.issuer, authenticator: options.authenticatorOrigin }, nextSteps(files));
}

function newConfig({ issuer, authenticatorOrigin }: InitOptions, storeFile: string, managementKey: string): object {
  return {
    environment: 'production',
    issuer,
    authenticator: { origin: authenticatorOrigin },
    store: `embedded:${storeFile}`,
    management: { apiKeys: [{ name: 'operator', sha256: sha256Hex(managementKey), scopes: ['*'] }] },
    clients: [],
    applications: [{ id: 'authenticator', name: 'Authenticator', methods: ['device', 'pin'] }],
  };
}

function nextSteps(files: { config: string; masterKey: string; managementKey: string }): string[] {
  return [
    'Written:',
    `  ${files.config}      the configuration`,
    `  ${files.masterKey}       encrypts what is secret in the store. Keep a copy elsewhere: losing it is losing the store`,
    `  ${files.managementKey}   for you; the server knows only its hash`,
    '',
    'Next:',
    '  1. Set "issuer" and "authenticator.origin" to your two https addresses, and add your clients.',
    `     Every setting is explained by: ${assent} config docs`,
    `  2. Check it:   ${assent} config check ` + files.config,
    `     with        ASSENT_MASTER_KEY_FILE=${files.masterKey}`,
    `  3. Start it:   ${assent} serve --config ` + files.config,
    '     with the same variable, behind a proxy that ends TLS.',
    '  4. First user: ASSENT_MANAGEMENT_KEY="$(cat ' + files.managementKey + `)" ${assent} user create <name>`,
  ];
}

/** What a promise of the store rests on, looked at without serving. */
export async function checkStoreCommand(run: Run, { config: file }: ConfigOption) {
  const { store } = readConfig(file, run.terminal.env);
  const { checkEmbedded, checkRedis } = await import('./store-check.ts');
  const embedded = store.startsWith('embedded:') ? store.slice('embedded:'.length) : undefined;
  const findings = embedded === undefined ? await checkRedis(store) : await checkEmbedded(embedded);
  const problems = findings.filter(({ ok }) => !ok);
  const document = { ok: problems.length === 0, store: withoutPassword(store), findings };
  const lines = findings.map(({ ok, what, found }) => `  ${ok ? 'ok ' : 'BAD'}  ${what.padEnd(14)}  ${found}`);
  if (problems.length > 0) {
    const advice = `${lines.join('\n')}`;
    throw usage('store_unfit', `The store ${document.store} is not fit to be used:`, { advice, findings });
  }
  run.result(document, [`The store ${document.store} is fit to be used.`, ...lines]);
}
