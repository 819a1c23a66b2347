// Programs of the system that some tests need. Plain JavaScript: Jest runs it as its global set-up, before any worker.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian package -> the program that shows that it is there. */
export const systemPackages = /** @type {const} */ ({
  'redis-server': 'redis-server',
  chromium: 'chromium',
  strace: 'strace',
  curl: 'curl',
  bsdutils: 'script',
});

/** @typedef {keyof typeof systemPackages} SystemPackage */

/** @param {string} program */
export function pathOf(program) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}

/** Installing is for machines that exist for the tests: root, and CI or an explicit wish. */
function mayInstall() {
  const { CI, ASSENT_TEST_INSTALL } = process.env;
  const wished = ASSENT_TEST_INSTALL === '1' || (CI !== undefined && CI !== '' && CI !== 'false');
  return process.getuid?.() === 0 && wished && pathOf('apt-get') !== undefined;
}

/** @param {string[]} args */
function apt(...args) {
  // 10 min: chromium is 300 MB with its libraries; a mirror that hangs must not hang the run with it.
  const { status } = spawnSync('apt-get', args, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 600_000,
  });
  return status === 0;
}

export default function installMissing() {
  const missing = Object.entries(systemPackages)
    .filter(([, program]) => !pathOf(program))
    .map(([name]) => name);
  if (missing.length === 0 || !mayInstall()) return;
  process.stderr.write(`installing ${missing.join(', ')} with apt-get\n`);
  apt('update');
  if (!apt('install', '-y', '--no-install-recommends', ...missing)) {
    process.stderr.write(`apt-get could not install ${missing.join(', ')}; the tests that need it are skipped\n`);
  }
}
