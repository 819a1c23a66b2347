/** The device API: bytes in, bytes out. What a message means is the domain's matter (README.md). */
import type { Readable } from 'node:stream';
import type { OpenedUp } from '../../domain/device-messages/index.ts';
import type { DeviceServerKeys } from '../../domain/device-server-keys.ts';
import type { InboxStreams } from '../../domain/inbox-stream.ts';
import type { OwnBoxes } from '../../domain/own-boxes.ts';
import { exchangeOf } from '../edge/exchange.ts';
import type { AppContext, Middleware } from '../middleware/context.ts';
import { mountRoutes } from '../route.ts';
import { callerOf, type DeviceCallParts, JOSE_TYPE, openedFrom, refusalOf } from './calls.ts';
import { createEventStream } from './event-stream.ts';
import { type DeviceRoute, deviceRoutes } from './routes.ts';

export { createDeviceCalls } from './calls.ts';

export interface DeviceApiParts extends DeviceCallParts {
  streams: Pick<InboxStreams, 'open'>;
  serverKeys: Pick<DeviceServerKeys, 'keySets' | 'sealJwks'>;
  ownBoxes: Pick<OwnBoxes, 'offered'>;
}

/**
 * Answers what is left of `/device/v1/…` by `createDeviceCalls`; both are mounted on the public and on the authenticator's
 * listener. No CORS: its pages are on its own origin.
 */
export function createDeviceApi(parts: DeviceApiParts): Middleware {
  const answers: Record<string, (ctx: AppContext) => Promise<void>> = {
    async keys(ctx) {
      const place = new URLSearchParams(ctx.querystring).get('for');
      if (place !== null) parts.limit(ctx.ip); // it costs a look at the store
      // what is unknown gets what everybody gets: whether it was there is nobody's business
      sendJson(ctx, parts.serverKeys.keySets(place === null ? undefined : await parts.ownBoxes.offered(place)));
    },
    'jwks.json': async (ctx) => sendJson(ctx, parts.serverKeys.sealJwks()),
    events: (ctx) => answerEvents(parts, ctx),
  };
  const nameOf = ({ path }: DeviceRoute) => path.slice(1);
  const routes = deviceRoutes.filter((route) => nameOf(route) in answers);
  return mountRoutes('/device/v1', routes, (route) => answers[nameOf(route)]!);
}

async function answerEvents(parts: DeviceApiParts, ctx: AppContext): Promise<void> {
  const exchange = exchangeOf(ctx.req);
  const opened = await openedFrom(parts, exchange);
  try {
    await startStream(parts, opened, ctx);
  } catch (error) {
    const { status, headers, message } = refusalOf(parts, opened, exchange, error);
    ctx.set(headers);
    ctx.status = status;
    ctx.type = JOSE_TYPE;
    ctx.body = message;
  }
}

/** What goes wrong before the first event is out is an ordinary refusal. */
async function startStream({ calls, streams }: DeviceApiParts, opened: OpenedUp, ctx: AppContext): Promise<void> {
  const device = await calls.listener(opened, callerOf(exchangeOf(ctx.req)));
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

function sendJson(ctx: AppContext, body: object): void {
  ctx.set('cache-control', 'no-store');
  ctx.type = 'application/json';
  ctx.body = JSON.stringify(body);
}
