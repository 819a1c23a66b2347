/** The device API: bytes in, bytes out. What a message means is the domain's matter (README.md). */
import { finished, type Readable } from 'node:stream';
import type { DeviceCalls } from '../../domain/device-calls.ts';
import { type Act, acts, type OpenedUp, sealDown } from '../../domain/device-messages/index.ts';
import type { DeviceRequests } from '../../domain/device-requests.ts';
import type { DeviceServerKeys } from '../../domain/device-server-keys.ts';
import type { Caller } from '../../domain/enrollment.ts';
import type { InboxStreams } from '../../domain/inbox-stream.ts';
import type { OwnBoxes } from '../../domain/own-boxes.ts';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../support/clock.ts';
import type { UnderWay } from '../../support/under-way.ts';
import type { AddressLimit } from '../address-limit.ts';
import { readText } from '../middleware/body.ts';
import type { AppContext, Middleware } from '../middleware/context.ts';
import { problemOf } from '../problem.ts';
import { mountRoutes } from '../route.ts';
import { createEventStream } from './event-stream.ts';
import { type DeviceRoute, deviceRoutes } from './routes.ts';

export const JOSE_TYPE = 'application/jose';

export interface DeviceApiParts {
  requests: Pick<DeviceRequests, 'open'>;
  calls: DeviceCalls;
  streams: Pick<InboxStreams, 'open'>;
  serverKeys: Pick<DeviceServerKeys, 'keySets' | 'sealJwks'>;
  ownBoxes: Pick<OwnBoxes, 'offered'>;
  /** Is told of each decision until its answer has left. */
  deciding: Pick<UnderWay, 'begin'>;
  /** Before anything is decrypted, or looked up: that is where calls begin to cost. */
  limit: AddressLimit;
  clock: Clock;
  log: Log;
}

/** Answers `/device/v1/…`; to be mounted on the public and on the authenticator's listener. No CORS: its pages are on its own origin. */
export function createDeviceApi(parts: DeviceApiParts): Middleware {
  const answers: Record<string, (ctx: AppContext) => Promise<void>> = {
    async keys(ctx) {
      const place = new URLSearchParams(ctx.querystring).get('for');
      if (place !== null) parts.limit(ctx.ip); // it costs a look at the store
      // what is unknown gets what everybody gets: whether it was there is nobody's business
      sendJson(ctx, parts.serverKeys.keySets(place === null ? undefined : await parts.ownBoxes.offered(place)));
    },
    'jwks.json': async (ctx) => sendJson(ctx, parts.serverKeys.sealJwks()),
    ...Object.fromEntries(acts.map((act) => [act, (ctx: AppContext) => answerCall(parts, act, ctx)])),
  };
  return mountRoutes('/device/v1', deviceRoutes, ({ path }: DeviceRoute) => answers[path.slice(1)]!);
}

async function answerCall(parts: DeviceApiParts, act: Act, ctx: AppContext): Promise<void> {
  ctx.set('cache-control', 'no-store');
  const body = await readText(ctx, { types: [JOSE_TYPE] });
  parts.limit(ctx.ip);
  // from here on there is a key to answer under; before, the refusal is a plain problem document
  const opened = await parts.requests.open(body);
  if (act === 'decide') finished(ctx.res, parts.deciding.begin());
  try {
    if (act === 'events') await startStream(parts, opened, ctx);
    else sendSealed(ctx, 200, sealDown(opened.rk, await parts.calls.answer(act, opened, callerOf(ctx)), parts.clock()));
  } catch (error) {
    refuse(parts, opened, ctx, error);
  }
}

/** A refusal travels like an answer: outside are the status and, where it applies, when to come back. */
function refuse({ clock, log }: DeviceApiParts, { rk }: OpenedUp, ctx: AppContext, error: unknown): void {
  const { status, headers, body, fault } = problemOf(error, ctx.state.traceId);
  if (fault) log.error('http.fault', { status, method: ctx.method, path: ctx.path, error });
  ctx.set(headers);
  sendSealed(ctx, status, sealDown(rk, { problem: body }, clock()));
}

/** What goes wrong before the first event is out is an ordinary refusal. */
async function startStream({ calls, streams }: DeviceApiParts, opened: OpenedUp, ctx: AppContext): Promise<void> {
  const device = await calls.listener(opened, callerOf(ctx));
  const { body, sink } = createEventStream();
  const stop = await streams.open({ device, rk: opened.rk, sink });
  body.once('close', stop);
  sendStream(ctx, body);
}

function sendStream(ctx: AppContext, body: Readable): void {
  // the reader left, or the deadline answered in our place
  if (ctx.headerSent || ctx.res.destroyed) return void body.destroy();
  ctx.status = 200;
  ctx.type = 'text/event-stream';
  ctx.set('x-accel-buffering', 'no'); // nginx would hold events back until its buffer is full
  ctx.body = body;
}

function sendSealed(ctx: AppContext, status: number, message: string): void {
  ctx.status = status;
  ctx.type = JOSE_TYPE;
  ctx.body = message;
}

function sendJson(ctx: AppContext, body: object): void {
  ctx.set('cache-control', 'no-store');
  ctx.type = 'application/json';
  ctx.body = JSON.stringify(body);
}

function callerOf(ctx: AppContext): Caller {
  return { address: ctx.ip, traceId: ctx.state.traceId };
}
