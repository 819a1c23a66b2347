import { type Clock, SECOND } from '../support/clock.ts';
import { isId, operationIdOf, type RandomBytes } from '../support/ids.ts';
import type { Secrets } from '../support/secrets.ts';
import type { Method } from './application.ts';
import type { Applications } from './applications.ts';
import { sealDocument, sealOperationContext, sealPostContext } from './context.ts';
import { buildContext } from './device-messages/context.ts';
import type { Document, ShownDocument } from './document.ts';
import { DomainError } from './errors.ts';
import { inboxEntry } from './inbox-entry.ts';
import { findMatchCode, makeMatch, matchTries } from './match.ts';
import { chooseMethods, type UsableDevice, usableDevices } from './methods.ts';
import { newEvent } from './new-event.ts';
import { type MatchMode, type Operation, type OperationKind, stateAt } from './operation.ts';
import type { DeviceStore } from './ports/devices.ts';
import type { OperationStore, Start, StartLimits, Unasked } from './ports/operations.ts';
import { checkPostContext, type PostContext } from './post-context.ts';
import type { By } from './users.ts';

/** What the person is shown; becomes the `ctx` string of device-protocol, section 4. */
export interface Shown {
  client: { id: string; name: string };
  purpose: string;
  bindingMessage?: string;
  /** Amounts as strings. */
  transaction?: Record<string, unknown>;
  /** Its content is fetched apart, and must match `sha256` before an approval is possible. */
  document?: ShownDocument;
  context?: { title?: string; text: string; mime?: string };
  /** Purpose `enrollment`: the device that asks to be added, in its own words. */
  enrolling?: { name?: string; model?: string; os?: string; application: string };
  origin?: { ip?: string; browser?: string; os?: string; place?: string };
  /** The device took it from another screen (claims.ts): the person is to be sure that they have that screen before them. */
  claimed?: true;
}

export interface StartOperation {
  /** The `auth_req_id`, or a handle that nobody gets (`newHandle`). Its partition is the user's. */
  handle: string;
  kind: Exclude<OperationKind, 'registration'>;
  userId: string;
  clientId: string;
  shown: Omit<Shown, 'document'>;
  /** What the person is to agree to or to sign, beside `shown`. */
  document?: Document;
  /** Shown after an approval, to the device that gave it. */
  postContext?: PostContext;
  applicationId?: string;
  deviceId?: string;
  method?: Method;
  /** Possession alone is enough. Default false: two factors. */
  possessionOnly?: boolean;
  match: MatchMode;
  /** The number itself, where somebody else has made it: six digits for `type6`. */
  matchCode?: string;
  /** Caps and limits neither hold for it nor does it push others out: it is the user's own. With `claimOf` it is not counted either. */
  uncapped?: true;
  /** Already clamped by the caller. */
  lifetimeSeconds: number;
  intervalSeconds?: number;
  protocol?: string;
  notification?: Operation['notification'];
  /** Nobody is asked: `userId` is nobody's. Everything else is as if somebody were (TH-04). */
  decoy?: boolean;
  /**
   * Where the user cannot be asked – no device of theirs can answer, they were locked meanwhile, or a limit holds that depends
   * on others or on what they did – a decoy for this one instead of a refusal, with the same work. The client's own limits are
   * kept under this name, so that they are the same for who is there and who is not.
   */
  orDecoy?: string;
  /** The offer that it came of (offers.ts). */
  claimOf?: string;
  /** Of the device's message that starts it. */
  receipt?: Start['receipt'];
  ctr?: Start['ctr'];
  by: By;
}

export interface Started {
  operation: Operation;
  /** The number for the consumption device; absent with match `none`. Nowhere stored in clear. */
  matchCode?: string;
  superseded: string[];
  /** It was started for `orDecoy`: nobody is asked. For the log, never for the client. */
  unasked?: Unasked | 'no_usable_device';
}

export interface Operations {
  /**
   * Durable when it resolves; devices are told afterwards, nobody waits for them. Round trips: devices of the user,
   * start (the caller has read the user).
   * @throws DomainError user_unknown (locked and deactivated alike) | no_usable_device | too_many_pending | rate_limited |
   *         method_not_available | state_conflict (the handle, or this message, has started one before) | message_reused |
   *         invalid_request (post-context)
   */
  start(start: StartOperation): Promise<Started>;
  /** For operators: whatever keeps clients, or one, from asking this person is forgotten. False where there was nothing. */
  liftLimits(lift: { userId: string; clientId?: string; by: By }): Promise<boolean>;
  /** @throws DomainError operation_not_found (also where `clientId` is given and not the operation's) */
  get(id: string, clientId?: string): Promise<Operation>;
  /** Idempotent. @throws DomainError operation_not_found | operation_decided */
  cancel(cancel: { operationId: string; clientId: string; by: By }): Promise<Operation>;
  /** The number behind the stored HMAC, by trying all. For the simulator in development only. */
  matchCodeOf(operation: Operation): string | undefined;
}

