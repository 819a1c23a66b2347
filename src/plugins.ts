// Modules of the integrator, named in the configuration and loaded once, at the start. The one place that loads them.
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Config, ConfigError } from './config.ts';
import type { AttestationVerifier } from './domain/attestation.ts';
import type { ExternalSigner } from './domain/external-signers.ts';
import type { NoticeTeller } from './domain/outside-notices.ts';
import type { Policy } from './protocol/policy.ts';

/** What they give to the server. A new kind of plug-in is a setting `plugins.<kind>`, a member here and a line below. */
export interface Plugins {
  /** Says which requests people are asked about. */
  policy?: Policy;
  /** Says what a platform's statement about a new device's key is worth. */
  attestation?: AttestationVerifier;
  /** Tells people by mail or message what has changed about their devices. */
  notice?: NoticeTeller;
  /** Sign ID tokens with keys that are not here. */
  signers?: readonly ExternalSigner[];
}

/** @throws ConfigError where a module cannot be used */
export async function loadPlugins({ plugins, keys }: Config): Promise<Plugins> {
  const policy = await loadPlugin<Policy>('plugins.policy', plugins.policy);
  const attestation = await loadPlugin<AttestationVerifier>('plugins.attestation', plugins.attestation);
  const notice = await loadPlugin<NoticeTeller>('plugins.notice', plugins.notice);
  const listSigners = await loadPlugin<() => unknown>('plugins.signer', plugins.signer);
  return {
    ...(policy && { policy }),
    ...(attestation && { attestation }),
    ...(notice && { notice }),
    ...(listSigners && { signers: await signersOf(listSigners, [keys.idTokenAlg, ...keys.idTokenAlgs]) }),
  };
}

/** @throws Error where it cannot say which keys it has: it may be able to a moment later, so this is no wrong setting */
async function signersOf(list: () => unknown, algs: readonly string[]): Promise<ExternalSigner[]> {
  const listed = await Promise.resolve(list()).catch((cause: unknown) => {
    throw new Error(`plugins.signer did not list its keys: ${(cause as Error)?.message ?? cause}`, { cause });
  });
  return checkedSigners(listed, algs);
}

/** @throws ConfigError where one of them is no key that ID tokens can be signed with */
export function checkedSigners(listed: unknown, algs: readonly string[]): ExternalSigner[] {
  const problem = (message: string) => new ConfigError([{ setting: 'plugins.signer', message }]);
  if (!Array.isArray(listed) || listed.length === 0) throw problem('must give a list of keys');
  for (const [index, { kid, alg, publicJwk, sign }] of listed.entries()) {
    const name = `key ${typeof kid === 'string' && kid ? kid : index}`;
    if (typeof kid !== 'string' || kid === '') throw problem(`${name} has no kid`);
    if (listed.findIndex((other) => other.kid === kid) !== index) throw problem(`${name} is there twice`);
    if (typeof sign !== 'function') throw problem(`${name} has no function sign`);
    if (!algs.includes(alg)) throw problem(`${name} is for ${alg}, which is not among keys.idTokenAlgs`);
    if (!isPublicKeyFor(alg, publicJwk)) throw problem(`${name} has no publicJwk that fits ${alg}`);
  }
  return listed as ExternalSigner[];
}

const keyTypes: Record<string, string> = { ES256: 'EC P-256', RS256: 'RSA', PS256: 'RSA', EdDSA: 'OKP Ed25519' };

function isPublicKeyFor(alg: string, jwk: JsonWebKey | undefined): boolean {
  try {
    // whoever hands a private key over has misunderstood what this is for
    if (jwk?.d !== undefined) return false;
    const { kty, crv } = createPublicKey({ key: jwk!, format: 'jwk' }).export({ format: 'jwk' });
    return keyTypes[alg] === [kty, crv].filter(Boolean).join(' ');
  } catch {
    return false;
  }
}

/**
 * The default export of a module, which must be a function; undefined where the setting names none.
 *
 * @param setting  its name, for the problem
 * @param module   a path (`./…`, `../…`, absolute), relative to the working directory like every file of the
 *                 configuration, or the name of a package that is installed beside the server
 * @throws ConfigError where it cannot be loaded, or exports something else: a server does not start without what it was
 *                     told to obey
 */
export async function loadPlugin<F extends (...args: never[]) => unknown>(
  setting: string,
  module: string | undefined,
): Promise<F | undefined> {
  if (module === undefined) return undefined;
  const { default: exported } = await imported(setting, module);
  if (typeof exported === 'function') return exported as F;
  throw new ConfigError([{ setting, message: 'must name a module whose default export is a function' }]);
}

async function imported(setting: string, module: string): Promise<{ default?: unknown }> {
  try {
    return await import(isPath(module) ? pathToFileURL(resolve(module)).href : module);
  } catch (error) {
    // in its own words: whoever wrote the module needs them, and nobody but the operator reads them
    throw new ConfigError([{ setting, message: `cannot be loaded: ${(error as Error)?.message ?? error}` }]);
  }
}

const isPath = (module: string) => /^(\.{0,2}\/|[A-Za-z]:[\\/])/.test(module);
