/** The event stream: whole inbox first, then every change, without gaps; held for as long as the caller wants it. */
import type { Bytes } from './bytes.ts';
import type { Caller } from './caller.ts';
import { codeOf, DeviceError } from './errors.ts';
import { eventData } from './event-stream.ts';
import { openDown } from './messages.ts';
import type { Runtime } from './runtime.ts';
import type { Notice } from './wire.ts';

/** `exp` in epoch seconds. An `inbox` event replaces what was known before it: the stream was opened anew. */
export type InboxEvent =
  | { event: 'inbox'; operations: { op: string; exp: number }[]; notices: Notice[]; stream_seconds?: number }
  | { event: 'notice'; notice: Notice }
  | { event: 'operation'; op: string; exp: number }
  | { event: 'closed'; op: string; state: string }
  | { event: 'device'; state: string };

/** Three heartbeats of 15 s missed: a connection that a mobile network has forgotten without telling. */
const silenceMs = 45_000;
const maxBackoffMs = 30_000;
/** Of a server that does not say how long its streams are (device-protocol, section 7). */
const usualStreamSeconds = 55;
/** Whatever the server says: a stream that was held for so long is no loop. */
const longEnoughMs = 30_000;

// Whoever gets one of these gets it again: trying on would only be noise.
const final = ['device_refused', 'device_locked', 'device_deactivated', 'keys_untrusted', 'keys_lost'];

/**
 * Call `onEvent` for every event until `signal` is aborted, then resolve.
 *
 * @throws DeviceError device_refused | device_locked | device_deactivated | keys_untrusted
 */
export async function followEvents(
  caller: Caller,
  runtime: Runtime,
  onEvent: (event: InboxEvent) => void | Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    let enoughAt = Number.POSITIVE_INFINITY;
    const hear = (event: InboxEvent) => {
      if (event.event === 'inbox') enoughAt = runtime.now() + enoughMs(event.stream_seconds ?? usualStreamSeconds);
      return onEvent(event);
    };
    const outcome = await readOnce(caller, hear, signal).catch((error: unknown) => error);
    if (signal.aborted) return;
    if (final.includes(codeOf(outcome) ?? '')) throw outcome;
    failures = runtime.now() >= enoughAt ? 0 : failures + 1;
    await runtime.sleep(pauseMs(failures, runtime.random()), signal);
  }
}

/**
 * A stream that ends much sooner than it should was ended because the device has too many, or the process stops, or something
 * on the way cuts it: at once again would be a loop. By the wall clock, which may jump; that costs one pause.
 */
function enoughMs(streamSeconds: number): number {
  return Math.min(streamSeconds * 500, longEnoughMs);
}

/** Never at once, and spread: what ended together does not come back together. Later and later where it fails. */
function pauseMs(failures: number, random: number): number {
  if (failures === 0) return 1000 * random;
  return Math.min(maxBackoffMs, 500 * 2 ** failures) * (0.5 + random / 2);
}

/** Resolves if the server closed a stream that had begun. */
async function readOnce(
  caller: Caller,
  onEvent: (event: InboxEvent) => void | Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const silence = new AbortController();
  const stop = AbortSignal.any([signal, silence.signal]);
  const { body, rk } = await caller.stream(stop);
  let timer = setTimeout(() => silence.abort(), silenceMs);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), silenceMs);
  };
  try {
    let seq = 0;
    for await (const data of eventData(body, heard, stop)) {
      seq += 1;
      await onEvent(await openEvent(data, rk, seq));
    }
    if (seq === 0) throw new DeviceError('server_unexpected', { detail: 'an empty stream' });
  } finally {
    clearTimeout(timer);
  }
}

async function openEvent(data: string, rk: Bytes, expected: number): Promise<InboxEvent> {
  const { seq, event, ...members } = await openDown(data, rk);
  if (seq !== expected || (expected === 1) !== (event === 'inbox')) {
    throw new DeviceError('server_unexpected', { detail: 'an event is missing' });
  }
  return { event, ...members } as unknown as InboxEvent;
}
