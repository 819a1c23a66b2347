/**
 * The only place where keys are made (TH-27): a fixed prefix, the partition as hash tag, a fixed name, and then nothing
 * but an id of ours or a SHA-256. What others chose never becomes part of a key, so it can neither collide, nor glob, nor
 * steer a cluster slot.
 */
import { createHash } from 'node:crypto';
import { isId, type Partition, partitionOf, partitionOfText } from '../../src/support/ids.ts';

/**
 * What follows `<prefix>{pp}:`. Scripts get the same table as their first line (scripts.ts), because they derive the
 * names of records that they learn of only while they run. README.md says what lies under each.
 */
export const names = {
  user: 'u:',
  users: 'users',
  identifier: 'i:',
  device: 'd:',
  devices: 'devices',
  devicesOf: 'ud:',
  thumbprint: 't:',
  claimReviews: 'tr',
  boxesMade: 'bm',
  boxesFormer: 'bf',
  operation: 'o:',
  body: 'b:',
  document: 'do:',
  pendingOf: 'up:',
  ticketsOf: 'ut:',
  startNotes: 's:',
  due: 'due',
  garbage: 'gc',
  evidence: 'v:',
  pinProof: 'vp:',
  receipt: 'r:',
  proofTry: 'h:',
  triesUnderWay: 'w:',
  eventsOfOperation: 'e:',
  eventsOfUser: 'ue:',
  eventsOfNobody: 'events',
  noticesOf: 'n:',
  outbox: 'x',
  outboxDue: 'xd',
  outboxFences: 'xf',
  outboxNumbers: 'xn',
  replay: 'j:',
  counter: 'c:',
  idempotency: 'k:',
  serverKeys: 'keys',
  keyRing: 'ring',
  client: 'cl:',
  clients: 'cls',
  clientsRevision: 'clv',
  notificationLog: 'nl:',
  artifact: 'a:',
  schema: 'schema',
  check: 'check',
  beacon: 'beacon',
} as const;

type Name = keyof typeof names;

const PARTITION = /^[0-9a-f]{2}/;
const MODEL = /^[A-Za-z]{1,40}$/;
const SHA256_HEX = /^[0-9a-f]{64}$/;

export interface Keys {
  /** `<prefix>{pp}:`; the first key of every script. */
  root(partition: Partition): string;
  /** A record under its own id, in the partition that the id begins with. */
  of(name: Name, id: string): string;
  /** A record under an id, in the partition of another record. */
  beside(id: string, name: Name, otherId: string): string;
  /** A record whose id was written down as its key part. */
  ofPart(name: Name, part: string): string;
  /** A record under a hash of texts that others chose, in the partition of that hash. */
  hashed(name: Name, ...texts: string[]): string;
  /** In the partition of the first id, which is the device's own or its operation's. */
  receipt(id: string, deviceId: string, jti: string): string;
  /** The mark of a message that has reserved a try of its device's PIN. */
  proofTry(deviceId: string, jwsHash: string): string;
  artifact(model: string, id: string): string;
  /** In the partition of the key. */
  beaconBeside(key: string): string;
  /** Of the partition of the key. */
  rootOf(key: string): string;
  /** One per partition: an index or a table. */
  at(partition: Partition, name: Name): string;
  channel(partition: Partition): string;
  /** For PSUBSCRIBE. */
  channels: string;
  /** The partition of what came through a channel. */
  partitionOfChannel(channel: string): Partition;
}

/**
 * An id of ours as it is, anything else as its hash; both begin with the partition. Scripts know records by this part
 * alone: only ids of ours come back from them as they went in.
 */
export function idPart(id: string): string {
  return isId(id) ? id : `${partitionFor(id)}~${sha256(id)}`;
}

export function partitionFor(id: string): Partition {
  return PARTITION.test(id) ? partitionOf(id) : partitionOfText(id);
}

export function createKeys(prefix: string): Keys {
  if (!/^[a-z0-9][a-z0-9:_-]{0,30}:$/.test(prefix)) {
    throw new RangeError('the prefix of Redis keys is up to 32 of a-z, 0-9, ":", "_", "-", and ends in ":"');
  }
  const root = (partition: Partition) => `${prefix}{${partition}}:`;
  const at = (partition: Partition, name: Name) => root(partition) + names[name];
  return {
    root,
    at,
    of: (name, id) => at(partitionFor(id), name) + idPart(id),
    ofPart: (name, part) => at(partitionOf(part), name) + part,
    beside: (id, name, otherId) => at(partitionFor(id), name) + idPart(otherId),
    hashed(name, ...texts) {
      const text = joined(texts);
      return at(partitionOfText(text), name) + sha256(text);
    },
    receipt: (id, deviceId, jti) => at(partitionFor(id), 'receipt') + sha256(joined([deviceId, jti])),
    proofTry: (deviceId, jwsHash) => at(partitionFor(deviceId), 'proofTry') + sha256(joined([deviceId, jwsHash])),
    artifact(model, id) {
      const known = MODEL.test(model) && SHA256_HEX.test(id);
      return at(partitionFor(id), 'artifact') + (known ? `${model}:${id}` : `~${sha256(joined([model, id]))}`);
    },
    beaconBeside: (key) => rootOf(key) + names.beacon,
    rootOf,
    channel: (partition) => `${prefix}wake:${partition}`,
    channels: `${prefix}wake:*`,
    partitionOfChannel: (channel) => channel.slice(-2),
  };
}

const rootOf = (key: string) => key.slice(0, key.indexOf('}') + 2);

/** Lengths first: no two lists of texts give the same one. */
function joined(texts: string[]): string {
  return texts.map((text) => `${text.length}:${text}`).join('');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
