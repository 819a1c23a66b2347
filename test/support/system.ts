import { pathOf, type SystemPackage, systemPackages } from './system-packages.js';

/** The reporter prints what stands between these brackets, once for each reason. */
const skipped = (reason: string) => `[skipped: ${reason}]`;

/**
 * `describe` for tests that need programs of the system; where one is missing, a `describe.skip` that says what to
 * install.
 *
 * @example requireSystem('redis-server')('the Redis adapter', () => { … })
 */
export function requireSystem(...packages: SystemPackage[]): (title: string, body: () => void) => void {
  const missing = packages.filter((name) => !pathOf(systemPackages[name]));
  if (missing.length === 0) return (title, body) => describe(title, body);
  const reason = `install ${missing.join(' and ')} (apt-get install ${missing.join(' ')}), or run as root with ASSENT_TEST_INSTALL=1`;
  return (title, body) => describe.skip(`${title} ${skipped(reason)}`, body);
}

/** Absolute path of a program that `requireSystem` has found. */
export function systemProgram(name: SystemPackage): string {
  const path = pathOf(systemPackages[name]);
  if (!path) throw new Error(`${name} is not installed`);
  return path;
}
