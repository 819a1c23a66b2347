import { type AddressInfo, createServer } from 'node:net';
import type { Outbound } from '../outbound.ts';
import { OutboundError } from './errors.ts';
import type { Policy } from './guard.ts';
import type { Resolve } from './resolve.ts';

export interface SelfTest {
  /** The one in use. */
  outbound: Outbound;
  /** The same again with what is given in the place of what was configured. */
  create(changed: Policy & { resolve: Resolve; log: undefined }): Outbound;
}

/** Never answers anybody, and exists in every cloud for those who can be sent to it. */
const METADATA = '169.254.169.254';

/**
 * Proves that the guard stands in the way: a listener of ours on loopback must not be reached, neither by its address nor
 * by a name, and a metadata service must be refused by the configuration in use. A change of node that no longer asked our
 * lookup would be found here and not by an attacker.
 *
 * @throws Error where something got through; the process must not start
 */
export async function assertGuarded({ outbound, create }: SelfTest): Promise<void> {
  let reached = false;
  const trap = createServer((socket) => {
    reached = true;
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => trap.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = trap.address() as AddressInfo;
  const strict = create({
    allowLoopback: false,
    allowedHosts: undefined,
    allowedNetworks: undefined,
    allowedPorts: [port],
    resolve: async () => ['127.0.0.1', '::ffff:127.0.0.1'],
    log: undefined,
  });
  try {
    await mustBeRefused(strict, `https://127.0.0.1:${port}/`);
    await mustBeRefused(strict, `https://guard.invalid:${port}/`);
    if (reached) throw new Error('the guard of outgoing calls let a connection to loopback pass');
    await mustBeRefused(outbound, `https://${METADATA}/`);
  } finally {
    trap.close();
  }
}

async function mustBeRefused(outbound: Outbound, url: string): Promise<void> {
  const outcome = await outbound.request(url).catch((error: unknown) => error);
  if (outcome instanceof OutboundError && outcome.reason.startsWith('refused_')) return;
  throw new Error('the guard of outgoing calls is not active');
}
