import { hash, randomBytes } from 'node:crypto';

/**
 * Two lower-case hex digits, `00` to `ff`. Everything that must change together for one user lies in one partition,
 * which is one slot of a Redis Cluster.
 *
 * Every id of ours begins with its partition, so no look-up is needed to find it: a user draws one at random, and
 * the user's devices, operations, tickets and `auth_req_id`s inherit it.
 */
export type Partition = string;

export const ALL_PARTITIONS: readonly Partition[] = Array.from({ length: 256 }, (_, i) =>
  i.toString(16).padStart(2, '0'),
);

const ID = /^[0-9a-f]{2}[A-Za-z0-9_-]{22}$/;
const HANDLE = /^[0-9a-f]{2}[A-Za-z0-9_-]{43}$/;

/** Source of randomness, injected so that tests can be deterministic. Returns `size` bytes. */
export type RandomBytes = (size: number) => Buffer;

export function partitionOf(id: string): Partition {
  return id.slice(0, 2);
}

export function randomPartition(random: RandomBytes = randomBytes): Partition {
  return random(1).toString('hex');
}

/** The partition of something that belongs to no user (a token, a `jti`, a counter): the first byte of its hash. */
export function partitionOfText(text: string): Partition {
  return hash('sha256', text, 'hex').slice(0, 2);
}

/** An id: the partition and 128 random bits. Opaque to everyone else. */
export function newId(partition: Partition, random: RandomBytes = randomBytes): string {
  return partition + random(16).toString('base64url');
}

/**
 * A bearer handle (`auth_req_id`, ticket): the partition and 256 random bits. Given out once and never stored:
 * the operation lies under {@link operationIdOf}.
 */
export function newHandle(partition: Partition, random: RandomBytes = randomBytes): string {
  return partition + random(32).toString('base64url');
}

/** One-way: whoever holds the handle finds the operation; whoever reads the store learns no handle. */
export function operationIdOf(handle: string): string {
  const digest = hash('sha256', `assent-operation\0${handle}`, 'base64url');
  return partitionOf(handle) + digest.slice(0, 22);
}

export function isId(text: string): boolean {
  return ID.test(text);
}

export function isHandle(text: string): boolean {
  return HANDLE.test(text);
}
