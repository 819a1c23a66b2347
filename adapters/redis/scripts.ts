/**
 * The Lua scripts as typed calls. Each file under scripts/ opens with its contract; here stand the number of its keys and
 * the same codes as a type. What several scripts share lies in scripts/shared and is put in by `--- @include name`.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Cluster, Redis } from 'ioredis';
import type { StartLimit, Unasked } from '../../src/domain/ports/operations.ts';
import type { Counts } from './decisions.ts';
import { answered } from './failures.ts';
import { names } from './keys.ts';
import { hashOf, isHash, isPacked, unpack } from './packing.ts';
import type { Replicated } from './replicas.ts';

/** A hash as Lua gives it: name, value, name, value … */
export type Fields = string[];
/** id, body, fields */
export type OperationRow = [string, string, Fields];
type Row = [string, Fields];
type Replayed = ['repeated', string] | ['message_reused'];
type ProofCounts = [pin: number, number: number, pinLifetime: number, underWay: number];
type Redeemer = [body: string, operation: Fields, user: Fields, device: Fields];

interface Replies {
  claim: ['fresh'] | ['own'] | ['taken', string];
  swapClaim: 0 | 1;
  dueClaims: string[];
  dueBoxes: Row[];
  createUser: 0 | 1;
  updateUser: ['updated', Fields] | ['stale'] | ['missing'];
  changeUser: ['changed', Fields, string[]] | ['missing'] | ['refused', string];
  readPage: Row[];
  readDevice: [] | [fields: Fields, userState: string | null, receipt: Fields, notices: string[]];
  readDevicesOf: Row[];
  saveDevice:
    | ['saved', Fields]
    | ['stale']
    | ['missing']
    | ['refused', string]
    | ['ticket_closed']
    | ['user_not_active']
    | Replayed;
  reserveProof:
    | ['reserved' | 'again' | 'exhausted', 'pin' | 'pin_lifetime' | '', ...ProofCounts]
    | ['refused', string]
    | ['stale']
    | ['missing']
    | Replayed;
  failProof: ['recorded'] | ['changed', ...ProofCounts] | ['missing'] | Replayed;
  activateDevice:
    | ['activated', Fields, string[]]
    | ['conflict', string]
    | ['stale']
    | ['missing']
    | ['refused', string]
    | ['operation_closed']
    | Replayed;
  changeDevice: ['changed', Fields, string[]] | ['missing'] | ['refused', string] | Replayed;
  startOperation:
    | ['started', string[], Unasked | '']
    | ['refused', StartLimit, string]
    | ['exists']
    | ['user_not_active']
    | Replayed;
  liftLimits: 0 | 1;
  readOperation: [] | [string, Fields];
  readPending: OperationRow[];
  readForDevice: [body: string | null, operation: Fields, device: Fields, user: Fields, receipt: Fields];
  bindTicket: ['bound'] | ['again', string, Fields] | ['bound_to_other'] | ['missing'] | ['closed'];
  reserveCode: ['reserved', number] | ['confirmed'] | ['closed'] | ['missing'];
  confirmTicket: ['confirmed', ...OperationRow] | ['closed'] | ['missing'];
  reserveAttempt:
    | ['reserved' | 'again' | 'exhausted', 'operation' | 'pin' | 'number' | 'pin_lifetime' | '', ...Counts]
    | ['closed', string]
    | ['missing'];
  failAttempt: ['recorded', ...OperationRow] | ['changed', ...Counts] | ['missing'] | Replayed;
  decideOperation:
    | ['decided', ...OperationRow]
    | ['decided_before', ...OperationRow]
    | ['closed', string]
    | ['user_not_active']
    | ['device_not_active', string, string]
    | ['missing']
    | Replayed;
  cancelOperation: ['cancelled' | 'ended', ...OperationRow] | ['missing'];
  claimOperation: ['claimed' | 'again', ...OperationRow] | ['claimed_by_other'] | ['closed', string] | ['missing'];
  expireOperations: string[];
  pollOperation:
    | ['missing']
    | ['push']
    | ['pending']
    | ['slow_down', number]
    | ['ended', string, string]
    | ['expired']
    | ['busy']
    | ['leased' | 'committed', ...Redeemer]
    | ['delivered'];
  commitRedemption: ['committed'] | ['lost'];
  deliverRedemption: 0 | 1;
  releaseRedemption: 0 | 1;
  endHolds: 1;
  claimOutbox: [id: string, dueAt: string, expiresAt: string, rest: string, fence: number][];
  settleOutbox: 0 | 1;
  readBacklog: [number, string];
  writeEvents: 1;
  readUserEvents: string[];
  useOnce: 0 | 1;
  reserveCount: [0 | 1, number, string];
  beginIdempotent: ['fresh'] | ['done', string] | ['busy'] | ['mismatch'];
  finishIdempotent: 0 | 1;
  abandonIdempotent: 0 | 1;
  saveClient: ['saved'] | ['exists'] | ['stale'] | ['missing'];
  addKey: ['added'] | ['exists'];
  promoteKey: 0 | 1;
  destroyKey: 0 | 1;
  saveKeyRing: 0 | 1;
  appendNotification: 0 | 1;
  writeArtifact: 1;
  consumeArtifact: 0 | 1;
  collectGarbage: [deleted: number, more: 0 | 1];
  raiseSchema: string;
}

