// Finds or fetches Node 24 and the dependencies, then hands over to the asked script. Runs on any Node from 18, so it
// is plain JavaScript without dependencies. Nothing missing: a few stats and one exec.
//
//   node bin/setup.js [--default NAME=value] <script.ts> [args]   run a script
//   node bin/setup.js --test [jest args]                          run the tests
//   node bin/setup.js --run <program> [args]                      run a program of node_modules/.bin
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const nodeFolder = join(root, 'bin', 'node');

// node:sqlite is a release candidate from 24.15.
const needed = /** @type {const} */ ([24, 15]);

/** @param {string} version */
function isRecent(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > needed[0] || (major === needed[0] && minor >= needed[1]);
}

/** @param {string} path */
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** @param {string} message @returns {never} */
function fail(message) {
  process.stderr.write(`assent: ${message}\n`);
  process.exit(2);
}

/**
 * Install a folder from its lockfile. No package of the tree needs an install script, so none may run one.
 * @param {string} folder @param {string[]} options
 */
function npmCi(folder, options = []) {
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...options];
  // npm on Windows is a command file, which only a shell can start.
  const windows = process.platform === 'win32';
  const { status, error } = spawnSync(windows ? 'npm.cmd' : 'npm', args, {
    cwd: folder,
    // only npm's complaints are shown; stdout belongs to the script (assent --json)
    stdio: ['ignore', 'ignore', 2],
    shell: windows,
  });
  if (error || status !== 0) {
    fail(`npm ${args.join(' ')} failed in ${folder}${error ? `: ${error.message}` : ''}`);
  }
}

/**
 * Two processes of a fresh clone must not install into the same folder: the second waits, then looks again.
 * @param {() => boolean} isMissing @param {() => void} install
 */
function installOnce(isMissing, install) {
  if (!isMissing()) return;
  const lock = join(root, 'bin', '.installing');
  while (!takeLock(lock)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  const release = () => rmSync(lock, { force: true });
  process.once('exit', release); // `fail` leaves by the exit
  if (isMissing()) install();
  release();
  process.off('exit', release);
}

/** @param {string} lock a file with the process id of its owner; one whose owner is gone is nobody's */
function takeLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
  }
  try {
    process.kill(Number(readFileSync(lock, 'utf8')), 0);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH') rmSync(lock, { force: true });
  }
  return false;
}

/** The Node to run on: this one where it is recent enough, otherwise the registry's, pinned in bin/node. */
function findNode() {
  if (isRecent(process.versions.node)) return process.execPath;
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const pinned = readJson(join(nodeFolder, 'package.json')).optionalDependencies[name];
  if (!pinned) {
    fail(`install Node ${needed.join('.')} or later (https://nodejs.org): the registry has none for ${name.slice(5)}.`);
  }
  const folder = join(nodeFolder, 'node_modules', name);
  const path = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  const isMissing = () => !existsSync(path) || readJson(join(folder, 'package.json')).version !== pinned;
  installOnce(isMissing, () => {
    process.stderr.write(
      `assent: installing Node ${pinned} into bin/node (this machine has ${process.versions.node})\n`,
    );
    npmCi(nodeFolder);
  });
  if (!existsSync(path)) fail(`npm did not install ${name}@${pinned}; install Node ${needed.join('.')} or later.`);
  return path;
}

/** @param {string} path */
const modifiedAt = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

/**
 * Is everything that the lockfile asks for installed? npm writes what it installed into node_modules/.package-lock.json.
 * A date alone says too little: a copied tree is older than its lockfile, and `npm ci --omit=dev` is new but incomplete.
 * @param {boolean} withDev
 */
function isInstalled(withDev) {
  const wantedFile = join(root, 'package-lock.json');
  const presentFile = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(presentFile)) return false;
  const isNewer = modifiedAt(presentFile) >= modifiedAt(wantedFile);
  if (isNewer && !withDev) return true;
  if (isNewer && existsSync(join(root, 'node_modules', 'jest'))) return true;
  const present = readJson(presentFile).packages;
  const complete = Object.entries(readJson(wantedFile).packages).every(
    ([path, entry]) =>
      path === '' ||
      entry.optional ||
      entry.devOptional ||
      (entry.dev && !withDev) ||
      present[path]?.version === entry.version,
  );
  if (complete) {
    try {
      utimesSync(presentFile, new Date(), new Date());
    } catch {
      // a read-only tree (the image): compared again at the next start, which costs milliseconds
    }
  }
  return complete;
}

