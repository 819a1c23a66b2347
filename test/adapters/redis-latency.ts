import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A way to a Redis that takes between nothing and `maxMs` longer for each piece that passes, in either direction. */
export async function slowWayTo(port: number, maxMs: number): Promise<{ url: string; close(): void }> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        near.destroy();
        far.destroy();
      });
    }
    pass(near, far, maxMs);
    pass(far, near, maxMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as { port: number };
  return {
    url: `redis://127.0.0.1:${address.port}`,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

async function pass(from: Socket, to: Socket, maxMs: number): Promise<void> {
  try {
    for await (const piece of from) {
      await sleep(Math.random() * maxMs);
      to.write(piece);
    }
  } catch {
    // the connection ended, and with it what was on its way
  }
}
