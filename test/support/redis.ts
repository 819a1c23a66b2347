import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePorts } from './ports.ts';
import { systemProgram } from './system.ts';
import { temporaryFolder } from './tmp.ts';

export interface RedisOptions {
  /** `always`: what was answered is on disk. */
  appendfsync?: 'always' | 'everysec' | 'no';
  /** More lines of redis.conf as arguments: `['--maxmemory', '10mb']`. */
  args?: string[];
}

/** A real Redis of its own on the loopback, in a temporary folder. */
export interface TestRedis extends AsyncDisposable {
  url: string;
  port: number;
  /** Its files; removed with it. */
  folder: string;
  pid(): number;
  /** Run one command with redis-cli; resolves with what it prints. */
  command(...args: string[]): Promise<string>;
  /** Empties it. Without redis-cli: a process for each of a few hundred tests is most of what those tests cost. */
  flush(): Promise<void>;
  /** SIGKILL: no goodbye, no last fsync. */
  kill(): Promise<void>;
  /** The same server again after `kill`: same port, same files. */
  restart(): Promise<void>;
  /** Ends the server and removes its files. */
  stop(): Promise<void>;
}

/** Three masters, every slot served; without replicas unless they are asked for. */
export interface TestRedisCluster extends AsyncDisposable {
  url: string;
  nodes: TestRedis[];
  /** The first is that of the first node, and so on. */
  replicas: TestRedis[];
  stop(): Promise<void>;
}

// A machine under load takes its time to fork and to gossip; longer than this is broken, not slow.
const startDeadlineMs = 20_000;

export async function startRedis({ appendfsync = 'always', args = [] }: RedisOptions = {}): Promise<TestRedis> {
  const [port] = await freePorts(1);
  return startServer(port!, ['--appendfsync', appendfsync, ...args]);
}

