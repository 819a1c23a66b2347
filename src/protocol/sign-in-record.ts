import { createHash } from 'node:crypto';
import type { Clock } from '../support/clock.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Artifact, ArtifactStore } from './ports.ts';

/**
 * What a browser was shown after it said who signs in, or that an authenticator will: the half of a sign-in that the engine's Interaction has no room for. One
 * for each interaction, sealed; whoever reads the store learns neither name nor number.
 */
export interface SignInRecord {
  /** Of the operation; nobody else gets it. Of an offer it is the code, which the page shows. */
  handle: string;
  /** Nobody was named: whoever claims it is asked. */
  isOffer?: boolean;
  clientId: string;
  /** As typed, to be shown again. */
  who?: string;
  matchCode: string | undefined;
  /** Epoch milliseconds. */
  startedAt: number;
  expiresAt: number;
  /** Names client and person as they were typed: of sign-ins with the same one only the newest counts. */
  latestKey?: string;
}

export interface SignInRecords {
  /** One round trip; `offers` with it. The uid becomes the newest of its `latestKey`. `keepUntil` in epoch milliseconds. */
  write(uid: string, record: SignInRecord, keepUntil: number, offers?: number): Promise<void>;
  read(uid: string): Promise<SignInRecord | undefined>;
  /** Which sign-in is the newest of that client and name. */
  latest(latestKey: string): Promise<string | undefined>;
  /** How many codes its page has shown. `forget` leaves it: it ends with the interaction. */
  offers(uid: string): Promise<number>;
  forget(uid: string): Promise<void>;
}

const model = 'SignIn';
const latestModel = 'SignInLatest';
const offersModel = 'SignInOffers';
const label = 'sign-in';

export function createSignInRecords({
  artifacts,
  secrets,
  clock,
}: {
  artifacts: ArtifactStore;
  secrets: Pick<Secrets, 'seal' | 'open'>;
  clock: Clock;
}): SignInRecords {
  const sealed = (kind: string, name: string, value: unknown, expiresAt: number): Artifact => {
    const id = hashOf(kind, name);
    return { model: kind, id, payload: secrets.seal(label, JSON.stringify(value), `${kind}:${id}`), expiresAt };
  };
  const opened = async <T>(kind: string, name: string): Promise<T | undefined> => {
    const id = hashOf(kind, name);
    const found = await artifacts.read(kind, id, clock());
    return found && (JSON.parse(secrets.open(label, found.payload, `${kind}:${id}`).toString('utf8')) as T);
  };
  return {
    write: (uid, record, keepUntil, offers) =>
      artifacts.write(
        [
          sealed(model, uid, record, keepUntil),
          ...(offers === undefined ? [] : [sealed(offersModel, uid, offers, keepUntil)]),
          ...(record.latestKey === undefined ? [] : [sealed(latestModel, record.latestKey, { uid }, record.expiresAt)]),
        ],
        clock(),
      ),
    read: (uid) => opened<SignInRecord>(model, uid),
    latest: async (latestKey) => (await opened<{ uid: string }>(latestModel, latestKey))?.uid,
    offers: async (uid) => (await opened<number>(offersModel, uid)) ?? 0,
    forget: (uid) => artifacts.destroy(model, hashOf(model, uid)),
  };
}

const hashOf = (kind: string, name: string) => createHash('sha256').update(`${kind}\0${name}`).digest('hex');
