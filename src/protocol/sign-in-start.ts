/**
 * Who is meant → an operation like any other. A name that nobody has starts a decoy with the same work, and what refuses a start
 * depends on the name alone. One start at a time for each page.
 */
import type { Client } from 'oidc-provider';
import { DomainError, type DomainErrorCode } from '../domain/errors.ts';
import { readIdentifier } from '../domain/identifiers.ts';
import type { User } from '../domain/user.ts';
import { SECOND } from '../support/clock.ts';
import { newHandle, newId, operationIdOf, partitionOf } from '../support/ids.ts';
import { orUndefined } from './accounts.ts';
import type { SignInRecord, SignInRecords } from './sign-in-record.ts';
import type { Ask, Refused } from './sign-in-types.ts';
import { type Interaction, maxHintLength, nameOf, requestOf, type SignInDeps, type Visit } from './sign-in-visit.ts';
import { clientMember } from './vocabulary.ts';

/** Far above the time that a start takes. */
const leaseMs = 10 * SECOND;
/** Of whoever waits for another form of the same page; a beat apart. */
const maxLooks = 100;

/** `account`: whoever is signed in here and meant; else it is who was typed. */
export type StartSignIn = (visit: Visit, ask: Ask, account: User | undefined) => Promise<'asked' | Refused>;

export function createSignInStart(deps: SignInDeps, records: SignInRecords): StartSignIn {
  const { clock, operations, users, secrets, settings, idempotency, beat, log } = deps;

  async function start(visit: Visit, ask: Ask, account: User | undefined): Promise<void> {
    const { interaction, client } = visit;
    const typed = account ? nameOf(account) : ask.who!.trim();
    const found = account ?? (await whois(typed));
    // locked and deactivated are like unknown (ruling 11)
    const user = found?.state === 'active' ? found : undefined;
    const nobody = decoyId(typed, user);
    const handle = newHandle(partitionOf(nobody));
    const { matchCode, operation, unasked } = await operations.start({
      handle,
      kind: 'authentication',
      ...(user ? { userId: user.id, orDecoy: nobody } : { userId: nobody, decoy: true }),
      clientId: client.clientId,
      shown: {
        client: { id: client.clientId, name: client.clientName ?? client.clientId },
        purpose: 'authentication',
        context: deps.consent(requestOf(visit), user?.language ? [user.language] : ask.languages),
        origin: ask.origin,
      },
      ...strengthOf(interaction, client, settings.acr),
      match: deps.signIn.settings.match,
      lifetimeSeconds: settings.ciba.expiry.defaultSeconds,
      intervalSeconds: settings.ciba.intervalSeconds,
      by: { actor: `client:${client.clientId}`, traceId: deps.traceId?.() },
    });
    const record: SignInRecord = {
      handle,
      clientId: client.clientId,
      who: typed,
      matchCode,
      startedAt: operation.createdAt,
      expiresAt: operation.expiresAt,
      latestKey: latestKeyOf(client, typed),
    };
    await records.write(interaction.uid, record, interaction.exp * SECOND);
    const operationId = operationIdOf(record.handle);
    log.info('sign_in.asked', { clientId: client.clientId, operationId, ...(unasked && { unasked }) });
  }

  /**
   * A form that was sent twice asks once: whoever comes second waits for the first, and sees what came of it. Held by a lease, so
   * that a process that dies holds up nobody for long.
   */
  async function oneAtATime(uid: string, ask: () => Promise<void>): Promise<void> {
    const name = { scope: 'sign-in', key: uid };
    if (!(await isOurTurn(name))) return;
    try {
      if (!(await records.read(uid))) await ask();
    } finally {
      await idempotency.abandon(name).catch((error: unknown) => log.warn('sign_in.held', { error }));
    }
  }

  async function isOurTurn(name: { scope: string; key: string }): Promise<boolean> {
    for (let looks = 0; looks < maxLooks; looks++) {
      const now = clock();
      const until = now + leaseMs;
      const { result } = await idempotency.begin({ ...name, requestHash: '', now, leaseUntil: until, until });
      if (result === 'fresh') return true;
      await beat();
    }
    return false;
  }

  async function whois(typed: string): Promise<User | undefined> {
    const identifier = typed.length <= maxHintLength ? readIdentifier(typed) : undefined;
    const found = identifier && (await users.find(identifier.kind, identifier.value));
    // a look-up that finds no entry has not read the record
    if (!found) await orUndefined(users.get(decoyId(typed)), 'user_not_found');
    return found;
  }

  /** An id that is nobody's, always the same for one name; in the partition of the person, if there is one. */
  function decoyId(typed: string, user?: User): string {
    const digest = Buffer.from(secrets.hmac('sign-in-decoy', normal(typed)), 'base64url');
    const partition = user ? partitionOf(user.id) : digest.subarray(0, 1).toString('hex');
    return newId(partition, () => digest.subarray(1, 17));
  }

  function latestKeyOf({ clientId }: Client, typed: string): string {
    return secrets.hmac('sign-in-latest', `${clientId}\0${normal(typed)}`);
  }

  return (visit, ask, account) =>
    orRefused(oneAtATime(visit.interaction.uid, () => start(visit, ask, account)).finally(beat));
}

/** Two factors, unless possession alone was asked for. */
function strengthOf({ params }: Interaction, client: Client, acr: SignInDeps['settings']['acr']) {
  const method = client[clientMember.method] as 'device' | 'pin' | undefined;
  const wanted = String(params['acr_values'] ?? '').split(' ');
  return { possessionOnly: method === 'device' || wanted.includes(acr.possession), ...(method && { method }) };
}

const normal = (typed: string) => {
  const identifier = readIdentifier(typed);
  return identifier ? `${identifier.kind}:${identifier.value}` : typed;
};

/** Asked too often; the only thing that is told of a start, and told of everybody alike. */
async function orRefused(work: Promise<void>): Promise<'asked' | Refused> {
  try {
    await work;
    return 'asked';
  } catch (error) {
    const why = error instanceof DomainError && refusals.get(error.code);
    if (!why) throw error;
    return { why, retryAfterSeconds: Number(error.members['retry_after']) };
  }
}

const refusals = new Map<DomainErrorCode, Refused['why']>([
  ['too_many_pending', 'busy'],
  ['rate_limited', 'often'],
]);
