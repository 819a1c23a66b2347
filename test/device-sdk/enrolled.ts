import { beginEnrollment, type Device, type DeviceStorage, memoryStorage } from '../../src/device-sdk/index.ts';
import { createTestServer, type TestServer } from './harness.ts';

export const PIN = '493817';

/** Options that make a device live in the test server's world: its network, its clock, no waiting. */
export const worldOf = (server: TestServer) => ({
  fetch: server.fetch,
  now: server.clock.now,
  sleep: async () => undefined,
});

/** A server and one device enrolled at it. */
export async function enrolled({
  pin = PIN,
  storage = memoryStorage(),
}: {
  pin?: string | undefined;
  storage?: DeviceStorage;
} = {}): Promise<{
  server: TestServer;
  device: Device;
  storage: DeviceStorage;
}> {
  const server = createTestServer();
  const enrollment = await beginEnrollment(storage, server.newTicket().uri, worldOf(server));
  const device = await enrollment.finish({ device: { name: 'Phone of Alice' }, ...(pin !== '' && { pin }) });
  return { server, device, storage };
}
