import { createServer } from 'node:net';

/** A port of the loopback that nothing listens on at this moment. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}

/** Several at once, all different: the probes stay open until the last one has its number. */
export async function freePorts(count: number): Promise<number[]> {
  const probes = await Promise.all(Array.from({ length: count }, openProbe));
  const ports = probes.map(({ port }) => port);
  await Promise.all(probes.map(({ close }) => close()));
  return ports;
}

function openProbe(): Promise<{ port: number; close: () => Promise<void> }> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      if (address === null || typeof address === 'string') return reject(new Error('no port'));
      resolve({ port: address.port, close: () => new Promise((closed) => probe.close(() => closed())) });
    });
  });
}
