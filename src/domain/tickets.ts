import { type Clock, HOUR, SECOND } from '../support/clock.ts';
import {
  isHandle,
  isId,
  newHandle,
  newId,
  operationIdOf,
  partitionOf,
  type RandomBytes,
  randomPartition,
} from '../support/ids.ts';
import { networkOf } from '../support/network.ts';
import { type Secrets, sameText } from '../support/secrets.ts';
import { newActivationCode, parseActivationCode } from './activation-code.ts';
import type { Applications } from './applications.ts';
import { sealPostContext } from './context.ts';
import { DomainError } from './errors.ts';
import { identifierHmac, readIdentifier } from './identifiers.ts';
import { bySystem, newEvent } from './new-event.ts';
import type { Operation } from './operation.ts';
import { newOwnBox } from './own-boxes.ts';
import type { OperationStore, Start } from './ports/operations.ts';
import type { CounterStore, EventStore } from './ports/records.ts';
import type { UserStore } from './ports/users.ts';
import { checkPostContext, type PostContext } from './post-context.ts';
import type { ServerKeys } from './server-keys.ts';
import type { By } from './users.ts';

export interface NewTicket {
  userId: string;
  applicationId: string;
  /** 30 to 600; default from the configuration. */
  ttlSeconds?: number;
  /** Shown on the new device once it is active. */
  postContext?: PostContext;
}

/** Shown once, stored nowhere: an operation of kind `registration` remembers only hashes. */
export interface Ticket {
  operationId: string;
  /** `<authenticator origin>/#t=<ticket>&k=<RFC 7638 thumbprint of the box key>`, and `&o=<operation id>` where that key is its own */
  uri: string;
  /** 8 characters of Base32 (40 random bits) and a checksum character, grouped `XXXX-XXXX-X`. */
  activationCode: string;
  expiresAt: number;
}

/** In place of the store's own `start`: writes the operation together with something else. */
export type WriteTicket = (start: Start, ticket: Ticket) => ReturnType<OperationStore['start']>;

export interface Tickets {
  /** @throws DomainError user_not_found | application_not_found | state_conflict (user not active) | invalid_request (ttl, post-context) */
  create(ticket: NewTicket, by: By, write?: WriteTicket): Promise<Ticket>;
  /** The registration operation behind a ticket's text, whatever its state; undefined for what is no ticket of ours. */
  operationIdOf(ticket: string): string | undefined;
  /**
   * The pending registration that an activation code of this user opens; reserves a try first. Unknown user, no ticket
   * and wrong code are one answer.
   * @throws DomainError ticket_invalid | rate_limited
   */
  byActivationCode(user: string, code: string, address: string): Promise<string>;
}

export interface TicketsDeps {
  store: {
    users: Pick<UserStore, 'get' | 'findByIdentifier'>;
    operations: Pick<OperationStore, 'start' | 'ticketsOf' | 'reserveCode'>;
    counters: CounterStore;
    events: Pick<EventStore, 'write'>;
  };
  clock: Clock;
  secrets: Secrets;
  serverKeys: Pick<ServerKeys, 'current'>;
  applications: Applications;
  random?: RandomBytes;
  options: TicketsOptions;
}

export interface TicketsOptions {
  authenticatorOrigin: string;
  defaultSeconds: number;
  maxSeconds: number;
  /** Records stay this long after their end. */
  retentionMs: number;
  /** Each ticket, and the device that comes of it, has a `box` pair of its own. */
  ownBoxes?: boolean;
}

const minSeconds = 30;
/** Wrong codes after which a ticket is over (device-protocol, section 3.1). */
const codeTries = 5;
const addressTriesPerHour = 20;
/** A code is compared with the newest tickets of a user, or what stands in for them; each of them spends a try. */
const comparedTickets = 3;

