/** Between Assent and its Redis: counts how often something is sent and waited for. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { numberOfKeys, type ScriptName, sourceOf } from '../adapters/redis/scripts.ts';

export interface CountingProxy extends AsyncDisposable {
  port: number;
  /** Since the last time: the commands of each round trip. */
  taken(): string[][];
}

/** Nobody waits for these: the dispatcher, the sweeper, and what a connection does for itself. */
const background = new Set<string>([
  'claimOutbox',
  'settleOutbox',
  'readBacklog',
  'expireOperations',
  'collectGarbage',
  'dueClaims',
  'dueBoxes',
  'zcount',
  'ping',
  'info',
  'hello',
  'client',
  'config',
  'subscribe',
  'script',
] satisfies (ScriptName | string)[]);

const scriptNames = new Map(
  Object.keys(numberOfKeys).flatMap((name) => {
    const source = sourceOf(name);
    return [source, createHash('sha1').update(source).digest('hex')].map((key) => [key, name] as const);
  }),
);

/**
 * A round trip: commands that are sent before anything of what was sent earlier is answered. Pipelined ones count once.
 */
export async function countingProxy(redisPort: number): Promise<CountingProxy> {
  let trips: string[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const redis = connect(redisPort, '127.0.0.1');
    let rest: Buffer = Buffer.alloc(0);
    let isWaiting = false;
    client.on('data', (chunk: Buffer) => {
      const { commands, left } = commandsOf(Buffer.concat([rest, chunk]));
      rest = left;
      const asked = commands.map(nameOf).filter((name) => !background.has(name));
      if (asked.length > 0) {
        if (isWaiting) trips.at(-1)!.push(...asked);
        else trips.push(asked);
        isWaiting = true;
      }
      redis.write(chunk);
    });
    redis.on('data', (chunk) => {
      isWaiting = false;
      client.write(chunk);
    });
    for (const [one, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(one);
      one.setNoDelay(true);
      one.on('error', () => {});
      one.on('close', () => other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    taken() {
      const all = trips;
      trips = [];
      return all;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** RESP: `*<count>` and for each `$<bytes>` and the bytes. */
function commandsOf(bytes: Buffer): { commands: string[][]; left: Buffer } {
  const commands: string[][] = [];
  let at = 0;
  for (;;) {
    const command = commandAt(bytes, at);
    if (!command) return { commands, left: bytes.subarray(at) };
    commands.push(command.words);
    at = command.end;
  }
}

function commandAt(bytes: Buffer, start: number): { words: string[]; end: number } | undefined {
  const head = lineAt(bytes, start);
  if (!head) return undefined;
  const words: string[] = [];
  let at = head.end;
  for (let i = 0; i < head.number; i++) {
    const size = lineAt(bytes, at);
    if (!size || size.end + size.number + 2 > bytes.length) return undefined;
    words.push(bytes.toString('utf8', size.end, size.end + size.number));
    at = size.end + size.number + 2;
  }
  return { words, end: at };
}

function lineAt(bytes: Buffer, start: number): { number: number; end: number } | undefined {
  const end = bytes.indexOf('\r\n', start);
  return end < 0 ? undefined : { number: Number(bytes.toString('latin1', start + 1, end)), end: end + 2 };
}

function nameOf([command = '', first = '']: string[]): string {
  const name = command.toLowerCase();
  return name === 'evalsha' || name === 'eval' ? (scriptNames.get(first) ?? name) : name;
}
