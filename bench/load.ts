/**
 * Requests as fast as they are answered, over a fixed number of connections. Written out beforehand and barely read: a
 * load generator that parses (autocannon was tried) fills its own core before the server's is full, and then measures itself.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { asSent, type Target } from './client.ts';
import { percentile } from './statistics.ts';

export interface Load {
  target: Target;
  path: string;
  amount: number;
  /** Sent in turn, again and again. */
  forms: string[];
  expectStatus: number;
  /** A connection for each request, which is closed with the answer. */
  isConnectionEach?: boolean;
}

export interface Driven {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/**
 * So many that work waits for the server also when load or store are held up for a moment: what is measured is the server's core
 * and not how the others take turns. Each then waits for the others' answers, which is what the latencies say.
 */
const connections = 128;

/** Writes everything beforehand, also what is signed for each request; the answer sends it. */
export function prepare(load: Load): () => Promise<Driven> {
  const { target, amount, forms } = load;
  const length = target.caller?.isFresh ? amount : forms.length;
  const requests = Array.from({ length }, (_, i) => requestOf(load, forms[i % forms.length]!));
  return () => sendAll(load, requests);
}

async function sendAll({ target, path, amount, expectStatus }: Load, requests: Buffer[]): Promise<Driven> {
  const times = new Float64Array(amount);
  let sent = 0;
  let answered = 0;
  const startedAt = performance.now();
  const next = () => (sent < amount ? requests[sent++ % requests.length] : undefined);
  const take = (status: number, ms: number, text: string) => {
    if (status !== expectStatus) throw new Error(`${path} answered ${status}: ${text}`);
    times[answered++] = ms;
  };
  await Promise.all(Array.from({ length: connections }, () => sendOnOne(target, next, take)));
  if (answered !== amount) throw new Error(`${path}: ${answered} answers to ${amount} requests`);
  return {
    perSecond: (amount * 1000) / (performance.now() - startedAt),
    p50Ms: percentile(times, 50),
    p99Ms: percentile(times, 99),
  };
}

type Next = () => Buffer | undefined;
type Take = (status: number, ms: number, text: string) => void;

/** One connection; another takes its place where the server has closed it after an answer. */
function sendOnOne({ url, caller }: Target, next: Next, take: Take): Promise<void> {
  const at = { host: new URL(url).hostname, port: Number(new URL(url).port) };
  return new Promise((resolve, reject) => {
    const open = () => {
      const socket = caller?.tls ? connectSecurely({ ...at, ...caller.tls }) : connect(at);
      let isAnswered = true;
      let sentAt = 0;
      const send = () => {
        const request = next();
        if (!request) return finish(socket, resolve);
        isAnswered = false;
        sentAt = performance.now();
        socket.write(request);
      };
      const reader = createReader((status, text, closes) => {
        isAnswered = true;
        take(status, performance.now() - sentAt, text);
        if (closes) finish(socket, open);
        else send();
      });
      socket.setNoDelay(true);
      socket.on(caller?.tls ? 'secureConnect' : 'connect', send);
      socket.on('data', (chunk) => {
        try {
          reader(chunk);
        } catch (error) {
          finish(socket, () => reject(error));
        }
      });
      socket.on('error', reject);
      socket.on('end', () => isAnswered || reject(new Error('the server closed a connection without an answer')));
    };
    open();
  });
}

function finish(socket: Socket, then: () => void): void {
  socket.removeAllListeners();
  socket.on('error', () => {});
  socket.destroy();
  then();
}

/** Of an answer only what is needed: its status, its end, and whether it is the last one. */
function createReader(onAnswer: (status: number, text: string, closes: boolean) => void): (chunk: Buffer) => void {
  let text = '';
  return (chunk) => {
    text += chunk.toString('latin1');
    const headEnd = text.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1];
    if (length === undefined) throw new Error(`an answer without Content-Length: ${text.slice(0, headEnd)}`);
    if (text.length < headEnd + 4 + Number(length)) return;
    const whole = text;
    text = '';
    onAnswer(Number(whole.slice(9, 12)), whole.slice(headEnd + 4), /\r\nconnection: close/i.test(whole));
  };
}

function requestOf({ target, path, isConnectionEach }: Load, form: string): Buffer {
  const { headers, body } = asSent(target, path, form);
  const all = { host: new URL(target.url).host, ...headers, 'content-length': body.length };
  const lines = Object.entries({ ...all, ...(isConnectionEach && { connection: 'close' }) });
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
  );
}
