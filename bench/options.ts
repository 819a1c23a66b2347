import { parseArgs } from 'node:util';

export const sections = [
  'start',
  'poll',
  'redeem',
  'assertions',
  'sender',
  'algorithms',
  'flow',
  'wake-up',
  'held',
  'rotation',
  'rolling',
  'store',
  'round-trips',
  'memory',
  'ready',
  'who-exists',
  'bad-receivers',
  'guessing',
  'bad-jwts',
] as const;
export type Section = (typeof sections)[number];

export interface Options {
  only: Section[];
  json: boolean;
  size: Size;
  /** A folder for CPU profiles of the servers; measuring then costs a little. */
  profile?: string;
  /** A revision of this repository whose program takes turns with this one in `rolling`. */
  old?: string;
}

/** How much is done. */
export interface Size {
  rounds: number;
  /** Each with a device; requests are spread over them. */
  users: number;
  startsPerRound: number;
  pollsPerRound: number;
  /** auth_req_ids that are polled in turn. */
  pollIds: number;
  /** By the client whose assertions are made beforehand. */
  assertedPollsPerRound: number;
  redemptionsPerRound: number;
  /** One server in several ways: by key, by certificate, by algorithm. */
  variantPollsPerRound: number;
  variantRedemptionsPerRound: number;
  flowsPerRound: number;
  /** Rounds of flows that do not count: the first thousand flows cost a third more, for the compiler is still at work. */
  flowWarmUps: number;
  /** Held requests that are decided one after the other, at one process and across two. */
  wakeUps: number;
  /** Token requests held at once. */
  holds: number;
  rotations: number;
  /** Each restarts two processes in turn, at so many sign-ins a second. */
  rollingRounds: number;
  rollingPerSecond: number;
  storeRounds: number;
  storeSeconds: number;
  pendingOperations: number;
  streams: number;
  readyStarts: number;
  /** Of each kind that must take equally long: people that a discreet client asks for, ids that it polls. */
  requestsPerKind: number;
  /** `auth_req_id`s that were never given. */
  guesses: number;
  /** Pings due to each of the bad receivers, while others sign in for so many seconds. */
  pingsToEachBad: number;
  badReceiverSeconds: number;
  /** Of the wrong JWTs, at each endpoint that reads one; every one so often. */
  vectorsPerReader: number;
  vectorRounds: number;
}

const full: Size = {
  rounds: 5,
  users: 3_000,
  startsPerRound: 3_000,
  pollsPerRound: 12_000,
  pollIds: 500,
  assertedPollsPerRound: 5_000,
  redemptionsPerRound: 1_500,
  variantPollsPerRound: 5_000,
  variantRedemptionsPerRound: 600,
  flowsPerRound: 300,
  flowWarmUps: 4,
  wakeUps: 600,
  holds: 10_000,
  rotations: 3,
  rollingRounds: 10,
  rollingPerSecond: 200,
  storeRounds: 3,
  storeSeconds: 2,
  pendingOperations: 10_000,
  streams: 10_000,
  readyStarts: 5,
  requestsPerKind: 5_000,
  guesses: 100_000,
  pingsToEachBad: 300,
  badReceiverSeconds: 30,
  vectorsPerReader: Number.POSITIVE_INFINITY,
  vectorRounds: 3,
};

const quick: Size = {
  rounds: 3,
  users: 600,
  startsPerRound: 600,
  pollsPerRound: 4_000,
  pollIds: 100,
  assertedPollsPerRound: 1_500,
  redemptionsPerRound: 300,
  variantPollsPerRound: 1_500,
  variantRedemptionsPerRound: 200,
  flowsPerRound: 250,
  flowWarmUps: 1,
  wakeUps: 150,
  holds: 1_000,
  rotations: 1,
  rollingRounds: 2,
  rollingPerSecond: 100,
  storeRounds: 1,
  storeSeconds: 1,
  pendingOperations: 2_000,
  streams: 1_000,
  readyStarts: 3,
  requestsPerKind: 700,
  guesses: 5_000,
  pingsToEachBad: 60,
  badReceiverSeconds: 6,
  vectorsPerReader: 60,
  vectorRounds: 2,
};

const usage = `npm run bench -- [--quick] [--only ${sections.join(',')}] [--streams N] [--holds N] [--rate N] [--old revision] [--profile folder] [--json]`;

function valuesOf(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        streams: { type: 'string' },
        holds: { type: 'string' },
        rate: { type: 'string' },
        old: { type: 'string' },
        profile: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new Error(`${(error as Error).message}.\n${usage}`, { cause: error });
  }
}

/** @throws Error that says how it is used */
export function readOptions(args: string[]): Options {
  const values = valuesOf(args);
  const only = values.only?.split(',') ?? [...sections];
  const unknown = only.filter((name) => !sections.includes(name as Section));
  if (unknown.length > 0) throw new Error(`There is no ${unknown.join(', ')}.\n${usage}`);
  const size = values.quick ? quick : full;
  const count = (name: 'streams' | 'holds' | 'rate', otherwise: number): number => {
    const wanted = values[name] === undefined ? otherwise : Number(values[name]);
    if (!Number.isInteger(wanted) || wanted < 1) throw new Error(`--${name} takes a number.\n${usage}`);
    return wanted;
  };
  const { json, profile, old } = values;
  const [streams, holds] = [count('streams', size.streams), count('holds', size.holds)];
  return {
    only: only as Section[],
    json,
    profile,
    ...(old !== undefined && { old }),
    size: { ...size, streams, holds, rollingPerSecond: count('rate', size.rollingPerSecond) },
  };
}
