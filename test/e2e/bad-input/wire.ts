import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import type { Request } from './case.ts';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** What came back; `answers` is empty where the other side said nothing before it hung up. */
export interface Outcome {
  answers: Answer[];
  /** IV-10 broken, or the connection was refused: a sentence. */
  broken?: string;
}

/** IV-10 says 5 s. Twice that, for a machine that runs other suites beside this one: what takes longer hangs. */
const patienceMs = 10_000;

export interface Sender {
  send(request: Request, port: number): Promise<Outcome>;
  close(): void;
}

export function createSender(): Sender {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  return {
    send: (request, port) => (request.wire ? overSocket(request, port) : overHttp(agent, request, port)),
    close: () => agent.destroy(),
  };
}

function overHttp(agent: Agent, { method, path, headers, body }: Request, port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const length = body.length > 0 || method === 'POST' ? { 'content-length': String(body.length) } : {};
    const sent = httpRequest({ host: '127.0.0.1', port, method, path, headers: { ...length, ...headers }, agent });
    sent.setTimeout(patienceMs, () => sent.destroy(new Error(`no answer within ${patienceMs} ms`)));
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ answers: [{ status: response.statusCode!, headers: response.headers, text }] });
      });
      response.on('error', (error) => resolve({ answers: [], broken: String(error) }));
    });
    sent.on('error', (error) => resolve({ answers: [], broken: String(error) }));
    sent.end(body);
  });
}

function overSocket({ wire, abandoned }: Request, port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const chunks: Buffer[] = [];
    const done = (broken?: string) => {
      socket.destroy();
      resolve({ answers: answersIn(Buffer.concat(chunks)), ...(broken !== undefined && { broken }) });
    };
    socket.setTimeout(patienceMs, () => done(`no end within ${patienceMs} ms`));
    socket.on('data', (chunk) => chunks.push(chunk));
    // a reset after an answer is the server's way to stop reading what it has refused
    socket.on('error', () => {});
    socket.on('close', () => done());
    socket.on('connect', () => (abandoned ? socket.write(wire!, () => socket.destroySoon()) : socket.write(wire!)));
  });
}

/** As a proxy would cut the stream: by Content-Length, by chunks, or until the end. */
export function answersIn(bytes: Buffer): Answer[] {
  const answers: Answer[] = [];
  let rest = bytes.toString('latin1');
  for (;;) {
    const match = /^HTTP\/1\.1 (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(rest);
    if (!match) return answers;
    rest = rest.slice(match[0].length);
    const lines = match[2]!.split('\r\n').filter((line) => line !== '');
    const headers = Object.fromEntries(
      lines.map((line) => [line.split(':', 1)[0]!.toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    if (match[1] === '100') continue;
    const { text, after } = bodyOf(headers, rest);
    rest = after;
    answers.push({ status: Number(match[1]), headers, text: Buffer.from(text, 'latin1').toString() });
  }
}

function bodyOf(headers: Record<string, string>, rest: string): { text: string; after: string } {
  if (headers['transfer-encoding'] !== 'chunked') {
    const length = Number(headers['content-length'] ?? 0);
    return { text: rest.slice(0, length), after: rest.slice(length) };
  }
  let [text, after] = ['', rest];
  for (;;) {
    const size = Number.parseInt(after, 16);
    const start = after.indexOf('\r\n') + 2;
    text += after.slice(start, start + size);
    after = after.slice(start + size + 2);
    if (!(size > 0)) return { text, after };
  }
}
