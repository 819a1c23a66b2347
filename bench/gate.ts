/** Holds back what devices send, until all have made their messages; then sends it without anything in between. */
import { Agent, request } from 'node:http';
import { inParallel } from './client.ts';
import { until } from './processes.ts';

export interface Gate {
  /** For the device SDK. */
  fetch: typeof fetch;
  close(): void;
  /** Resolves when so many messages wait. */
  gathered(count: number): Promise<void>;
  /** Sends them, so many at a time, and keeps the answers. @param times milliseconds of each */
  send(width: number, times: number[]): Promise<void>;
  /** Hands the answers out. */
  open(): void;
}

interface Waiting {
  url: string;
  body: string;
  resolve(response: Response): void;
  response?: Response;
}

export function createGate(): Gate {
  let isClosed = false;
  let waiting: Waiting[] = [];
  const agent = new Agent({ keepAlive: true });
  return {
    fetch: (url, init) => {
      if (!isClosed || init?.method !== 'POST') return fetch(url, init);
      return new Promise((resolve) => void waiting.push({ url: String(url), body: String(init.body), resolve }));
    },
    close() {
      isClosed = true;
    },
    gathered: (count) => until('messages of the devices', () => waiting.length === count, 120_000),
    async send(width, times) {
      await inParallel(waiting, width, async (message) => {
        const sentAt = performance.now();
        message.response = await post(agent, message);
        times.push(performance.now() - sentAt);
      });
    },
    open() {
      isClosed = false;
      for (const { resolve, response } of waiting) resolve(response!);
      waiting = [];
    },
  };
}

function post(agent: Agent, { url, body }: Waiting): Promise<Response> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/jose', 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { method: 'POST', headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const type = response.headers['content-type'] ?? '';
        resolve(
          new Response(Buffer.concat(chunks), { status: response.statusCode, headers: { 'content-type': type } }),
        );
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}