/** @param {boolean} withDev */
function installDependencies(withDev) {
  installOnce(
    () => !isInstalled(withDev),
    () => {
      process.stderr.write('assent: installing dependencies (npm ci --ignore-scripts)\n');
      npmCi(root, withDev ? ['--include=dev'] : []);
    },
  );
}

/**
 * Become `node args…`. The same process where the system can do that, so that signals, terminal and exit status need
 * no help; otherwise a child with all three passed on.
 * @param {string} node @param {string[]} args @param {NodeJS.ProcessEnv} env
 */
function handOver(node, args, env) {
  if (process.platform !== 'win32' && typeof process.execve === 'function') {
    process.execve(node, [node, ...args], env);
  }
  const child = spawn(node, args, { stdio: 'inherit', env });
  // A terminal sends its interrupt to the child as well; passing it on would make two of one.
  const terminal = [0, 1, 2].some((fd) => isTerminal(fd));
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'])) {
    if (process.platform === 'win32' && signal !== 'SIGINT' && signal !== 'SIGTERM') continue;
    const keyboard = signal === 'SIGINT' || signal === 'SIGQUIT';
    process.on(signal, () => (keyboard && terminal ? undefined : child.kill(signal)));
  }
  child.on('error', (error) => fail(`${node} does not start: ${error.message}`));
  child.on('exit', (status, signal) => {
    // 128 + number is how a shell reports the signal that ended a program
    process.exit(signal ? 128 + constants.signals[signal] : (status ?? 1));
  });
}

/** @param {number} fd */
function isTerminal(fd) {
  return [process.stdin, process.stdout, process.stderr][fd]?.isTTY === true;
}

/** @param {string} program */
function programPath(program) {
  const path = join(root, 'node_modules', '.bin', program);
  if (!existsSync(path)) fail(`${program} is not in node_modules/.bin.`);
  if (process.platform !== 'win32') return realpathSync(path);
  const { bin } = readJson(join(root, 'node_modules', program, 'package.json'));
  return join(root, 'node_modules', program, typeof bin === 'string' ? bin : bin[program]);
}

/** @param {string[]} args what follows `bin/setup.js` on the command line */
export function setup(args) {
  const env = { ...process.env };
  const rest = [...args];
  while (rest[0] === '--default') {
    const [name = '', ...value] = (rest[1] ?? '').split('=');
    env[name] ||= value.join('=');
    rest.splice(0, 2);
  }
  const [first, ...others] = rest;
  if (!first) fail('usage: node bin/setup.js <script> | --test | --run <program>  [arguments]');
  const isTool = first === '--test' || first === '--run';
  const node = findNode();
  // npm's install and whatever a tool starts by `#!/usr/bin/env node` run on the same Node.
  if (node !== process.execPath) env.PATH = `${dirname(node)}${delimiter}${env.PATH ?? ''}`;
  installDependencies(isTool);

  // what was read and stripped of its types once is kept: half of the time that a start takes, and tests start many
  env.NODE_COMPILE_CACHE ||= join(root, 'node_modules', '.cache', 'compiled');
  const flags = ['--disable-warning=ExperimentalWarning'];
  if (first === '--test') {
    handOver(node, [...flags, '--experimental-vm-modules', programPath('jest'), '--rootDir', root, ...others], env);
  } else if (first === '--run') {
    const [program, ...programArgs] = others;
    if (!program) fail('usage: node bin/setup.js --run <program> [arguments]');
    handOver(node, [...flags, programPath(program), ...programArgs], env);
  } else {
    // As in the Dockerfile. No input reaches a prototype by this name, whatever code it gets to (TH-21); and what a
    // request leaves behind is collected in larger pieces: a tenth less CPU time, for at most 96 MiB of memory.
    const ofServer = ['--disable-proto=delete', '--max-semi-space-size=32'];
    handOver(node, [...flags, ...ofServer, resolve(root, first), ...others], env);
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  setup(process.argv.slice(2));
}
