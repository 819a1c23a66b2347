/** Holds event streams open, in a process of its own: told by a message, it answers when each has had its first event. */
import { Agent, request } from 'node:http';
import { fromBase64url, randomBytes, toBase64url } from '../src/device-sdk/bytes.ts';
import { sealUp } from '../src/device-sdk/messages.ts';
import type { BenchDevice } from './bench-device.ts';

export interface Holding {
  url: string;
  /** Used in turn. */
  sessions: Awaited<ReturnType<BenchDevice['session']>>[];
  streams: number;
}

export interface Held {
  opened: number;
  error?: string;
}

const agent = new Agent({ keepAlive: false, maxSockets: Number.POSITIVE_INFINITY });
const openingAtATime = 50;

async function open({ url, sessions }: Holding, index: number): Promise<void> {
  const { id, key, deviceId, issuer } = sessions[index % sessions.length]!;
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss: deviceId, aud: issuer, iat, jti: toBase64url(randomBytes(16)), act: 'events' };
  const body = await sealUp({ request: claims }, randomBytes(32), { session: { id, key: fromBase64url(key) } });
  await new Promise<void>((opened, failed) => {
    const headers = { 'content-type': 'application/jose', 'content-length': Buffer.byteLength(body) };
    const sent = request(`${url}/device/v1/events`, { method: 'POST', headers, agent }, (response) => {
      if (response.statusCode !== 200) return failed(new Error(`a stream was answered ${response.statusCode}`));
      response.once('data', () => opened());
      response.on('error', () => {}); // it is held until somebody ends it
    });
    sent.once('error', failed);
    sent.end(body);
  });
}

process.on('message', async (holding: Holding) => {
  let next = 0;
  let opened = 0;
  let error: string | undefined;
  const worker = async () => {
    while (next < holding.streams && error === undefined) {
      try {
        await open(holding, next++);
        opened += 1;
      } catch (thrown) {
        error = String(thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: openingAtATime }, worker));
  process.send!({ opened, ...(error !== undefined && { error }) } satisfies Held);
});
process.on('disconnect', () => process.exit());
