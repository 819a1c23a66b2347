import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canaries, expectNoCanary } from './canaries/index.ts';
import './pin-derivations.ts';
import { freePorts } from './ports.ts';
import { temporaryFolder } from './tmp.ts';

export const repository = join(import.meta.dirname, '../..');
const developmentFile = join(repository, 'config/development.json');

type Settings = Record<string, unknown>;

export interface ServerOptions {
  /** Over the development configuration; members of objects are merged, lists replaced. */
  config?: Settings;
  /** Default: an embedded store in the server's own folder. */
  store?: string;
  env?: Record<string, string>;
  /** A program and its arguments to run it under, for example strace. */
  wrapper?: string[];
  /** Resolve as soon as the process runs, ready or not; for starts that are to fail. */
  expectReady?: boolean;
}

/** A real server: its own process, configuration, ports and store. */
export interface TestServer extends AsyncDisposable {
  /** Of the public listener. */
  issuer: string;
  /** Of the management listener; the API is below `/management/v1`. */
  management: string;
  authenticator: string;
  managementKey: string;
  configFile: string;
  /** The folder that is removed with it; the embedded store is `assent.db` in here. */
  folder: string;
  /** What a client of it (the command line, another server) needs: `ASSENT_CONFIG`. */
  env: Record<string, string>;
  secretOf(clientId: string): string;
  pid(): number;
  /** Everything that it has written so far. */
  output(): string;
  /** Resolves with the exit status when it ends by itself. */
  ended(): Promise<number | null>;
  /** SIGTERM: it drains. Resolves with the exit status. */
  stop(): Promise<number | null>;
  /** SIGKILL: no goodbye. */
  kill(): Promise<void>;
  /** The same again after `stop` or `kill`: same ports, same store. */
  restart(): Promise<void>;
}

// A loaded machine takes its time; longer than this is broken, not slow.
const startDeadlineMs = 30_000;

