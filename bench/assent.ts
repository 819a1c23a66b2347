/** Assent as its own process, with the settings of a production server except where a comment says otherwise. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Authority } from '../src/support/certificates.ts';
import { createManagementClient, type ManagementClient } from '../src/support/management-client.ts';
import { benchClient, type Target } from './client.ts';
import type { CpuTime } from './cpu-time.ts';
import type { LoopDelay } from './loop-delay.ts';
import { flags, freePorts, type Measured, profiling, startAnywhere, startOnServerCore, until } from './processes.ts';
import { knownTo, type Program } from './rolling/program.ts';

export interface BenchAssent extends Target, AsyncDisposable {
  process: Measured;
  masterKey: Buffer;
  management: ManagementClient;
  managementAt: { url: string; key: string };
  authenticator: string;
  /** From the start of the process to the end of its own preparations. */
  readyMs: number;
  /** Of the port where clients show certificates, where there is one. */
  secureUrl: string | undefined;
  /** Of the event loop since the last reading; by that meter. */
  loopDelay(): Promise<LoopDelay>;
  /** To the microsecond; by that meter. */
  cpuTime(): Promise<CpuTime>;
  /** A line of its metrics. */
  metric(name: string): Promise<number>;
  ports: readonly number[];
  /** What it has written so far. */
  output(): string;
  /** What another process needs to serve the same. */
  shared: { issuer: string; masterKey: Buffer };
}

