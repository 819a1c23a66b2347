/** Assent as its own process, with the settings of a production server except where a comment says otherwise. */
import { randomBytes } from 'node:crypto';
import { openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createManagementClient, type ManagementClient } from '../src/support/management-client.ts';
import { benchClient, type Target } from './client.ts';
import { flags, freePorts, type Measured, profiling, startOnServerCore, until } from './processes.ts';

export interface BenchAssent extends Target, AsyncDisposable {
  process: Measured;
  masterKey: Buffer;
  management: ManagementClient;
  authenticator: string;
  /** From the start of the process to the end of its own preparations. */
  readyMs: number;
}

const root = join(import.meta.dirname, '..');
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
}

export async function startAssent({ store, profile, isDiscreet = false }: AssentOptions = {}): Promise<BenchAssent> {
  const folder = await mkdtemp(join(tmpdir(), 'assent-bench-'));
  const masterKey = randomBytes(32);
  const [port, managementPort, authenticatorPort] = await freePorts(3);
  const config = {
    // production asks for https, which would measure TLS
    environment: 'development',
    port,
    management: { port: managementPort, apiKeys: [{ name: 'bench', key: apiKey, scopes: ['*'] }] },
    authenticator: { port: authenticatorPort },
    store: store ?? `embedded:${join(folder, 'assent.db')}`,
    masterKey: masterKey.toString('base64url'),
    // every `auth_req_id` may be polled at any time, and any number of requests may be open
    ciba: { intervalSeconds: 1, pendingPerClient: isDiscreet ? 1 : 0, pendingPerUser: 0 },
    pacing: { toleranceMs: 10_000 },
    // streams stay for the whole measurement
    device: { eventStreamSeconds: 3_600 },
    clients: [{ ...benchClient, client_name: 'Bench', ...(isDiscreet && { assent_unknown_user: 'decoy' }) }],
    applications: [{ id: applicationId, name: 'Bench', methods: ['device', 'pin'], enrollment_mode: 'multiple' }],
  };
  const configFile = join(folder, 'config.json');
  await writeFile(configFile, JSON.stringify(config));
  const logFile = join(folder, 'assent.log');
  const log = openSync(logFile, 'w');
  const startedAt = performance.now();
  const running = startOnServerCore(
    process.execPath,
    profile ? [...flags, ...profiling(profile), join(root, 'src/main.ts')] : setup,
    {
      cwd: folder,
      env: { ...withoutOurs(process.env), ASSENT_CONFIG: configFile },
      stdio: ['ignore', log, log],
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
    management: createManagementClient({ url: `http://127.0.0.1:${managementPort}`, key: apiKey }),
    authenticator: `http://localhost:${authenticatorPort}`,
    async [Symbol.asyncDispose]() {
      await running.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const apiKey = 'bench-management-key-0123456789abcdef';

function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('ASSENT_')));
}