export interface OperationsDeps {
  store: {
    devices: Pick<DeviceStore, 'ofUser'>;
    operations: Pick<OperationStore, 'start' | 'get' | 'cancel' | 'liftLimits'>;
  };
  clock: Clock;
  secrets: Secrets;
  applications: Applications;
  random?: RandomBytes;
  options: OperationsOptions;
}

export interface OperationsOptions {
  /** Pending operations of a user at the same time (ruling 12); 0: any number. */
  cap: { perClient: number; policy: 'replace' | 'refuse'; perUser: number };
  /** How often a user may be asked. Absent: as often as anybody likes. */
  limits?: StartLimits;
  /** Records stay this long after their end. */
  retentionMs: number;
}

export function createOperations(deps: OperationsDeps): Operations {
  const { store, clock, secrets, applications } = deps;

  async function read(id: string, clientId: string | undefined): Promise<Operation> {
    const operation = isId(id) ? await store.operations.get(id) : undefined;
    // somebody else's is answered like one that is not there
    if (!operation || (clientId ?? operation.clientId) !== operation.clientId) {
      throw new DomainError('operation_not_found');
    }
    return operation;
  }

  return {
    async start(asked) {
      const now = clock();
      const usable = usableDevices(await store.devices.ofUser(asked.userId), applications, asked);
      const { start, methods } = answerable(asked, usable);
      const { operation, matchCode, document } = newOperation(start, { ...deps, now, usable, methods });
      const call = { ...startCall(operation, start, deps.options, now), ...(document !== undefined && { document }) };
      const outcome = await store.operations.start(call);
      if (outcome.result !== 'started') throw startRefused(outcome, now);
      const { superseded, unasked = start === asked ? undefined : ('no_usable_device' as const) } = outcome;
      return {
        operation: outcome.unasked ? { ...operation, userId: start.orDecoy! } : operation,
        matchCode,
        superseded,
        ...(unasked && { unasked }),
      };
    },

    liftLimits({ by, ...lift }) {
      const now = clock();
      return store.operations.liftLimits({ ...lift, now, events: [newEvent('user.limits_lifted', now, by, lift)] });
    },

    async get(id, clientId) {
      return asOf(await read(id, clientId), clock());
    },

    async cancel({ operationId, clientId, by }) {
      const now = clock();
      const { userId, expiresAt } = await read(operationId, clientId);
      const outcome = await store.operations.cancel({
        operationId,
        clientId,
        reason: 'cancelled_by_client',
        now,
        events: [newEvent('operation.cancelled', now, by, { operationId, userId, clientId })],
        outbox: [inboxEntry({ id: operationId, userId, expiresAt }, 'cancelled', now)],
      });
      if (outcome.result === 'missing') throw new DomainError('operation_not_found');
      const operation = asOf(outcome.operation, now);
      if (operation.decision) throw new DomainError('operation_decided');
      return operation;
    },

    matchCodeOf: (operation) => findMatchCode(secrets, operation),
  };
}

/** The record as it reads at an instant: a sweep may not have come by yet. */
export function asOf(operation: Operation, now: number): Operation {
  const state = stateAt(operation, now);
  return state === operation.state ? operation : { ...operation, state, finishedAt: operation.expiresAt };
}

/** @throws DomainError no_usable_device | method_not_available */
function answerable(start: StartOperation, usable: UsableDevice[]): { start: StartOperation; methods: Method[] } {
  if (start.decoy) return { start, methods: ['pin'] };
  try {
    return { start, methods: chooseMethods(usable, start) };
  } catch (error) {
    if (start.orDecoy === undefined) throw error;
    const { orDecoy, ...others } = start;
    return { start: { ...others, userId: orDecoy, decoy: true }, methods: ['pin'] };
  }
}

interface Prepared extends OperationsDeps {
  now: number;
  usable: UsableDevice[];
  methods: Method[];
}

