/**
 * What the engine (oidc-provider) keeps: tokens, grants, sessions. Ids arrive hashed and payloads sealed, so a store
 * that is read gives nobody a token. Partition: the first two characters of `id`, which is a hash in hex.
 */
export interface Artifact {
  /** The engine's model name, for example `AccessToken`. */
  model: string;
  /** SHA-256 of the engine's id, hex. */
  id: string;
  /** JSON, sealed with `<model>:<id>` as AAD. */
  payload: string;
  /** Epoch milliseconds; read as missing from then on. */
  expiresAt: number;
}

export interface ArtifactStore {
  /** Writes all, replacing (what was consumed stays consumed); concurrently, counted as one round trip. Not atomic over partitions: the ids are not known to anyone yet. */
  write(artifacts: Artifact[], now: number): Promise<void>;
  read(model: string, id: string, now: number): Promise<(Artifact & { consumedAt?: number }) | undefined>;
  /** Marks it consumed; true for exactly one of any number of calls. */
  consume(model: string, id: string, now: number): Promise<boolean>;
  /** Revocation where the model is a Grant: every use of a token reads its grant. */
  destroy(model: string, id: string): Promise<void>;
}
