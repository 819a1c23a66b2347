import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { drain } from '../../src/http/listeners.ts';
import { watchedLog } from '../support/log.ts';
import { healthy, holdingEngine, publicApp, startListener } from './support/server.ts';

const head = 'POST /oauth/token HTTP/1.1\r\nHost: localhost\r\n';

/** Also after a reset, which `once` would report as an error. */
const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

/** One byte now and then, for as long as the other side lets us; the answer is what came back. */
async function drip(port: number, start: string, byte: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(start);
  const dripping = setInterval(() => socket.writable && socket.write(byte), 5);
  await closed(socket);
  clearInterval(dripping);
  return Buffer.concat(chunks).toString();
}

describe('TH-20 a slow client does not hold a connection', () => {
  const impatient = { headersTimeout: 60, requestTimeout: 120, connectionsCheckingInterval: 10 };

  test('TH-20 headers that never end get 408 and the end', async () => {
    await using server = await startListener(publicApp(), impatient);
    expect(await drip(server.port, `${head}X-Slow: `, 'a')).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('TH-20 a body that never ends gets 408 and the end', async () => {
    const engine = { paths: ['/oauth/token'], handle: (req: NodeJS.ReadableStream) => void req.resume() };
    await using server = await startListener(publicApp({ engine: engine as never }), impatient);
    expect(await drip(server.port, `${head}Content-Length: 50000\r\n\r\n`, 'a')).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('TH-20 a connection that says nothing at all gets 408 and the end', async () => {
    await using server = await startListener(publicApp(), impatient);
    expect(await drip(server.port, '', '')).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('TH-20 a request that was read completely is held for as long as it takes', async () => {
    const held = holdingEngine();
    await using server = await startListener(publicApp({ engine: held.engine }), impatient);
    const answer = fetch(`${server.url}/oauth/token`, { method: 'POST', body: 'a=b' });
    await held.reached(1);
    // two clients in a row lose the listener's patience meanwhile
    for (let i = 0; i < 2; i++) await drip(server.port, `${head}Content-Length: 50000\r\n\r\n`, 'a');
    held.release();
    expect(await (await answer).text()).toBe('held');
  });

  test('TH-20 connections beyond the cap are closed, those within go on', async () => {
    await using server = await startListener(publicApp(), { maxConnections: 2 });
    const open = async () => {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      return socket;
    };
    const within = [await open(), await open()];
    const beyond = await open();
    await closed(beyond);
    within[0]!.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    const [answer] = await once(within[0]!, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /);
    for (const socket of within) socket.destroy();
  });

  test('TH-20 a connection is closed after its number of requests', async () => {
    await using server = await startListener(publicApp(), { maxRequestsPerSocket: 2 });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const connections: (string | undefined)[] = [];
    for (let i = 0; i < 2; i++) connections.push(await connectionHeader(`${server.url}/health/live`, agent));
    expect(connections).toEqual(['keep-alive', 'close']);
    agent.destroy();
  });

  test('TH-20 the configuration defaults to these values', () => {
    const schema = JSON.parse(readFileSync('config/schema.json', 'utf8'));
    const defaults = Object.entries(schema.properties.listeners.properties as Record<string, { default: number }>);
    expect(Object.fromEntries(defaults.map(([name, { default: value }]) => [name, value]))).toMatchObject({
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 1_000,
      maxHeadersCount: 64,
      maxRequestsPerSocket: 1_000,
      bodyLimitBytes: 56 * 1024,
    });
  });
});

function connectionHeader(url: string, agent: Agent): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (res) => res.resume().on('end', () => resolve(res.headers.connection))).on('error', reject);
  });
}

/** The answer, or the code of the error that came in its place. */
function outcome(url: string, agent?: Agent): Promise<{ status?: number; connection?: string; error?: string }> {
  return new Promise((resolve) => {
    const answered = (res: IncomingMessage) =>
      res.resume().on('end', () => resolve({ status: res.statusCode, connection: res.headers.connection }));
    get(url, { agent }, answered).on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code }));
  });
}