export function createTickets(deps: TicketsDeps): Tickets {
  const { store, clock, secrets, serverKeys, random, options } = deps;
  const codeHmac = (operationId: string, code: string) => secrets.hmac('activation-code', `${operationId}\0${code}`);

  async function reserveAddress(address: string) {
    const { allowed, resetAt } = await store.counters.reserve({
      key: `activation-code:${secrets.hmac('address', networkOf(address))}`,
      limit: addressTriesPerHour,
      windowMs: HOUR,
      now: clock(),
    });
    if (allowed) return;
    const seconds = Math.max(1, Math.ceil((resetAt - clock()) / SECOND));
    throw new DomainError('rate_limited', { members: { retry_after: seconds } });
  }

  /**
   * The tickets that the code is compared with: always the same number. Where there are fewer, or nobody, ones that do not
   * exist stand in, so that the calls which follow are the same in number and kind, and time does not tell who is there.
   */
  async function candidates(user: string): Promise<Candidate[]> {
    const identifier = readIdentifier(user) ?? { kind: 'username' as const, value: '' };
    const found = await store.users.findByIdentifier(identifier.kind, identifierHmac(secrets, identifier));
    const nobody = newId(randomPartition(random), random);
    // a look-up that finds no entry has not read the record
    if (!found) await store.users.get(nobody);
    const userId = found?.state === 'active' ? found.id : nobody;
    const tickets = await store.operations.ticketsOf(userId, clock());
    const open = tickets.slice(0, comparedTickets).map(({ id, ticket }) => ({ id, userId, hmac: ticket?.codeHmac }));
    const standIn = () => ({ id: newId(partitionOf(userId), random), userId: found?.id, hmac: undefined });
    return [...open, ...Array.from({ length: comparedTickets - open.length }, standIn)];
  }

  /** Reserves a try, then compares. True for the right code within the tries. Two writes, whatever comes of it. */
  async function isOpenedBy({ id, hmac }: Candidate, code: string): Promise<boolean> {
    const reserve = () => store.operations.reserveCode({ operationId: id, limit: codeTries, now: clock() });
    const used = hmac === undefined ? await sameWork() : usedIn(await reserve());
    const isRight = sameText(codeHmac(id, code), hmac ?? '');
    // at the limit this call counts nothing more: it ends the ticket, whose link must not work any longer either
    const isSpent = hmac !== undefined && !isRight && used !== undefined && used >= codeTries;
    await (isSpent ? reserve() : sameWork());
    return isRight && used !== undefined;
  }

  // A write in place of one that there is no ticket for.
  const sameWork = async () => {
    await store.counters.reserve({
      key: 'activation-code:none',
      limit: Number.MAX_SAFE_INTEGER,
      windowMs: HOUR,
      now: clock(),
    });
    return undefined;
  };

  async function refuse({ id, userId }: Candidate): Promise<never> {
    const event = newEvent('ticket.code_wrong', clock(), bySystem, { partition: partitionOf(id), userId });
    await store.events.write(partitionOf(id), [event]);
    throw new DomainError('ticket_invalid');
  }

  return {
    async create(ticket, by, write = (start) => store.operations.start(start)) {
      const now = clock();
      const application = checkApplication(deps.applications, ticket.applicationId);
      const expiresAt = now + checkLifetime(ticket.ttlSeconds, options) * SECOND;
      const postContext = ticket.postContext && checkPostContext(ticket.postContext);
      const user = isId(ticket.userId) ? await store.users.get(ticket.userId) : undefined;
      if (!user) throw new DomainError('user_not_found');
      const handle = newHandle(partitionOf(user.id), random);
      const activationCode = newActivationCode(random);
      const hmac = codeHmac(operationIdOf(handle), parseActivationCode(activationCode)!);
      const made = registration(handle, user.id, application.id, hmac, { by, now, expiresAt, ...options });
      const sealed = postContext && sealPostContext(secrets, made, JSON.stringify(postContext), random);
      const operation = { ...made, ...(sealed && { postContext: sealed }) };
      const box = options.ownBoxes ? newOwnBox(secrets, `t.${operation.id}`, now) : undefined;
      if (box) operation.ticket = { ...operation.ticket!, box };
      const k = box ? `${box.thumbprint}&o=${operation.id}` : serverKeys.current('box').kid;
      const uri = `${options.authenticatorOrigin}/#t=${handle}&k=${k}`;
      const shown = { operationId: operation.id, uri, activationCode, expiresAt };
      const outcome = await write(startCall(operation, by, now), shown);
      if (outcome.result !== 'started') throw new DomainError('state_conflict', { detail: outcome.result });
      return shown;
    },

    operationIdOf: (ticket) => (isHandle(ticket) ? operationIdOf(ticket) : undefined),

    async byActivationCode(user, typed, address) {
      await reserveAddress(address);
      const code = parseActivationCode(typed);
      if (code === undefined) throw new DomainError('ticket_invalid');
      const tickets = await candidates(user);
      const opened = await Promise.all(tickets.map((ticket) => isOpenedBy(ticket, code)));
      const found = tickets.find((_, i) => opened[i]);
      return found ? found.id : refuse(tickets[0]!);
    },
  };
}

type ReservedCode = Awaited<ReturnType<OperationStore['reserveCode']>>;

/** undefined: the ticket has ended meanwhile. */
function usedIn(reserved: ReservedCode): number | undefined {
  return reserved.result === 'reserved' ? reserved.used : undefined;
}

interface Candidate {
  id: string;
  userId: string | undefined;
  hmac: string | undefined;
}

function checkApplication(applications: Applications, id: string) {
  const application = applications.find(id);
  if (!application) throw new DomainError('application_not_found');
  // device-protocol, section 4: what is switched off enrolls nothing
  if (!application.active) throw new DomainError('state_conflict', { detail: 'application not active' });
  return application;
}

function checkLifetime(ttlSeconds: number | undefined, { defaultSeconds, maxSeconds }: TicketsOptions): number {
  if (ttlSeconds === undefined) return defaultSeconds;
  if (Number.isInteger(ttlSeconds) && ttlSeconds >= minSeconds && ttlSeconds <= maxSeconds) return ttlSeconds;
  const reason = `must be a whole number from ${minSeconds} to ${maxSeconds}`;
  throw new DomainError('invalid_request', { members: { invalid_params: [{ name: 'ttl_seconds', reason }] } });
}

interface RegistrationOf {
  by: By;
  now: number;
  expiresAt: number;
  retentionMs: number;
}

function registration(
  handle: string,
  userId: string,
  applicationId: string,
  codeHmac: string,
  { by, now, expiresAt, retentionMs }: RegistrationOf,
): Operation {
  return {
    id: operationIdOf(handle),
    version: 1,
    kind: 'registration',
    state: 'pending',
    userId,
    clientId: by.actor,
    applicationId,
    methods: [],
    createdAt: now,
    expiresAt,
    answerBy: expiresAt,
    retainUntil: expiresAt + retentionMs,
    tries: { used: 0, max: 0 },
    ticket: { codeHmac, wrongCodes: 0 },
  };
}

function startCall(operation: Operation, by: By, now: number): Start {
  const { id: operationId, userId, kind } = operation;
  return {
    operation,
    // registrations neither count nor are counted
    cap: { perClient: 1, policy: 'refuse', perUser: 1 },
    now,
    events: [newEvent('operation.started', now, by, { operationId, userId, data: { kind } })],
    outbox: [],
  };
}
