/** Messages down: under the response key that came up, so for this request alone and from the holder of `box`. */
import { encryptDir } from '../../support/jose/index.ts';
import type { DomainErrorCode } from '../errors.ts';
import { typ } from './wire.ts';

/** What a device is told of a refusal. `detail` is a sentence for people; programs read `code`. */
export interface DownProblem {
  code: DomainErrorCode;
  detail?: string;
  /** `attempts_left`, `reason`, `retry_after` … */
  [member: string]: unknown;
}

/**
 * @param rk      32 bytes, of the message that is answered
 * @param payload members of the answer beside `now`
 * @param now     epoch milliseconds; travels as epoch seconds and is the clock that the device may trust
 */
export function sealDown(rk: Uint8Array, payload: object, now: number): string {
  const body = JSON.stringify({ now: Math.floor(now / 1000), ...payload });
  return encryptDir(rk, { typ: typ.down, cty: 'json' }, body);
}

/** A refusal travels like an answer; outside is only the HTTP status. */
export function sealProblem(rk: Uint8Array, problem: DownProblem, now: number): string {
  return sealDown(rk, { problem }, now);
}

/** One event of a stream: `seq` counts from 1 without gaps, so that nothing between can be dropped unseen. */
export function sealEvent(rk: Uint8Array, seq: number, event: object, now: number): string {
  return sealDown(rk, { seq, ...event }, now);
}