describe('RL-19 a shutdown finishes what was begun', () => {
  const draining = (server: Awaited<ReturnType<typeof startListener>>, changed = {}) => ({
    listeners: [server.listener],
    health: healthy(),
    stopping: new AbortController(),
    deadlineMs: 20_000,
    idleGraceMs: 10,
    log: watchedLog().log,
    ...changed,
  });

  test('RL-19 not ready at once; requests in flight finish and say that they are the last on their connection', async () => {
    const held = holdingEngine();
    const health = healthy();
    await using server = await startListener(publicApp({ engine: held.engine, health }));
    const agent = new Agent({ keepAlive: true });
    const inFlight = outcome(`${server.url}/oauth/token`, agent);
    await held.reached(1);

    const done = drain(draining(server, { health }));
    expect(await health.ready()).toMatchObject({ ready: false, draining: true });
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(await outcome(`${server.url}/health/live`)).toEqual({ error: 'ECONNREFUSED' });
    held.release();
    expect(await inFlight).toEqual({ status: 200, connection: 'close' });
    expect(await done).toBe(0);
    agent.destroy();
  });

  test('RL-19 an idle connection that brings a request in the last moment gets its answer, and then the end', async () => {
    await using server = await startListener(publicApp());
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await outcome(`${server.url}/health/live`, agent)).toEqual({ status: 200, connection: 'keep-alive' });
    const done = drain(draining(server, { idleGraceMs: 10_000 }));
    expect(await outcome(`${server.url}/health/live`, agent)).toEqual({ status: 200, connection: 'close' });
    expect(await done).toBe(0);
    agent.destroy();
  });

  test('connections that wait to be accepted when the signal comes are not reset but served', async () => {
    await using server = await startListener(publicApp());
    // the kernel has completed them when `get` returns; one is accepted in each turn of the event loop
    const waiting = Array.from({ length: 50 }, () => outcome(`http://127.0.0.1:${server.port}/health/live`));
    const done = drain(draining(server, { idleGraceMs: 10_000 }));
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([200]));
    expect(await done).toBe(0);
  });

  test('RL-19 an idle connection that brings nothing is closed', async () => {
    await using server = await startListener(publicApp());
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await outcome(`${server.url}/health/live`, agent);
    expect(await drain(draining(server))).toBe(0);
    agent.destroy();
  });

  test('a connection that was opened ahead of its requests does not keep a shutdown waiting', async () => {
    await using server = await startListener(publicApp());
    const socket = connect(server.port, '127.0.0.1');
    const ended = closed(socket);
    await once(socket, 'connect');
    expect(await drain(draining(server))).toBe(0);
    await ended;
  });

  test('RL-19 streams are told to end, and do not keep the process', async () => {
    const stopping = new AbortController();
    const engine = {
      paths: ['/oauth/token'],
      handle(_req: IncomingMessage, res: NodeJS.WritableStream) {
        res.write('begun\n');
        stopping.signal.addEventListener('abort', () => res.end('ended\n'));
      },
    };
    await using server = await startListener(publicApp({ engine: engine as never }));
    const stream = await fetch(`${server.url}/oauth/token`);
    const text = stream.text();
    expect(await drain(draining(server, { stopping }))).toBe(0);
    expect(await text).toBe('begun\nended\n');
  });

  test('RL-19 at the deadline the rest is cut, and counted', async () => {
    const held = holdingEngine();
    await using server = await startListener(publicApp({ engine: held.engine }));
    const inFlight = outcome(`${server.url}/oauth/token`);
    await held.reached(1);
    expect(await drain(draining(server, { deadlineMs: 30 }))).toBe(1);
    expect(await inFlight).toEqual({ error: 'ECONNRESET' });
  });

  test('RL-19 of 10 000 requests in flight at twenty shutdowns none fails', async () => {
    const [rounds, each] = [20, 500];
    let answered = 0;
    for (let round = 0; round < rounds; round++) {
      const held = holdingEngine();
      await using server = await startListener(publicApp({ engine: held.engine }));
      const agent = new Agent({ keepAlive: true });
      const inFlight = Array.from({ length: each }, () => outcome(`${server.url}/oauth/token`, agent));
      await held.reached(each);
      const done = drain(draining(server));
      held.release();
      answered += (await Promise.all(inFlight)).filter(({ status }) => status === 200).length;
      expect(await done).toBe(0);
      agent.destroy();
    }
    expect(answered).toBe(rounds * each);
  });
});