export type ScriptName = keyof Replies;

export const numberOfKeys: Record<ScriptName, number> = {
  claim: 2,
  swapClaim: 2,
  dueClaims: 2,
  dueBoxes: 3,
  createUser: 3,
  updateUser: 2,
  changeUser: 2,
  readPage: 2,
  readDevice: 3,
  readDevicesOf: 2,
  saveDevice: 3,
  reserveProof: 4,
  failProof: 3,
  activateDevice: 5,
  changeDevice: 3,
  startOperation: 5,
  liftLimits: 2,
  readOperation: 3,
  readPending: 2,
  readForDevice: 5,
  bindTicket: 5,
  reserveCode: 2,
  confirmTicket: 2,
  reserveAttempt: 3,
  failAttempt: 4,
  decideOperation: 7,
  cancelOperation: 2,
  claimOperation: 2,
  expireOperations: 2,
  pollOperation: 2,
  commitRedemption: 2,
  deliverRedemption: 2,
  releaseRedemption: 2,
  endHolds: 1,
  claimOutbox: 4,
  settleOutbox: 4,
  readBacklog: 3,
  writeEvents: 1,
  readUserEvents: 2,
  useOnce: 1,
  reserveCount: 1,
  beginIdempotent: 1,
  finishIdempotent: 1,
  abandonIdempotent: 1,
  saveClient: 4,
  addKey: 2,
  promoteKey: 2,
  destroyKey: 2,
  saveKeyRing: 2,
  appendNotification: 1,
  writeArtifact: 1,
  consumeArtifact: 1,
  collectGarbage: 2,
  raiseSchema: 2,
};

/** As they are sent. Put together once: a process may open many stores (the tests open hundreds), and the files stay the same. */
const sources = new Map(Object.keys(numberOfKeys).map((name) => [name, sourceOf(name)]));

type Argument = string | number | Buffer;

export interface Scripts {
  /** One round trip, one slot. @throws StoreUnavailable */
  run<N extends ScriptName>(name: N, keys: string[], args?: Argument[]): Promise<Replies[N]>;
}

/**
 * What is not acknowledged before replicas have it, where the store waits for them (replicas.ts): what somebody was told and
 * will not be told differently, what is used up, and what counts tries (IV-06).
 */