function newOperation(start: StartOperation, { secrets, random, options, now, usable, methods }: Prepared) {
  const id = operationIdOf(start.handle);
  const { kind, userId, clientId, applicationId, deviceId, intervalSeconds, protocol, notification } = start;
  const expiresAt = now + start.lifetimeSeconds * SECOND;
  const made = makeMatch(start.match, id, { secrets, random, ...(start.matchCode && { code: start.matchCode }) });
  const { shown: document, content } = start.document ?? {};
  const ctx = buildContext({ ...start.shown, ...(document && { document }), op: id, kind });
  const context = sealOperationContext(secrets, id, ctx, random);
  const postContext = start.postContext && checkPostContext(start.postContext);
  const operation: Operation = {
    id,
    version: 1,
    kind,
    state: 'pending',
    userId,
    clientId,
    ...(start.orDecoy !== undefined && { askedAs: start.orDecoy }),
    applicationId,
    deviceId,
    methodRequested: start.method,
    methods,
    createdAt: now,
    expiresAt,
    answerBy: answerBy(now, expiresAt, intervalSeconds),
    retainUntil: expiresAt + options.retentionMs,
    context,
    postContext: postContext && sealPostContext(secrets, { id, context }, JSON.stringify(postContext)),
    match: made?.match,
    tries: { used: 0, max: maxTries(start.match, usable) },
    protocol,
    notification,
    claimOf: start.claimOf,
    poll: intervalSeconds === undefined ? undefined : { intervalSeconds },
  };
  return { operation, matchCode: made?.code, document: content && sealDocument(secrets, { id, context }, content) };
}

// Ruling 9: one interval is left to redeem a last-second approval. An interval that is longer than half the lifetime
// leaves the person half of it.
function answerBy(now: number, expiresAt: number, intervalSeconds = 0): number {
  return Math.max(expiresAt - intervalSeconds * SECOND, now + (expiresAt - now) / 2);
}

// What is stored where nobody can try.
const decoyTries = 10;

// Without a number the method's own limit holds; of several applications the strictest.
function maxTries(mode: MatchMode, usable: UsableDevice[]): number {
  if (mode !== 'none') return matchTries[mode];
  return Math.min(...usable.map(({ application }) => application.pin.maxFailures), decoyTries);
}

function startCall(
  operation: Operation,
  { by, decoy, orDecoy, uncapped, claimOf, receipt, ctr }: StartOperation,
  { cap, limits }: OperationsOptions,
  now: number,
): Start {
  const { userId, clientId } = operation;
  const ofUser = { at: now, userId, ...by };
  const about = { ...ofUser, clientId };
  return {
    operation,
    cap: {
      ...cap,
      perClient: orAny(uncapped ? 0 : cap.perClient),
      perUser: orAny(uncapped ? 0 : cap.perUser),
      ...(claimOf !== undefined && { claims: maxClaims }),
    },
    ...(limits && !uncapped && { limits, refusedEvent: { type: 'operation.refused', ...about } }),
    now,
    ...startChanges(operation, by, now, decoy),
    // what a claim supersedes may be another client's
    supersededEvent: { type: 'operation.superseded', ...(claimOf === undefined ? about : ofUser) },
    ...(receipt && { receipt }),
    ...(ctr && { ctr }),
    ...(decoy && { decoy }),
    ...(orDecoy !== undefined && {
      orDecoy: { userId: orDecoy, ...startChanges({ ...operation, userId: orDecoy }, by, now, true) },
    }),
  };
}

function startChanges(operation: Operation, by: By, now: number, decoy = false): Pick<Start, 'events' | 'outbox'> {
  const { id: operationId, userId, clientId, kind, claimOf } = operation;
  const data = { kind, ...(decoy && { decoy }), ...(claimOf !== undefined && { offer: claimOf }) };
  return {
    events: [newEvent('operation.started', now, by, { operationId, userId, clientId, data })],
    outbox: [inboxEntry(operation, 'pending', now)],
  };
}

// Pending ones of one device: nobody answers more screens than that at once, and its inbox stays small.
const maxClaims = 3;

const orAny = (limit: number) => (limit === 0 ? Number.MAX_SAFE_INTEGER : limit);

type Refusal = Exclude<Awaited<ReturnType<OperationStore['start']>>, { result: 'started' }>;

function startRefused(refusal: Refusal, now: number): DomainError {
  switch (refusal.result) {
    case 'refused': {
      const seconds = Math.max(1, Math.ceil((refusal.retryAt - now) / SECOND));
      const isCap = refusal.limit === 'client' || refusal.limit === 'user';
      const code = isCap ? 'too_many_pending' : 'rate_limited';
      return new DomainError(code, { detail: refusal.limit, members: { retry_after: seconds } });
    }
    case 'user_not_active':
      return new DomainError('user_unknown', { detail: 'not active' });
    case 'exists':
    case 'repeated':
      return new DomainError('state_conflict', { detail: `${refusal.result}: it was started before` });
    case 'message_reused':
      return new DomainError('message_reused');
  }
}
