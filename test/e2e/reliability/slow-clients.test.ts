import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createVirtualClient } from '../../support/reliability/clients.ts';
import { deploy } from '../../support/reliability/deployment.ts';
import { createHistory } from '../../support/reliability/history.ts';
import { createPhone } from '../../support/reliability/phones.ts';

/** Headers without an end, and as many bodies. */
const DRIPS = { headers: 500, bodies: 500 };
/** Each asks for more than the buffers on the way to it take, and reads none of it. */
const READERS = { count: 20, requests: 64 };
/** At once: fewer than a listener lets wait. */
const CONNECTING = 50;
const SIGN_INS = 5;

/** Long enough that no good request takes as long on a machine that stands still for a moment. */
const listeners = { headersTimeout: 1_200, requestTimeout: 1_200, connectionsCheckingInterval: 100 };

async function open(port: number, start: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {}); // a reset after the answer is a way of ending
  await once(socket, 'connect');
  socket.write(start);
  return socket;
}

async function many<T>(count: number, one: () => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  while (all.length < count) {
    const some = Math.min(CONNECTING, count - all.length);
    all.push(...(await Promise.all(Array.from({ length: some }, one))));
  }
  return all;
}

async function drip(port: number, start: string) {
  const socket = await open(port, start);
  return { socket, answer: answerOn(socket) };
}

/** All that came back, when the other side has ended it. */
function answerOn(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  return new Promise((resolve) => {
    socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

test('TH-20 a thousand connections that drip get 408 or the end, and people sign in beside them and slow readers without an error', async () => {
  const history = createHistory();
  await using deployment = await deploy('embedded', { history, config: { listeners } });
  const shop = createVirtualClient(deployment, history, 'shop');
  const phone = await createPhone(deployment, history, 'unhurried');
  const port = Number(new URL(deployment.servers[0]!.issuer).port);
  const post = 'POST /bc-authorize HTTP/1.1\r\nHost: localhost\r\n';
  const form = 'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 50000\r\n\r\nscope=';

  // slowhttptest -X, -H and -B
  const much = 'GET /demo/assets/helpdesk.js HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(READERS.requests);
  const readers = await many(READERS.count, () => open(port, much));
  const drips = [
    ...(await many(DRIPS.headers, () => drip(port, `${post}X-Slow: `))),
    ...(await many(DRIPS.bodies, () => drip(port, post + form))),
  ];
  const dripping = setInterval(() => {
    for (const { socket } of drips) if (socket.writable) socket.write('a');
  }, 100);
  let isOver = false;
  const answers = Promise.all(drips.map(({ answer }) => answer)).finally(() => {
    clearInterval(dripping);
    isOver = true;
  });

  let signIns = 0;
  while (!isOver || signIns < SIGN_INS) {
    const request = (await shop.start(phone.user))!;
    expect(await phone.decide(request.name, 'approve')).toEqual({ outcome: 'acknowledged' });
    expect((await shop.poll(request)).status).toBe(200);
    signIns += 1;
  }
  // a reset that overtakes what is being read leaves nothing of it
  const told = (await answers).filter((answer) => answer !== '');
  expect(told.filter((answer) => !answer.startsWith('HTTP/1.1 408 '))).toEqual([]);
  expect(told.length).toBeGreaterThan(drips.length / 2);
  const failed = history.events.filter((event) => event.kind === 'call' && event.status !== 200);
  expect(failed).toEqual([]);
  // nobody waits for them, and they have harmed nobody
  for (const socket of readers) {
    expect(socket.bytesRead).toBeGreaterThan(0);
    socket.destroy();
  }
}, 60_000);
