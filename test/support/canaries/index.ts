/**
 * TH-22 for whatever runs in a test: every secret that the tests of a file make, send or are given is a canary, and every
 * log of a server is searched for all of them when the server stops.
 *
 *     fetch in this file ──┐
 *     configurations ──────┼──> search <── text of a log, /metrics, a command line
 *     whatever is told ────┘       └──> throws: which secret, and the line
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { learnFromAnswer, learnFromHeader, learnFromRequest } from './names.ts';
import { createSearch } from './search.ts';

const search = createSearch();

/** Of the tests of this file; each has its own. */
export const canaries = {
  /** Something secret that does not pass this process's `fetch`. Shorter than eight characters it may stand anywhere by chance. */
  add: search.add,
  /** Everything secret in it, by its names: JSON, a form, a link. */
  learn: (text: string) => learnFromAnswer(search, text),
  sent: (text: string) => learnFromRequest(search, text),
  header: (name: string, value: string) => learnFromHeader(search, name, value),
};

/** @throws Error where one is found */
export function expectNoCanary(what: string, text: string): void {
  const found = search.find(text);
  if (found) throw new Error(`TH-22: ${what} shows ${found.name}: ${found.line}`);
}

/** The request is the same object in every message about one exchange. */
interface Message {
  request: object & { headers?: string[] | string };
  response?: { headers: Buffer[] };
  chunk?: Uint8Array | string;
}

const received = new WeakMap<object, string>();

/** What undici, which is `fetch`, tells about itself. */
const channels: Record<string, (message: Message) => void> = {
  'undici:request:create': ({ request: { headers } }) => {
    if (Array.isArray(headers)) eachPair(headers, canaries.header);
  },
  'undici:request:bodyChunkSent': ({ chunk }) => canaries.sent(textOf(chunk)),
  'undici:request:headers': ({ response }) => eachPair(response!.headers.map(String), canaries.header),
  'undici:request:bodyChunkReceived': ({ request, chunk }) => {
    received.set(request, (received.get(request) ?? '') + textOf(chunk));
  },
  'undici:request:trailers': ({ request }) => canaries.learn(received.get(request) ?? ''),
};

function eachPair(flat: string[], use: (name: string, value: string) => void): void {
  for (let i = 0; i + 1 < flat.length; i += 2) use(flat[i]!, flat[i + 1]!);
}

const textOf = (chunk: Uint8Array | string = '') => (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());

// the channels belong to the process, which runs the tests of other files after these
beforeAll(() => {
  for (const [name, listener] of Object.entries(channels)) subscribe(name, listener as never);
});
afterAll(() => {
  for (const [name, listener] of Object.entries(channels)) unsubscribe(name, listener as never);
});
