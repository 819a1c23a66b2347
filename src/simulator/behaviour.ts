/** What a simulated device is to be and to do, as `POST /simulator/devices` takes it. */
import type { JsonObject } from '../support/strict-json.ts';
import { type InvalidParam, invalid } from './http.ts';

export interface Behaviour {
  /** `ignore`: only `/simulator/decide` makes it answer. */
  decide: 'allow' | 'deny' | 'ignore';
  /** From the moment it hears of the operation. */
  after_ms: number;
}

export interface NewDevice {
  user: string;
  methods: ('device' | 'pin')[];
  behaviour: Behaviour;
  /** Chosen at the enrollment and entered for every approval; made up where it is not given. */
  pin?: string;
}

const decisions = ['allow', 'deny', 'ignore'];
const possibleMethods = ['device', 'pin'];
// As long as an operation lives.
const maxAfterMs = 600_000;

/** @throws Refusal with everything that is wrong */
export function readNewDevice(body: JsonObject): NewDevice {
  const problems: InvalidParam[] = [];
  const check = (name: string, isGood: boolean, reason: string) => void (isGood || problems.push({ name, reason }));
  const { user, methods = ['device', 'pin'], behaviour = {}, ...others } = body;
  check(
    'user',
    typeof user === 'string' && user !== '' && user.isWellFormed(),
    'must name a user: id, user name, e-mail or phone',
  );
  const isKnown = (method: unknown) => possibleMethods.includes(method as string);
  const isList = Array.isArray(methods) && methods.length > 0 && methods.every(isKnown);
  check('methods', isList, `must be a list of ${possibleMethods.join(', ')}`);
  const isObject = typeof behaviour === 'object' && behaviour !== null && !Array.isArray(behaviour);
  check('behaviour', isObject, 'must be an object');
  const { decide = 'ignore', after_ms = 0, pin, ...more } = (isObject ? behaviour : {}) as JsonObject;
  check('behaviour.decide', decisions.includes(decide as string), `must be one of ${decisions.join(', ')}`);
  const isTime = Number.isInteger(after_ms) && Number(after_ms) >= 0 && Number(after_ms) <= maxAfterMs;
  check('behaviour.after_ms', isTime, `must be a whole number from 0 to ${maxAfterMs}`);
  const usesPin = Array.isArray(methods) && methods.includes('pin');
  check('behaviour.pin', pin === undefined || (typeof pin === 'string' && usesPin), 'must be text, beside method pin');
  for (const name of Object.keys(others)) check(name, false, 'is not a member of this request');
  for (const name of Object.keys(more)) check(`behaviour.${name}`, false, 'is not a member of this request');
  if (problems.length > 0) throw invalid(...problems);
  return { user, methods, behaviour: { decide, after_ms }, ...(pin !== undefined && { pin }) } as NewDevice;
}
