/** Where a command finds the server and its own credentials: option, environment, development configuration (ruling 30). */
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { ManagementAccess } from '../support/management-client.ts';
import { usage } from './errors.ts';
import type { Terminal } from './terminal.ts';

const shippedFile = join(import.meta.dirname, '../../config/development.json');

export type Environment = Terminal['env'];

/**
 * The configuration that `ASSENT_CONFIG` names, else the one of `npm start`; undefined where it is none of a development
 * server or cannot be read: secrets of other environments are given, never found.
 */
async function developmentConfig(env: Environment): Promise<Config | undefined> {
  const { ConfigError, loadConfig } = await import('../config.ts');
  try {
    const config = loadConfig({ file: env.ASSENT_CONFIG || shippedFile, env });
    return config.environment === 'development' ? config : undefined;
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

export async function issuerOf(option: string | undefined, env: Environment): Promise<string> {
  const issuer = option || env.ASSENT_ISSUER || (await developmentConfig(env))?.issuer || 'http://localhost:3000';
  return webAddress(issuer, 'the issuer').replace(/\/$/, '');
}

export async function authenticatorOf(option: string | undefined, env: Environment): Promise<string> {
  const origin =
    option || env.ASSENT_AUTHENTICATOR_ORIGIN || (await developmentConfig(env))?.authenticator.origin || '';
  return webAddress(origin || 'http://localhost:3002', 'the authenticator').replace(/\/$/, '');
}

/** @throws CliError key_missing */
export async function managementOf(
  options: { managementUrl?: string; key?: string },
  env: Environment,
): Promise<ManagementAccess> {
  const given = {
    url: options.managementUrl || env.ASSENT_MANAGEMENT_URL,
    key: options.key || env.ASSENT_MANAGEMENT_KEY,
  };
  const config = given.url && given.key ? undefined : await developmentConfig(env);
  const url = given.url || (config ? addressOf(config.management) : 'http://127.0.0.1:3001');
  const key = given.key || config?.management.apiKeys.find((each) => each.key)?.key;
  if (!key) {
    const advice = 'Give --key or set ASSENT_MANAGEMENT_KEY. Only a development configuration has a key to be found.';
    throw usage('key_missing', 'There is no key for the management API.', { advice });
  }
  return { url: webAddress(url, 'the management API'), key };
}

/** @throws CliError secret_missing */
export async function clientSecretOf(clientId: string, option: string | undefined, env: Environment): Promise<string> {
  const given = option || env.ASSENT_CLIENT_SECRET;
  if (given) return given;
  const config = await developmentConfig(env);
  const secret = config?.clients.find((client) => client.client_id === clientId)?.client_secret;
  if (secret) return secret;
  const known = (config?.clients ?? []).map((client) => client.client_id).join(', ');
  throw usage('secret_missing', `There is no secret for the client ${clientId}.`, {
    advice: `Give --secret or set ASSENT_CLIENT_SECRET.${known && ` The development configuration knows ${known}.`}`,
  });
}

function addressOf({ host, port }: Config['management']): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

function webAddress(text: string, what: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw usage('address_invalid', `${text} is no address of ${what}.`, {
    advice: 'It begins with http:// or https://.',
  });
}
