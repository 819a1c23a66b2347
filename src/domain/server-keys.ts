import { type Clock, DAY, HOUR, MINUTE } from '../support/clock.ts';
import type { Secrets } from '../support/secrets.ts';
import { SignerUnavailable } from '../support/unavailable.ts';
import type { ExternalSigner, ExternalSigners } from './external-signers.ts';
import { bySystem, newEvent } from './new-event.ts';
import type { KeyState, KeyStore, KeyUse, ServerKey } from './ports/records.ts';
import { type KeyKind, makeKey, thumbprint } from './server-key-material.ts';
import { createSigningRotation, type RotateSigning, type RotationTimes, type SigningUse } from './signing-rotation.ts';
import type { By } from './users.ts';

export type { RotateSigning } from './signing-rotation.ts';

export interface PublicServerKey {
  kid: string;
  use: KeyUse;
  alg: string;
  /** Parsed public JWK with kid, use, alg. */
  jwk: Record<string, unknown>;
  createdAt: number;
  state: KeyState;
  /** Its private half is not here. */
  external?: true;
  activatesAt?: number;
  retiredAt?: number;
}

export interface ServerKeyPairJwk {
  kid: string;
  privateJwk: Record<string, unknown>;
  publicJwk: Record<string, unknown>;
}

/**
 * Keys of the server: made at first start, sealed under the master key, rotated on a schedule. Held in memory, unsealed,
 * and read again once a second (sweeper.ts), so that all processes go with what one of them has changed.
 */
export interface ServerKeys {
  /** The one that signs or is offered now. */
  current(use: KeyUse, alg?: string): ServerKeyPairJwk;
  /** A private key by kid, while it exists. For `box`: messages made for the former key still open. */
  byKid(use: KeyUse, kid: string): ServerKeyPairJwk | undefined;
  /** With a key of ID tokens that is outside. @throws SignerUnavailable */
  signOutside(kid: string, data: Uint8Array): Promise<Uint8Array>;
  /** All public halves of a use, retired and destroyed ones included, newest first. */
  publicKeys(use: KeyUse): PublicServerKey[];
  /** A symmetric secret of 32 bytes (`cookie`, `dpop`). */
  secret(use: 'cookie' | 'dpop'): Buffer;
  /**
   * Box: a successor after 7 days, the private half destroyed 48 h after that. ID tokens and seal: as
   * `signing-rotation.ts` says. Idempotent; call it now and then.
   */
  maintain(): Promise<void>;
  /** Keys of ID tokens, or those of challenges and evidence, get successors. */
  rotateSigning(options: RotateSigning, by: By): Promise<void>;
  reload(): Promise<void>;
  /** Called after a read that found the keys changed, by this process or another. */
  onChange(listener: () => void): void;
}

export interface ServerKeysDeps {
  store: { keys: KeyStore };
  clock: Clock;
  secrets: Secrets;
  /** Keys of ID tokens that are outside: in use instead of ours, for their algorithms. */
  signers?: ExternalSigners;
  options?: Partial<ServerKeysOptions>;
}

/** `config.keys` is one of these. */
export interface ServerKeysOptions {
  boxRotationDays: number;
  boxDestroyHours: number;
  sealRotationDays: number;
  sealPublishMinutes: number;
  sealDestroyDays: number;
  /** How ID tokens are signed by default. */
  idTokenAlg: string;
  /** Further algorithms that clients may choose. */
  idTokenAlgs: readonly string[];
  signingRotationDays: number;
  signingPublishMinutes: number;
  signingRetireDays: number;
}

/** A key of the store with its private half readable, as long as there is one. */
interface OpenKey {
  record: ServerKey;
  pair?: ServerKeyPairJwk;
  secret?: Buffer;
}

const defaults: ServerKeysOptions = {
  boxRotationDays: 7,
  boxDestroyHours: 48,
  sealRotationDays: 180,
  sealPublishMinutes: 24 * 60,
  sealDestroyDays: 400,
  idTokenAlg: 'ES256',
  // ruling 5
  idTokenAlgs: ['ES256', 'RS256'],
  signingRotationDays: 90,
  signingPublishMinutes: 24 * 60,
  signingRetireDays: 14,
};
const symmetricAlg = 'A256';
const sealLabel = 'server-key';

