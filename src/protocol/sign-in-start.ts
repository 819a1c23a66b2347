/**
 * Who is meant → an operation like any other. A name that nobody has starts a decoy with the same work, and what refuses a start
 * depends on the name alone.
 */
import type { Client } from 'oidc-provider';
import { DomainError, type DomainErrorCode } from '../domain/errors.ts';
import { readIdentifier } from '../domain/identifiers.ts';
import type { User } from '../domain/user.ts';
import { SECOND } from '../support/clock.ts';
import { newHandle, newId, operationIdOf, partitionOf } from '../support/ids.ts';
import { orUndefined } from './accounts.ts';
import { askedOf } from './sign-in-asked.ts';
import type { SignInRecord, SignInRecords } from './sign-in-record.ts';
import type { InTurn } from './sign-in-turns.ts';
import type { Ask, Refused } from './sign-in-types.ts';
import { maxHintLength, nameOf, type SignInDeps, type Visit } from './sign-in-visit.ts';

/** `account`: whoever is signed in here and meant; else it is who was typed. */
export type StartSignIn = (visit: Visit, ask: Ask, account: User | undefined) => Promise<'asked' | Refused>;

export function createSignInStart(deps: SignInDeps, records: SignInRecords, inTurn: InTurn): StartSignIn {
  const { operations, users, secrets, beat, log } = deps;

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
      ...askedOf(deps, visit, ask, user?.language ? [user.language] : ask.languages),
      ...(user ? { userId: user.id, orDecoy: nobody } : { userId: nobody, decoy: true }),
      match: deps.signIn.settings.match,
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
    orRefused(inTurn(visit.interaction.uid, () => start(visit, ask, account)).finally(beat));
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