/** @example await using server = await startServer() */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const folder = await temporaryFolder('assent-server');
  const [publicPort, managementPort, authenticatorPort] = await freePorts(3);
  const settings = merged(developmentSettings(), {
    port: publicPort,
    management: { port: managementPort },
    authenticator: { port: authenticatorPort },
    store: options.store ?? `embedded:${join(folder.path, 'assent.db')}`,
    log: { level: 'debug' }, // `process.ready` is read from the log, and TH-22 wants all that there is
    // so that a flow takes a second or two; give another where pacing is the matter
    ciba: { intervalSeconds: 1 },
    ...(options.store && { masterKey: Buffer.alloc(32, 1).toString('base64url') }),
    // a machine that stands still for a second has not lost its store; give another where an outage is the matter
    redis: { commandTimeoutMs: 4000 },
    // nor is one behind that runs several tests at once
    listeners: { overloadMs: 0 },
  });
  const config = merged(settings, options.config ?? {});
  const configFile = join(folder.path, 'config.json');
  await writeFile(configFile, JSON.stringify(config, null, 2));

  canaries.learn(JSON.stringify(config));
  const env = { ASSENT_CONFIG: configFile };
  let running = launch({ ...env, ...options.env }, folder.path, options.wrapper);
  const management = `http://127.0.0.1:${managementPort}`;
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const shown = shownBy(running);
    running.child.kill(signal);
    const status = await running.ended;
    running.check({ ...shown, 'the log': logOf(running.output()) });
    return status;
  };
  const endInOrder = async (signal: NodeJS.Signals) => {
    if (running.isAlive()) running.shown['/metrics'] = await metricsOf(management);
    return end(signal);
  };
  const dispose = async () => {
    const keyFile = join(folder.path, 'assent.db.key');
    if (existsSync(keyFile)) canaries.add('the master key', readFileSync(keyFile, 'utf8').trim());
    await endInOrder('SIGKILL').finally(() => folder.remove());
  };
  if (options.expectReady !== false)
    await running.ready.catch(async (error) => Promise.reject(await after(dispose, error)));

  return {
    issuer: `http://localhost:${publicPort}`,
    management,
    authenticator: `http://localhost:${authenticatorPort}`,
    managementKey: 'demo-management-key-0123456789abcdef',
    configFile,
    folder: folder.path,
    env,
    secretOf: (clientId) => secretIn(config, clientId),
    pid: () => running.child.pid!,
    output: () => running.output(),
    ended: () => running.ended,
    stop: () => endInOrder('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
    async restart() {
      await end('SIGKILL');
      running = launch({ ...env, ...options.env }, folder.path, options.wrapper);
      await running.ready;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

interface Running {
  child: ChildProcess;
  ready: Promise<void>;
  ended: Promise<number | null>;
  output(): string;
  isAlive(): boolean;
  /** Beside its log, by what it is called. */
  shown: Record<string, string>;
  /** @throws Error where a secret is found, the first time that it is asked: whoever disposes of it afterwards is not told again */
  check(texts: Record<string, string>): void;
}

function launch(env: Record<string, string>, cwd: string, wrapper: string[] = []): Running {
  // as bin/setup.js and the image start it
  const flags = ['--disable-warning=ExperimentalWarning', '--disable-proto=delete'];
  const program = [process.execPath, ...flags, join(repository, 'src/main.ts')];
  const [command = '', ...args] = [...wrapper, ...program];
  const child = spawn(command, args, {
    cwd,
    env: { ...inherited(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ready = new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`the server ${why}:\n${output.slice(-4000)}`));
    const timer = setTimeout(() => fail(`was not ready in ${startDeadlineMs / 1000} s`), startDeadlineMs);
    let isSettled = false;
    const keep = (chunk: Buffer) => {
      output += chunk;
      // later it would be megabytes to look through, for every line
      if (!isSettled && output.includes('"process.ready"')) settle(resolve);
    };
    const settle = (done: () => void) => {
      isSettled = true;
      clearTimeout(timer);
      done();
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.once('exit', (status, signal) => settle(() => fail(`ended (${status ?? signal})`)));
    child.once('error', (error) => settle(() => reject(error)));
  });
  ready.catch(() => undefined); // whoever does not wait for it must not fail by it
  // `close`: also its output has been read
  const ended = new Promise<number | null>((resolve) => void child.once('close', resolve));
  const isAlive = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  let isTold = false;
  const check = (texts: Record<string, string>) => {
    if (isTold) return;
    try {
      for (const [what, text] of Object.entries(texts)) expectNoCanary(what, text);
    } catch (error) {
      isTold = true;
      throw error;
    }
  };
  return { child, ready, ended, output: () => output, isAlive, shown: {}, check };
}

/** What others on the machine can see of it; read while it runs, kept for whoever asks later. */
function shownBy({ child, isAlive, shown }: Running): Record<string, string> {
  if (!isAlive()) return shown;
  try {
    shown['the command line'] = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8');
  } catch {
    // it ended in this very moment, or the system shows it to nobody
  }
  return shown;
}

/** Without the line that tells a developer the key which everybody knows. */
const logOf = (output: string) => output.replace(/^ {2}Management API .*$/m, '');

/** Nothing where it has none, or cannot answer any more. */
async function metricsOf(management: string): Promise<string> {
  const answer = await fetch(`${management}/metrics`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
  return answer?.ok ? answer.text().catch(() => '') : '';
}

/** Settings of whoever runs the tests must not reach the server. */
export function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ASSENT_')));
}

function developmentSettings(): Settings {
  const { $schema, ...settings } = JSON.parse(readFileSync(developmentFile, 'utf8'));
  return settings;
}

function merged(base: Settings, over: Settings): Settings {
  const members = Object.entries(over).map(([name, value]) => {
    const below = base[name];
    return [name, isPlain(below) && isPlain(value) ? merged(below, value) : value];
  });
  return { ...base, ...Object.fromEntries(members) };
}

function isPlain(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function secretIn({ clients }: Settings, clientId: string): string {
  const found = (clients as { client_id: string; client_secret?: string }[]).find(
    (each) => each.client_id === clientId,
  );
  if (!found?.client_secret) throw new Error(`no secret of ${clientId} in the configuration`);
  return found.client_secret;
}

async function after<T>(work: () => Promise<void>, value: T): Promise<T> {
  await work();
  return value;
}
