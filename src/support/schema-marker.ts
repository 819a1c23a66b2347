/**
 * What a store says of the form of its records: the version that it is in, and the oldest version whose programs may still work
 * with it. Both only ever rise.
 *
 *     store of N−1 ── a program of N starts: expands ──> N, readable by N−1 ── one of N+1: contracts ──> N+1, readable by N
 *                     those of N−1 go on, and start             (adapters/README.md has the rule for each kind of change)
 */
export interface SchemaMarker {
  version: number;
  readableBy: number;
}

/** @returns why a program of version `known` must leave the store alone, as one sentence; undefined when it may work with it */
export function refusalOf({ version, readableBy }: SchemaMarker, known: number): string | undefined {
  if (known >= version || known >= readableBy) return undefined;
  const since = readableBy < version ? `, for programs of ${readableBy} and later` : '';
  return `The store has schema version ${version}${since}; this program knows up to ${known}. Start the newer program, or restore a backup.`;
}

/** For people: `assent store check` says it. */
export function markerText({ version, readableBy }: SchemaMarker): string {
  return `${version}, readable by programs of ${readableBy} and later`;
}