const replicatedScripts: ReadonlySet<ScriptName> = new Set<ScriptName>([
  'startOperation',
  'liftLimits',
  'decideOperation',
  'failAttempt',
  'cancelOperation',
  'claimOperation',
  'commitRedemption',
  'writeArtifact',
  'consumeArtifact',
  'useOnce',
  'reserveCount',
  'reserveAttempt',
  'reserveCode',
  'reserveProof',
  'failProof',
  'bindTicket',
  'confirmTicket',
  'activateDevice',
  'saveDevice',
  'changeDevice',
  'createUser',
  'updateUser',
  'changeUser',
  'saveClient',
  'addKey',
  'promoteKey',
  'destroyKey',
  'saveKeyRing',
]);

/** Defines all scripts on the connection: sent whole once per connection, by their hash from then on. */
export function createScripts(client: Redis | Cluster, replicated?: Replicated): Scripts {
  const commands = client as unknown as Record<string, (...args: Argument[]) => Promise<Raw>>;
  for (const [name, count] of Object.entries(numberOfKeys)) {
    client.defineCommand(name, { numberOfKeys: count, lua: sources.get(name)! });
  }
  const runReplicated = replicated && replicatedRun(replicated);
  return {
    async run<N extends ScriptName>(name: N, keys: string[], args: Argument[] = []) {
      const reply =
        runReplicated && replicatedScripts.has(name)
          ? await runReplicated(name, keys, args)
          : await answered(commands[`${name}Buffer`]!(...keys, ...args));
      return toTexts(reply) as Replies[N];
    },
  };
}

/** By its hash; whole where the server does not know it. Not left to ioredis, which would send it a second time after the WAIT. */
function replicatedRun(replicated: Replicated) {
  const hashOfSource = (name: ScriptName) => createHash('sha1').update(sources.get(name)!).digest('hex');
  const hashes = new Map([...replicatedScripts].map((name) => [name, hashOfSource(name)]));
  return async (name: ScriptName, keys: string[], args: Argument[]): Promise<Raw> => {
    const send = (command: 'EVALSHA' | 'EVAL', script: string) =>
      replicated(keys[0]!, (on) => on.callBuffer(command, script, keys.length, ...keys, ...args) as Promise<Raw>);
    try {
      return await send('EVALSHA', hashes.get(name)!);
    } catch (error) {
      if (!String((error as Error).cause).includes('NOSCRIPT')) throw error;
      return send('EVAL', sources.get(name)!);
    }
  };
}

type Raw = Buffer | number | null | Raw[];
type Texts = string | number | null | Texts[];

/**
 * Hashes are one marked JSON text (shared/hash.lua). The body of an operation is packed and stands right before its fields,
 * where otherwise only codes and ids stand. All else is UTF-8.
 */
function toTexts(reply: Raw, next?: Raw): Texts {
  if (Array.isArray(reply)) return reply.map((part, i) => toTexts(part, reply[i + 1]));
  if (!Buffer.isBuffer(reply)) return reply;
  if (isHash(reply)) return hashOf(reply);
  return isPacked(reply) && isHash(next) ? unpack(reply) : reply.toString('utf8');
}

/** The script as it is sent: the names of keys, what it includes (each once), itself. */
export function sourceOf(name: string): string {
  const included = new Set<string>();
  const put = (file: string): string =>
    readFileSync(new URL(`./scripts/${file}.lua`, import.meta.url), 'utf8').replace(
      /^--- @include (\w+)\n/gm,
      (_line, shared: string) => {
        if (included.has(shared)) return '';
        included.add(shared);
        return put(`shared/${shared}`);
      },
    );
  const script = put(name);
  return namesIn(script) + script;
}

/** Lua makes this table anew at every call, so there stands only what the script may ask for. */
function namesIn(script: string): string {
  const used = Object.entries(names).filter(([name]) => script.includes(`NAME.${name}`) || script.includes('NAME['));
  return `local NAME = { ${used.map(([name, text]) => `${name} = '${text}'`).join(', ')} }\n`;
}