const root = join(import.meta.dirname, '..');
/** As bin/setup.js sets it. */
const compileCache = { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled') };
/** As `npm start` does. */
const setup = [join(root, 'bin/setup.js'), 'src/main.ts'];
export const applicationId = 'bench-app';

export interface AssentOptions {
  /** As in the configuration; default: an embedded one. */
  store?: string;
  /** A folder for its CPU profile. */
  profile?: string;
  /** Its client must not learn who exists; one request of a person at a time. */
  isDiscreet?: boolean;
  /** Asked for; so many tries of each person. */
  userCodeTries?: number;
  /** Beside `benchClient`. */
  clients?: Record<string, unknown>[];
  /** A port for certificates of this authority, which also issues the server's. */
  authority?: Authority;
  /** May call this machine, where it trusts what this authority has issued. */
  receiversBy?: Authority;
  /** Loaded before the server, and asked by messages. */
  meter?: 'loop-delay' | 'cpu-time';
  /** Of a process on the same store. */
  shared?: BenchAssent['shared'];
  /** Another version; its own settings alone. Default: this one. */
  program?: Program;
  /** Of the configuration, in the place of ours. */
  settings?: Record<string, unknown>;
  /** Not on the servers' core alone. */
  isAnywhere?: boolean;
  /** Of one that was stopped: another takes its place. */
  ports?: readonly number[];
}

export async function startAssent(options: AssentOptions = {}): Promise<BenchAssent> {
  const { store, profile, isDiscreet = false, userCodeTries, clients = [], authority, meter } = options;
  const { program, isAnywhere = false, settings, receiversBy } = options;
  const folder = await mkdtemp(join(tmpdir(), 'assent-bench-'));
  const ports = options.ports ?? (await freePorts(4));
  const [port, managementPort, authenticatorPort, securePort] = ports;
  const { issuer, masterKey } = options.shared ?? { issuer: `http://localhost:${port}`, masterKey: randomBytes(32) };
  const managementAt = { url: `http://127.0.0.1:${managementPort}`, key: apiKey };
  const config = {
    // production asks for https, which would measure TLS
    environment: 'development',
    issuer,
    port,
    ...(authority && { tls: { clientPort: securePort, port: 0, ...(await tlsFiles(folder, authority)) } }),
    management: { port: managementPort, apiKeys: [{ name: 'bench', key: apiKey, scopes: ['*'] }] },
    authenticator: { port: authenticatorPort },
    store: store ?? `embedded:${join(folder, 'assent.db')}`,
    masterKey: masterKey.toString('base64url'),
    // a machine that stands still for a moment shall spoil a figure, not the run
    redis: { commandTimeoutMs: 4000 },
    // every `auth_req_id` may be polled at any time, and any number of requests may be open
    ciba: {
      intervalSeconds: 1,
      pendingPerClient: isDiscreet ? 1 : 0,
      pendingPerUser: 0,
      // one client holds them all
      hold: { perClient: 20_000, perProcess: 20_000 },
      ...(userCodeTries && {
        userCode: { enabled: true, maxTries: userCodeTries, maxTriesOfAll: userCodeTries, windowSeconds: 86_400 },
      }),
    },
    // one person is asked thousands of times
    limits: { perUserAndClient: { starts: 0 }, perUser: { starts: 0 }, backOff: { firstSeconds: 0 }, notMeSeconds: 0 },
    pacing: { toleranceMs: 10_000 },
    // streams stay for the whole measurement
    device: { eventStreamSeconds: 3_600, eventStreamsPerDevice: 100 },
    clients: [benchClient, ...clients].map((client) => ({
      client_name: 'Bench',
      ...client,
      ...(isDiscreet && { assent_unknown_user: 'decoy' }),
      ...(userCodeTries && { backchannel_user_code_parameter: true }),
    })),
    applications: [{ id: applicationId, name: 'Bench', methods: ['device', 'pin'], enrollment_mode: 'multiple' }],
    ...(receiversBy && { outbound: { allowLoopback: true, trustAnchors: [await anchorFile(folder, receiversBy)] } }),
    ...settings,
  };
  const configFile = join(folder, 'config.json');
  await writeFile(configFile, JSON.stringify(program ? knownTo(program, config) : config));
  const logFile = join(folder, 'assent.log');
  const log = openSync(logFile, 'w');
  const startedAt = performance.now();
  // bin/setup.js of another version would install that version's dependencies in the place of these
  const isPlain = !profile && !meter && !program;
  const metering = meter ? ['--import', join(import.meta.dirname, `${meter}.ts`)] : [];
  const running = (isAnywhere ? startAnywhere : startOnServerCore)(
    process.execPath,
    isPlain ? setup : [...flags, ...profiling(profile), ...metering, join(program?.root ?? root, 'src/main.ts')],
    {
      cwd: folder,
      env: { ...withoutOurs(process.env), ASSENT_CONFIG: configFile, ...(program && compileCache) },
      stdio: ['ignore', log, log, ...(meter ? ['ipc' as const] : [])],
    },
  );
  await until('Assent', () => {
    const text = readFileSync(logFile, 'utf8');
    if (running.child.exitCode !== null) throw new Error(`Assent ended:\n${text}`);
    return text.includes('"process.ready"');
  });
  return {
    process: running,
    masterKey,
    readyMs: performance.now() - startedAt,
    url: `http://localhost:${port}`,
    secureUrl: authority && `https://localhost:${securePort}`,
    ports,
    output: () => readFileSync(logFile, 'utf8'),
    shared: { issuer, masterKey },
    loopDelay: () => readMeter<LoopDelay>(running),
    cpuTime: () => readMeter<CpuTime>(running),
    async metric(name) {
      const text = await (await fetch(`${managementAt.url}/metrics`)).text();
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    },
    management: createManagementClient(managementAt),
    managementAt,
    authenticator: `http://localhost:${authenticatorPort}`,
    async [Symbol.asyncDispose]() {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function readMeter<T>({ child }: Measured): Promise<T> {
  const read = once(child, 'message') as Promise<[T]>;
  child.send('read');
  return (await read)[0];
}

async function anchorFile(folder: string, { cert }: Authority): Promise<string> {
  const file = join(folder, 'receivers.pem');
  await writeFile(file, cert);
  return file;
}

async function tlsFiles(folder: string, authority: Authority) {
  const { cert, key } = authority.issue({ name: 'localhost' });
  const files = { certificate: cert, key, clientAuthorities: authority.cert };
  const written = Object.entries(files).map(async ([name, text]) => {
    const file = join(folder, `${name}.pem`);
    await writeFile(file, text);
    return [name, file];
  });
  return Object.fromEntries(await Promise.all(written));
}

const apiKey = 'bench-management-key-0123456789abcdef';

function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('ASSENT_')));
}
