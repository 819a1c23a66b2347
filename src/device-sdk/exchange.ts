/** One message up and its answer. No retries here: caller.ts decides about those. */
import { type Bytes, randomBytes } from './bytes.ts';
import { DeviceError } from './errors.ts';
import { openDown, parseObject, type SignedMessage, sealUp, type UpKey } from './messages.ts';
import type { Runtime } from './runtime.ts';
import type { Act } from './wire.ts';

export interface Sending {
  base: string;
  act: Act;
  content: SignedMessage | { request: object };
  to: UpKey;
  fetch: Runtime['fetch'];
  signal?: AbortSignal;
}

// 20 s: the server answers every call within 5 s; the rest is a phone on a bad network.
const deadlineMs = 20_000;

// Anybody on the way can write a plain answer, so only what leads to another attempt is taken from one.
const plainCodes = ['unreadable', 'unknown_key', 'rate_limited', 'unavailable'];

/** @throws DeviceError with the server's code | network | server_unexpected */
export async function exchange(sending: Sending): Promise<Record<string, unknown>> {
  const { response, rk } = await post({ ...sending, signal: AbortSignal.timeout(deadlineMs) });
  return answerOf(response, rk);
}

/** Open a stream. @param sending.signal ends it */
export async function openStream(sending: Sending): Promise<{ body: ReadableStream<Uint8Array>; rk: Bytes }> {
  const { response, rk } = await post(sending);
  if (!mediaType(response).startsWith('text/event-stream') || !response.body) {
    await answerOf(response, rk);
    throw new DeviceError('server_unexpected', { detail: 'not a stream', status: response.status });
  }
  return { body: response.body, rk };
}

async function post({ base, act, content, to, fetch, signal }: Sending): Promise<{ response: Response; rk: Bytes }> {
  const rk = randomBytes(32);
  const body = await sealUp(content, rk, to);
  const response = await fetch(`${base}/device/v1/${act}`, {
    method: 'POST',
    headers: { 'content-type': 'application/jose' },
    body,
    redirect: 'error',
    cache: 'no-store',
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
    ...(signal && { signal }),
  }).catch((cause: unknown) => {
    throw new DeviceError('network', { cause });
  });
  return { response, rk };
}

async function answerOf(response: Response, rk: Bytes): Promise<Record<string, unknown>> {
  const text = await response.text().catch((cause: unknown) => {
    throw new DeviceError('network', { cause });
  });
  if (!mediaType(response).startsWith('application/jose')) throw plainProblem(response.status, text);
  const { now, problem, ...answer } = await openDown(text, rk);
  if (problem === undefined) return answer;
  const { code, detail, ...members } = problem as Record<string, unknown>;
  throw new DeviceError(String(code), {
    status: response.status,
    members,
    serverNow: now,
    ...(typeof detail === 'string' && { detail }),
  });
}

function plainProblem(status: number, text: string): DeviceError {
  const code = codeIn(text);
  if (code !== undefined && plainCodes.includes(code)) return new DeviceError(code, { status });
  // a proxy in between, or a server that is not ours
  return new DeviceError(status >= 500 ? 'network' : 'server_unexpected', {
    status,
    detail: `The server answered ${status}.`,
  });
}

function codeIn(text: string): string | undefined {
  try {
    return String(parseObject(text).code);
  } catch {
    return undefined;
  }
}

function mediaType(response: Response): string {
  return response.headers.get('content-type') ?? '';
}
