import { createHash } from 'node:crypto';
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import { type Clock, SECOND } from '../support/clock.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Artifact, ArtifactStore } from './ports.ts';

/**
 * A refresh token that was just rotated is told apart from one that was stolen: within this time its second use is
 * refused and nothing more (a client sent it twice in parallel); later it revokes the grant (RFC 9700, 4.14.2).
 */
const rotationGraceMs = 10 * SECOND;

export interface AdapterDeps {
  artifacts: ArtifactStore;
  secrets: Pick<Secrets, 'seal' | 'open'>;
  clock: Clock;
}

/** What an issuance wants to write, and what it uses up for that, held back until all is there. */
export interface Batch {
  written: Artifact[];
  consumed: { model: string; id: string }[];
}

export interface EngineStorage {
  adapter: (model: string) => Adapter;
  /** Until the answer of `work`, what the engine saves while it serves `context` goes into the batch instead. */
  gather<T>(context: object, work: () => Promise<T>): Promise<{ result: T; batch: Batch }>;
  /**
   * First what is new: its ids are not known to anybody yet, so a crash harms nobody. Then, as the commit, what it uses up,
   * by compare-and-set: until here a refresh token is as good as before, from here on its successor is there.
   * @throws errors of the engine, where somebody else has used it up; what was written stays unknown
   */
  write(batch: Batch): Promise<void>;
}

/**
 * The engine's storage on our port. Ids are kept as hashes and payloads sealed, so reading the store gives nobody a
 * token. `currentContext` tells which request the engine is serving when it calls.
 */
export function createEngineStorage(
  { artifacts, secrets, clock }: AdapterDeps,
  currentContext: () => object | undefined,
): EngineStorage {
  const batches = new WeakMap<object, Batch>();

  function sealed(model: string, id: string, payload: AdapterPayload, expiresInSeconds: number): Artifact {
    const { jti, ...kept } = payload;
    const key = hashOf(id);
    return {
      model,
      id: key,
      payload: secrets.seal(label, JSON.stringify(kept), aadOf(model, key)),
      expiresAt: clock() + expiresInSeconds * SECOND,
    };
  }

  function opened(model: string, id: string, { payload, consumedAt }: Artifact & { consumedAt?: number }) {
    const kept = JSON.parse(secrets.open(label, payload, aadOf(model, hashOf(id))).toString('utf8')) as AdapterPayload;
    const graceMs = model === 'RefreshToken' ? rotationGraceMs : -1;
    // either way: a clock that is set back makes no time of grace longer
    const isConsumed = consumedAt !== undefined && Math.abs(clock() - consumedAt) > graceMs;
    return { ...kept, jti: id, ...(isConsumed && { consumed: Math.floor(consumedAt / SECOND) }) };
  }

  async function consume(model: string, id: string): Promise<void> {
    if (await artifacts.consume(model, hashOf(id), clock())) return;
    if (model === pushedModel) throw new errors.InvalidRequestUri('request_uri was already used');
    throw new errors.InvalidGrant('consumed already');
  }

  return {
    adapter: (model) => ({
      async upsert(id, payload, expiresIn) {
        // The request is written by operations.start, in the same step as the operation (ruling 4).
        if (model === requestModel) return;
        if (expiresIn === undefined) throw new Error(`${model} without a lifetime`);
        const written = [sealed(model, id, withoutNonce(model, payload), expiresIn)];
        // a session is also found by its `uid`, which stays when its id changes
        if (payload.uid !== undefined) written.push(sealed(uidModel(model), payload.uid, { id }, expiresIn));
        const context = currentContext();
        const batch = context && batches.get(context);
        if (batch) batch.written.push(...written);
        else await artifacts.write(written, clock());
      },
      async find(id) {
        const found = await artifacts.read(model, hashOf(id), clock());
        return found && opened(model, id, found);
      },
      async consume(id) {
        const context = currentContext();
        const batch = context && batches.get(context);
        if (batch) batch.consumed.push({ model, id });
        else await consume(model, id);
      },
      destroy: (id) => artifacts.destroy(model, hashOf(id)),
      // Every use of a token reads its grant: destroying that one revokes all of them (ruling 6).
      async revokeByGrantId() {},
      async findByUid(uid) {
        const found = await artifacts.read(uidModel(model), hashOf(uid), clock());
        if (!found) return undefined;
        const { id } = opened(uidModel(model), uid, found) as unknown as { id: string };
        const session = await artifacts.read(model, hashOf(id), clock());
        return session && opened(model, id, session);
      },
      // Of device codes, of which there are none.
      async findByUserCode() {},
    }),

    async gather(context, work) {
      const batch: Batch = { written: [], consumed: [] };
      batches.set(context, batch);
      try {
        return { result: await work(), batch };
      } finally {
        batches.delete(context);
      }
    },

    async write({ written, consumed }) {
      if (written.length > 0) await artifacts.write(written, clock());
      for (const { model, id } of consumed) await consume(model, id);
    },
  };
}

const requestModel = 'BackchannelAuthenticationRequest';
const pushedModel = 'PushedAuthorizationRequest';
const uidModel = (model: string) => `${model}Uid`;
const label = 'artifact';
const aadOf = (model: string, key: string) => `${model}:${key}`;
const hashOf = (id: string) => createHash('sha256').update(id).digest('hex');

/** OIDC Core 12.2: a refreshed ID token should have no nonce. The engine repeats the one that it finds here. */
function withoutNonce(model: string, payload: AdapterPayload): AdapterPayload {
  if (model !== 'RefreshToken') return payload;
  const { nonce, ...rest } = payload;
  return rest;
}