/** Resolves when every kind of key exists: the first process makes them, the others read. */
export async function createServerKeys(deps: ServerKeysDeps): Promise<ServerKeys> {
  const { store, clock, secrets, signers, options } = deps;
  const given = { ...defaults, ...options };
  const { boxRotationDays, boxDestroyHours, idTokenAlg, idTokenAlgs } = given;
  const kinds: KeyKind[] = [
    { use: 'seal', alg: 'ES256' },
    { use: 'box', alg: 'ECDH-ES' },
    ...[...new Set([idTokenAlg, ...idTokenAlgs])].map((alg): KeyKind => ({ use: 'oidc', alg })),
    { use: 'cookie', alg: symmetricAlg },
    { use: 'dpop', alg: symmetricAlg },
  ];
  let keys: OpenKey[] = [];
  const reads = { begun: 0, taken: 0 };
  const listeners: (() => void)[] = [];

  async function reload() {
    const read = ++reads.begun;
    const records = await store.keys.list();
    if (read < reads.taken) return; // one that began later was quicker, and knows more
    reads.taken = read;
    const known = new Map(keys.map((key) => [key.record.kid, key]));
    // unsealing costs; a record that has not changed is kept as it is
    const open = (record: ServerKey) => {
      const former = known.get(record.kid);
      return former?.record.version === record.version ? former : openKey(secrets, record);
    };
    keys = records.map(open).sort((a, b) => b.record.createdAt - a.record.createdAt);
    const isChanged = keys.length !== known.size || keys.some((key) => known.get(key.record.kid) !== key);
    if (isChanged) for (const listener of listeners) listener();
  }

  function currentOf(use: KeyUse, alg?: string): OpenKey {
    const found = keys.find(({ record: r }) => r.use === use && r.state === 'current' && (!alg || r.alg === alg));
    if (!found) throw new Error(`there is no current ${use} key`);
    return found;
  }

  async function add(kind: KeyKind, { replaces, activatesAt, by = bySystem }: Adding = {}) {
    const now = clock();
    const { kid, publicJwk, secret } = await makeKey(kind);
    const key: ServerKey = {
      kid,
      version: 1,
      ...kind,
      state: activatesAt === undefined ? 'current' : 'next',
      ...(activatesAt !== undefined && { activatesAt }),
      publicJwk: publicJwk && JSON.stringify(publicJwk),
      sealed: secrets.seal(sealLabel, secret, aadOf(kid)),
      createdAt: now,
    };
    await addRecord(key, replaces, by);
  }

  async function addRecord(key: ServerKey, replaces: string | undefined, by: By) {
    const { use, alg, kid, createdAt: now } = key;
    const events = [newEvent('key.created', now, by, { partition: '00', data: { use, alg, kid } })];
    if (replaces) events.push(newEvent('key.retired', now, by, { partition: '00', data: { kid: replaces } }));
    // `exists`: another process was faster; its key is read by the reload that follows
    await store.keys.add({ key, ...(replaces !== undefined && { replaces }), now, events });
  }

  /**
   * A key outside takes the place of the current one of its algorithm: as every successor it is published first, unless
   * nobody here can sign with that one.
   */
  async function adopt(signer: ExternalSigner) {
    const { kid, alg, publicJwk } = signer;
    const known = keys.find(({ record }) => record.kid === kid);
    if (known) return requireSameKey(known.record, signer);
    const now = clock();
    const current = keys.find(({ record: r }) => r.use === 'oidc' && r.alg === alg && r.state === 'current');
    const canWait = current !== undefined && (current.pair !== undefined || signers?.has(current.record.kid));
    const key: ServerKey = {
      kid,
      version: 1,
      use: 'oidc',
      alg,
      state: canWait ? 'next' : 'current',
      ...(canWait && { activatesAt: now + given.signingPublishMinutes * MINUTE }),
      external: true,
      publicJwk: JSON.stringify(publicJwk),
      createdAt: now,
    };
    await addRecord(key, canWait ? undefined : current?.record.kid, bySystem);
    await reload();
  }

  async function makeMissing() {
    const isThere = ({ use, alg }: KeyKind) =>
      keys.some(({ record: r }) => r.use === use && r.alg === alg && r.state === 'current');
    const missing = kinds.filter((kind) => !isThere(kind));
    await Promise.all(missing.map((kind) => add(kind)));
    if (missing.length > 0) await reload();
  }

  async function rotateBox() {
    const { record } = currentOf('box');
    if (clock() - record.createdAt < boxRotationDays * DAY) return;
    await add({ use: 'box', alg: record.alg }, { replaces: record.kid });
    await reload();
  }

  async function destroyOldBoxes() {
    const now = clock();
    const isOver = ({ record: r }: OpenKey) =>
      r.use === 'box' && r.state === 'retired' && now - (r.retiredAt ?? now) >= boxDestroyHours * HOUR;
    for (const { record } of keys.filter(isOver)) {
      const events = [newEvent('key.destroyed', now, bySystem, { partition: '00', data: { kid: record.kid } })];
      await store.keys.destroy({ kid: record.kid, now, events });
      await reload();
    }
  }

  const rotationOf = (use: SigningUse, times: RotationTimes) =>
    createSigningRotation({
      use,
      times,
      store: store.keys,
      clock,
      records: () => keys.map(({ record }) => record),
      reload,
      makeNext: (alg, activatesAt, by) => add({ use, alg }, { activatesAt, by }),
    });
  const rotations = {
    oidc: rotationOf('oidc', {
      rotationDays: given.signingRotationDays,
      publishMinutes: given.signingPublishMinutes,
      destroyDays: given.signingRetireDays,
    }),
    seal: rotationOf('seal', {
      rotationDays: given.sealRotationDays,
      publishMinutes: given.sealPublishMinutes,
      destroyDays: given.sealDestroyDays,
    }),
  };

  const serverKeys: ServerKeys = {
    current(use, alg) {
      const { pair } = currentOf(use, alg);
      if (!pair) throw new Error(`${use} is no key pair`);
      return pair;
    },
    byKid: (use, kid) => keys.find(({ record: r }) => r.use === use && r.kid === kid)?.pair,
    async signOutside(kid, data) {
      if (!signers) throw new SignerUnavailable(`this server was started without the signer of key ${kid}`);
      return signers.sign(kid, data);
    },
    publicKeys: (use) => keys.flatMap(({ record }) => publicKeyOf(record, use)),
    secret(use) {
      const { secret } = currentOf(use);
      if (!secret) throw new Error(`${use} is no secret`);
      return secret;
    },
    async maintain() {
      await reload();
      for (const signer of signers?.wanted ?? []) await adopt(signer);
      await makeMissing();
      await rotateBox();
      await destroyOldBoxes();
      await rotations.oidc.maintain();
      await rotations.seal.maintain();
    },
    rotateSigning: (options, by) => rotations[options.use ?? 'oidc'].rotate(options, by),
    reload,
    onChange: (listener) => void listeners.push(listener),
  };
  await serverKeys.maintain();
  return serverKeys;
}

