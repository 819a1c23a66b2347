import type { KeyUse } from './ports/records.ts';

export interface PublicServerKey {
  kid: string;
  use: KeyUse;
  alg: string;
  /** Parsed public JWK with kid, use, alg. */
  jwk: Record<string, unknown>;
  createdAt: number;
}

/**
 * Keys of the server: made at first start, sealed under the master key, rotated on a schedule. Held in memory, unsealed,
 * and read again when another process changed them (at the latest every 30 s).
 */
export interface ServerKeys {
  /** The one that signs or is offered now. */
  current(
    use: KeyUse,
    alg?: string,
  ): { kid: string; privateJwk: Record<string, unknown>; publicJwk: Record<string, unknown> };
  /** A private key by kid, while it exists. For `box`: messages made for the former key still open. */
  byKid(
    use: KeyUse,
    kid: string,
  ): { kid: string; privateJwk: Record<string, unknown>; publicJwk: Record<string, unknown> } | undefined;
  /** All public halves of a use, retired and destroyed ones included, newest first. */
  publicKeys(use: KeyUse): PublicServerKey[];
  /** A symmetric secret of 32 bytes (`cookie`, `dpop`). */
  secret(use: 'cookie' | 'dpop'): Buffer;
  /** Box: a successor after 7 days, the private half destroyed 48 h after that. Idempotent; call it now and then. */
  maintain(): Promise<void>;
  reload(): Promise<void>;
}
