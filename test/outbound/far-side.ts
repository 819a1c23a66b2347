import { createServer as createPlain, type RequestListener } from 'node:http';
import { createServer as createSecure, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer as createRaw, type Server, type Socket } from 'node:net';

export interface FarSide extends AsyncDisposable {
  port: number;
  /** Connections that have arrived. */
  connections(): number;
}

/** Counts who comes, and lets nobody go on. */
export const trap = (host = '127.0.0.1', port = 0) => started(createRaw(), host, port, (socket) => socket.destroy());

/** A server of somebody else. */
export const plainServer = (handler: RequestListener) => started(createPlain(handler));
export const secureServer = (options: ServerOptions, handler: RequestListener) =>
  started(createSecure(options, handler));
/** Speaks whatever the test writes. */
export const rawServer = (onSocket: (socket: Socket) => void) => started(createRaw(), '127.0.0.1', 0, onSocket);

async function started(
  server: Server,
  host = '127.0.0.1',
  port = 0,
  onSocket?: (socket: Socket) => void,
): Promise<FarSide> {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on('connection', (socket: Socket) => {
    count += 1;
    sockets.add(socket);
    socket.on('error', () => {}); // the guard cuts connections; that is what is tested
    socket.on('close', () => sockets.delete(socket));
    onSocket?.(socket);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => count,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
