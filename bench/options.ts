import { parseArgs } from 'node:util';

export const sections = [
  'start',
  'poll',
  'redeem',
  'flow',
  'store',
  'round-trips',
  'memory',
  'ready',
  'who-exists',
] as const;
export type Section = (typeof sections)[number];

export interface Options {
  only: Section[];
  json: boolean;
  size: Size;
  /** A folder for CPU profiles of the servers; measuring then costs a little. */
  profile?: string;
}

/** How much is done. Small enough for a minute, large enough for four. */
export interface Size {
  rounds: number;
  /** Each with a device; requests are spread over them. */
  users: number;
  startsPerRound: number;
  pollsPerRound: number;
  /** auth_req_ids that are polled in turn. */
  pollIds: number;
  redemptionsPerRound: number;
  flowsPerRound: number;
  storeRounds: number;
  storeSeconds: number;
  pendingOperations: number;
  streams: number;
  readyStarts: number;
  /** Of each kind of person that a discreet client asks for. */
  requestsPerHint: number;
}

const full: Size = {
  rounds: 5,
  users: 3_000,
  startsPerRound: 3_000,
  pollsPerRound: 12_000,
  pollIds: 500,
  redemptionsPerRound: 1_500,
  flowsPerRound: 300,
  storeRounds: 3,
  storeSeconds: 2,
  pendingOperations: 10_000,
  streams: 10_000,
  readyStarts: 5,
  requestsPerHint: 5_000,
};

const quick: Size = {
  rounds: 3,
  users: 600,
  startsPerRound: 600,
  pollsPerRound: 4_000,
  pollIds: 100,
  redemptionsPerRound: 300,
  flowsPerRound: 250,
  storeRounds: 1,
  storeSeconds: 1,
  pendingOperations: 2_000,
  streams: 1_000,
  readyStarts: 3,
  requestsPerHint: 700,
};

const usage = `npm run bench -- [--quick] [--only ${sections.join(',')}] [--streams N] [--profile folder] [--json]`;

/** @throws Error that says how it is used */
export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      streams: { type: 'string' },
      profile: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const only = values.only?.split(',') ?? [...sections];
  const unknown = only.filter((name) => !sections.includes(name as Section));
  if (unknown.length > 0) throw new Error(`There is no ${unknown.join(', ')}.\n${usage}`);
  const size = values.quick ? quick : full;
  const streams = values.streams === undefined ? size.streams : Number(values.streams);
  if (!Number.isInteger(streams) || streams < 1) throw new Error(`--streams takes a number.\n${usage}`);
  return { only: only as Section[], json: values.json, profile: values.profile, size: { ...size, streams } };
}