/** Published under one name, signing under the same with another key: no token would verify. */
function requireSameKey({ kid, publicJwk = '{}' }: ServerKey, signer: ExternalSigner): void {
  if (thumbprint(JSON.parse(publicJwk)) === thumbprint(signer.publicJwk)) return;
  throw new Error(`plugins.signer: another key than its ${kid} is known under this name. Give it a name of its own.`);
}

interface Adding {
  replaces?: string;
  /** It waits until then. */
  activatesAt?: number;
  by?: By;
}

const aadOf = (kid: string) => `key:${kid}`;

function openKey(secrets: Secrets, record: ServerKey): OpenKey {
  if (record.sealed === undefined) return { record };
  const opened = secrets.open(sealLabel, record.sealed, aadOf(record.kid)).toString();
  if (record.publicJwk === undefined) return { record, secret: Buffer.from(opened, 'base64url') };
  return {
    record,
    pair: { kid: record.kid, privateJwk: JSON.parse(opened), publicJwk: JSON.parse(record.publicJwk) },
  };
}

// Verifiers need the public half for as long as anything that it signed is worth verifying.
function publicKeyOf(record: ServerKey, use: KeyUse): PublicServerKey[] {
  const { kid, alg, publicJwk, createdAt, state, external, activatesAt, retiredAt } = record;
  if (record.use !== use || publicJwk === undefined) return [];
  const jwk = { ...JSON.parse(publicJwk), kid, use: use === 'box' ? 'enc' : 'sig', alg };
  return [
    {
      kid,
      use,
      alg,
      jwk,
      createdAt,
      state,
      ...(external && { external }),
      ...(activatesAt !== undefined && { activatesAt }),
      ...(retiredAt !== undefined && { retiredAt }),
    },
  ];
}
