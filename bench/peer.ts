/** The bare engine as its own process; see peer/server.ts. */
import { once } from 'node:events';
import { join } from 'node:path';
import type { Target } from './client.ts';
import { flags, freePorts, type Measured, profiling, startOnServerCore } from './processes.ts';

export interface BenchPeer extends Target, AsyncDisposable {
  process: Measured;
  /** As a callback of an approval side would do: the engine's own `backchannelResult`. */
  approve(authReqIds: string[]): Promise<void>;
}

export interface PeerOptions {
  redis: string;
  users: string[];
  profile?: string;
  /** Beside `benchClient`. */
  clients?: Record<string, unknown>[];
}

const server = join(import.meta.dirname, 'peer/server.ts');

export async function startPeer({ redis, users, profile, clients = [] }: PeerOptions): Promise<BenchPeer> {
  const [port] = await freePorts(1);
  const args = [server, String(port), redis, JSON.stringify(clients)];
  const running = startOnServerCore(process.execPath, [...flags, ...profiling(profile), ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const told = async (message: object) => {
    running.child.send(message);
    const [answer] = await Promise.race([once(running.child, 'message'), once(running.child, 'exit')]);
    if (answer !== 'done') throw new Error(`the peer answered ${answer}`);
  };
  await told({ users });
  return {
    process: running,
    url: `http://localhost:${port}`,
    approve: (approve) => told({ approve }),
    [Symbol.asyncDispose]: () => running.stop(),
  };
}