export async function startRedisCluster(
  options: RedisOptions & { withReplicas?: boolean } = {},
): Promise<TestRedisCluster> {
  const { appendfsync = 'always', args = [], withReplicas = false } = options;
  const count = withReplicas ? 6 : 3;
  const ports = await freePorts(2 * count);
  const all = await Promise.all(
    Array.from({ length: count }, (_, index) => {
      const bus = ['--cluster-enabled', 'yes', '--cluster-port', String(ports[index + count])];
      const inStep = ['--repl-diskless-sync-delay', '0'];
      return startServer(ports[index]!, ['--appendfsync', appendfsync, ...bus, ...inStep, ...args]);
    }),
  );
  const [nodes, replicas] = [all.slice(0, 3), all.slice(3)];
  const stop = async () => {
    await Promise.all(all.map((node) => node.stop()));
  };
  try {
    await formCluster(all, ports.slice(count));
    for (const [i, replica] of replicas.entries()) {
      const id = (await nodes[i]!.command('cluster', 'myid')).trim();
      await replicate(nodes[i]!, () => replica.command('cluster', 'replicate', id));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  return { url: `redis+cluster://${addresses.join(',')}`, nodes, replicas, stop, [Symbol.asyncDispose]: stop };
}

/** A master with one replica in step, and a sentinel that watches them as `assent`. */
export interface TestSentinel extends AsyncDisposable {
  url: string;
  master: TestRedis;
  replica: TestRedis;
  /** Resolves when the replica has all that the master has at this moment. */
  replicated(): Promise<void>;
  /** Makes the replica the master; resolves when the sentinel says so. */
  failover(): Promise<void>;
  stop(): Promise<void>;
}

/** A master and one replica that is in step. */
export async function startRedisPair(options: RedisOptions = {}): Promise<{ master: TestRedis; replica: TestRedis }> {
  const args = ['--repl-diskless-sync-delay', '0', ...(options.args ?? [])];
  const [master, replica] = await Promise.all([startRedis({ ...options, args }), startRedis(options)]);
  await replicate(master, () => replica.command('replicaof', '127.0.0.1', String(master.port)));
  return { master, replica };
}

/** Resolves when the replica acknowledges what its master gets: it is called online some time before. Both are empty. */
async function replicate(master: TestRedis, begin: () => Promise<string>): Promise<void> {
  await begin();
  await until('the replica', async () => (await master.command('info', 'replication')).includes('state=online'));
  await until('its acknowledgement', async () =>
    (await ask(master.port, 'FLUSHALL', 'WAIT 1 1000')).endsWith(':1\r\n'),
  );
}

export async function startRedisWithSentinel(): Promise<TestSentinel> {
  const [port] = await freePorts(1);
  const folder = await temporaryFolder('assent-sentinel');
  const { master, replica } = await startRedisPair();
  const file = join(folder.path, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    `dir ${folder.path}`,
    `sentinel monitor assent 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds assent 1000',
    'sentinel failover-timeout assent 5000',
  ];
  await writeFile(file, lines.join('\n'));
  const sentinel = spawn(systemProgram('redis-server'), [file, '--sentinel'], { stdio: 'ignore' });
  const command = (...args: string[]) => redisCli(port!, args);
  const stop = async () => {
    sentinel.kill('SIGKILL');
    await Promise.all([master.stop(), replica.stop()]);
    await folder.remove();
  };
  await until('the sentinel', async () =>
    (await command('sentinel', 'replicas', 'assent')).includes(String(replica.port)),
  );
  return {
    url: `redis+sentinel://127.0.0.1:${port}/assent`,
    master,
    replica,
    async replicated() {
      const wanted = await offsetOf(master);
      await until('replication', async () => (await offsetOf(replica)) >= wanted);
    },
    async failover() {
      await until('the failover', async () => (await command('sentinel', 'failover', 'assent')) === 'OK');
      await until('the new master', async () =>
        (await command('sentinel', 'master', 'assent')).includes(`port\n${replica.port}\n`),
      );
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function offsetOf(redis: TestRedis): Promise<number> {
  const info = await redis.command('info', 'replication');
  return Number(/(?:slave|master)_repl_offset:(\d+)/.exec(info)?.[1] ?? 0);
}

async function formCluster(nodes: TestRedis[], busPorts: number[]): Promise<void> {
  const slots: [number, number][] = [
    [0, 5460],
    [5461, 10922],
    [10923, 16383],
  ];
  for (const [index, node] of nodes.entries()) {
    await node.command('cluster', 'set-config-epoch', String(index + 1));
    const [first, last] = slots[index] ?? [];
    if (first !== undefined) await node.command('cluster', 'addslotsrange', String(first), String(last));
  }
  for (const [index, { port }] of nodes.entries()) {
    await nodes[0]!.command('cluster', 'meet', '127.0.0.1', String(port), String(busPorts[index]));
  }
  await Promise.all(
    nodes.map((node) =>
      until(`node ${node.port} of the cluster`, async () => {
        const info = await node.command('cluster', 'info');
        return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${nodes.length}`);
      }),
    ),
  );
}

async function startServer(port: number, args: string[]): Promise<TestRedis> {
  const folder = await temporaryFolder('assent-redis');
  let server = await launch(port, folder.path, args);

  const end = async (signal: NodeJS.Signals) => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    await exited;
  };
  const stop = async () => {
    await end('SIGKILL'); // its files are removed next: nothing is worth saving
    await folder.remove();
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder: folder.path,
    pid: () => server.pid!,
    command: (...command) => redisCli(port, command),
    flush: () => flushAll(port),
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGKILL');
      server = await launch(port, folder.path, args);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function launch(port: number, folder: string, args: string[]): Promise<ChildProcess> {
  const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
  const durable = ['--save', '', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];
  const server = spawn(systemProgram('redis-server'), [...own, ...durable, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk).slice(-4000);
  };
  server.stdout?.on('data', keep);
  server.stderr?.on('data', keep);
  try {
    await until(`redis-server on port ${port}`, async () => {
      if (server.exitCode !== null) throw new Error(`redis-server ended: ${output}`);
      return (await ask(port, 'PING').catch(String)) === '+PONG\r\n';
    });
  } catch (error) {
    server.kill('SIGKILL');
    throw error;
  }
  return server;
}

async function flushAll(port: number): Promise<void> {
  const answer = await ask(port, 'FLUSHALL SYNC');
  if (answer !== '+OK\r\n') throw new Error(`FLUSHALL: ${answer}`);
}

/** One command that is answered with one line, on a connection of its own. */
function ask(port: number, ...lines: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(lines.map((line) => `${line}\r\n`).join('')));
    let answers = '';
    socket.setEncoding('utf8');
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed without an answer')));
    socket.on('data', (chunk: string) => {
      answers += chunk;
      if (answers.split('\r\n').length <= lines.length) return;
      resolve(answers);
      socket.destroy();
    });
  });
}

/** Resolves with the answer, also where it is an error: a server that starts refuses connections for a moment. */
async function redisCli(port: number, args: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('redis-cli', ['-p', String(port), ...args]);
    return stdout.trim();
  } catch (error) {
    return String((error as { stderr?: string }).stderr ?? error).trim();
  }
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + startDeadlineMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`${what} did not get ready in ${startDeadlineMs / 1000} s`);
    await sleep(20);
  }
}
