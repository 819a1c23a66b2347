/** The calls that have one answer. On node's own objects, without Koa: a fifteenth less of the server's time for a `present`. */
import { finished } from 'node:stream';
import type { DeviceCalls } from '../../domain/device-calls.ts';
import { type Act, acts, type OpenedUp, sealDown } from '../../domain/device-messages/index.ts';
import type { DeviceRequests } from '../../domain/device-requests.ts';
import type { Caller } from '../../domain/enrollment.ts';
import type { Log } from '../../observability/log.ts';
import type { Clock } from '../../support/clock.ts';
import type { UnderWay } from '../../support/under-way.ts';
import type { AddressLimit } from '../address-limit.ts';
import { type Exchange, exchangeOf } from '../edge/exchange.ts';
import { readTextOf } from '../middleware/body.ts';
import { inTime } from '../middleware/deadline.ts';
import type { Mounted } from '../mount.ts';
import { HttpProblem, problemOf } from '../problem.ts';

export const JOSE_TYPE = 'application/jose';

export interface DeviceCallParts {
  requests: Pick<DeviceRequests, 'open'>;
  calls: DeviceCalls;
  /** Is told of each decision until its answer has left. */
  deciding: Pick<UnderWay, 'begin'>;
  /** Before anything is decrypted, or looked up: that is where calls begin to cost. */
  limit: AddressLimit;
  bodyLimitBytes: number;
  clock: Clock;
  log: Log;
}

export interface SealedAnswer {
  status: number;
  headers: Record<string, string>;
  message: string;
}

type Call = Exclude<Act, 'events'>;

export function createDeviceCalls(parts: DeviceCallParts): Mounted {
  const calls = acts.filter((act): act is Call => act !== 'events');
  const callAt = new Map(calls.map((act) => [`/device/v1/${act}`, act]));
  return {
    paths: [...callAt.keys()],
    async handle(req, res) {
      const exchange = exchangeOf(req);
      const act = callAt.get(exchange.path);
      if (!act) throw new HttpProblem('not_found');
      if (req.method !== 'POST') throw new HttpProblem('method_not_allowed', { headers: { allow: 'POST' } });
      const { status, headers, message } = await inTime(req, answerCall(parts, act, exchange));
      if (res.destroyed) return; // the device went away; its message is answered again when it comes back
      const length = Buffer.byteLength(message);
      res.writeHead(status, { ...headers, 'content-type': JOSE_TYPE, 'content-length': length }).end(message);
    },
  };
}

async function answerCall(parts: DeviceCallParts, act: Call, exchange: Exchange): Promise<SealedAnswer> {
  const opened = await openedFrom(parts, exchange);
  if (act === 'decide') finished(exchange.res, parts.deciding.begin());
  try {
    const answer = await parts.calls.answer(act, opened, callerOf(exchange));
    return { status: 200, headers: {}, message: sealDown(opened.rk, answer, parts.clock()) };
  } catch (error) {
    return refusalOf(parts, opened, exchange, error);
  }
}

/** From here on there is a key to answer under; before, the refusal is a plain problem document. */
export async function openedFrom(parts: DeviceCallParts, { req, address }: Exchange): Promise<OpenedUp> {
  const body = await readTextOf(req, { types: [JOSE_TYPE], limitBytes: parts.bodyLimitBytes });
  parts.limit(address);
  return parts.requests.open(body);
}

/** A refusal travels like an answer: outside are the status and, where it applies, when to come back. */
export function refusalOf(
  { clock, log }: DeviceCallParts,
  { rk }: OpenedUp,
  { req, path, trace }: Exchange,
  error: unknown,
): SealedAnswer {
  const { status, headers, body, fault } = problemOf(error, trace.traceId);
  if (fault) log.error('http.fault', { status, method: req.method, path, error });
  return { status, headers, message: sealDown(rk, { problem: body }, clock()) };
}

export function callerOf({ address, trace }: Exchange): Caller {
  return { address, traceId: trace.traceId };
}
