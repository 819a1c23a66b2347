// Modules of the integrator, named in the configuration and loaded once, at the start. The one place that loads them.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Config, ConfigError } from './config.ts';
import type { Policy } from './protocol/policy.ts';

/** What they give to the server. A new kind of plug-in is a setting `plugins.<kind>`, a member here and a line below. */
export interface Plugins {
  /** Says which requests people are asked about. */
  policy?: Policy;
}

/** @throws ConfigError where a module cannot be used */
export async function loadPlugins({ plugins }: Config): Promise<Plugins> {
  const policy = await loadPlugin<Policy>('plugins.policy', plugins.policy);
  return { ...(policy && { policy }) };
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
