/** Where pings arrive: one receiver that is well, and others that are not, each in its own way, until they are healed. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Authority, type Certificate, selfSigned } from '../src/support/certificates.ts';

export interface Receiver extends AsyncDisposable {
  endpoint: string;
  /** Connections that came, whatever became of them: ours is a new one for each call. */
  calls(): number;
  /** When each request was named first. */
  arrived: Map<string, number>;
  /** Answers as it should from now on. */
  heal(): void;
}

/** @throws Error where the ping does not come within a minute */
export async function arrivalOf(authReqId: string, { arrived }: Receiver): Promise<number> {
  for (let waited = 0; waited < 60_000; waited += 2) {
    const at = arrived.get(authReqId);
    if (at !== undefined) return at;
    await sleep(2);
  }
  throw new Error('a ping to the receiver that is well did not come within a minute');
}

type Answer = (response: ServerResponse) => unknown;

const well: Answer = (response) => response.writeHead(204).end();
const tenMegabytes = Buffer.alloc(10 * 2 ** 20, 'x');

const hang: Answer = () => undefined;

/** Ways to be bad, each of a receiver of its own. `elsewhere` is where nobody may be sent. */
const faults = (elsewhere: string): [fault: string, answer: Answer][] => [
  ['never answers', hang],
  ['answers 500', (response) => response.writeHead(500).end()],
  ['answers 500 and 10 MB', (response) => response.writeHead(500).end(tenMegabytes)],
  [redirecting, (response) => response.writeHead(302, { location: elsewhere }).end()],
];

/** It says no, once and for all: it is not asked again. */
export const redirecting = 'redirects';
/** As when a part of the net is away. */
export const inCrowd = 'in a crowd that never answers';

const name = 'localhost';

export const startGoodReceiver = (authority: Authority) => startReceiver(authority, well);

export interface Bad {
  fault: string;
  receiver: Receiver;
}

/** @param elsewhere of a receiver that is well, and is not to be called for these */
export async function startBadReceivers(authority: Authority, elsewhere: string, crowd: number): Promise<Bad[]> {
  const all = [...faults(elsewhere), ...Array.from({ length: crowd }, () => [inCrowd, hang] as const)];
  const started = all.map(async ([fault, answer]) => ({ fault, receiver: await startReceiver(authority, answer) }));
  const untrusted = await startReceiver(authority, well, selfSigned({ name }));
  return [...(await Promise.all(started)), { fault: 'has a bad certificate', receiver: untrusted }];
}

async function startReceiver(authority: Authority, first: Answer, shown?: Certificate): Promise<Receiver> {
  const right = authority.issue({ name });
  let answer = first;
  let calls = 0;
  const arrived = new Map<string, number>();
  const server = createServer(shown ?? right, async (request, response) => {
    const at = performance.now();
    const id = await namedIn(request);
    if (id === undefined) return;
    if (!arrived.has(id)) arrived.set(id, at);
    answer(response);
  });
  server.on('connection', () => {
    calls += 1;
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `https://${name}:${(server.address() as AddressInfo).port}/ping`,
    calls: () => calls,
    arrived,
    heal() {
      arrived.clear();
      answer = well;
      server.setSecureContext(right);
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** undefined: the caller hung up. */
async function namedIn(request: IncomingMessage): Promise<string | undefined> {
  let text = '';
  try {
    for await (const chunk of request) text += chunk;
    return JSON.parse(text).auth_req_id;
  } catch {
    return undefined;
  }
}
