import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Connections go to the servers in turn; who refuses is passed over. It knows nothing of HTTP, and of no request. */
export interface Balancer extends AsyncDisposable {
  url: string;
}

/** @param urls of the servers, up or down */
export async function startBalancer(urls: readonly string[]): Promise<Balancer> {
  const ports = urls.map((url) => Number(new URL(url).port));
  const sockets = new Set<Socket>();
  let turn = 0;

  function forward(client: Socket, tries = ports.length): void {
    const upstream = connect(ports[turn++ % ports.length]!, 'localhost');
    sockets.add(upstream);
    upstream.once('close', () => sockets.delete(upstream));
    upstream.once('error', () => {
      if (upstream.connecting || upstream.bytesRead + upstream.bytesWritten === 0) {
        if (tries > 1) return forward(client, tries - 1);
      }
      client.destroy();
    });
    upstream.once('connect', () => {
      client.pipe(upstream).pipe(client);
      // what is on its way to the client still arrives
      upstream.once('close', () => client.destroySoon());
      client.once('close', () => upstream.destroy());
    });
  }

  const server = createServer({ pauseOnConnect: true }, (client) => {
    sockets.add(client);
    client.once('close', () => sockets.delete(client));
    client.on('error', () => {});
    forward(client);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
