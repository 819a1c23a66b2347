import { HOUR } from '../../support/clock.ts';
import type { Partition } from '../../support/ids.ts';
import type { Device, LockReason, Receipt } from '../device.ts';
import type { AuditEvent } from '../event.ts';
import type { Decision, EndReason, Operation, OperationState } from '../operation.ts';
import type { StoredUser } from '../user.ts';
import type { ClosedEvent, MessageCounter, Replayed } from './devices.ts';
import type { NewOutboxEntry } from './outbox.ts';

/**
 * How often people may be asked (S-02). Judged and noted in the step that starts, so that no race lets two through. A rate of
 * 0 starts is no limit, and so is 0 of the others.
 *
 * What is noted, of a person and a client: the instants of starts; how many operations in a row ended without a yes, and
 * when the last of them did; when the person last said `not_me`. An approval begins anew, and so does `QUIET_MS` without a
 * failure. Forgotten when none of it can matter any more.
 *
 *     approved                     ──> nothing to wait for
 *     denied, failed, expired,     ──> the next start waits: firstMs, then twice as long each time, up to maxMs
 *     superseded                       (an operation past its time counts whether a sweep has written that or not)
 *     cancelled                    ──> changes nothing: nobody was left unanswered
 *     denied as `not_me`           ──> no start of this client for notMeMs
 *
 * What came of an offer (`claimOf`) is neither noted nor counted: the person asked for it.
 *
 * After a clock was set back, what was noted ahead of `now` counts as of now, from then on: no limit lasts longer than it says (TH-14).
 *
 * An operation with `askedAs` (below) is noted under that name as well, but there only starts, and the ends that a request to
 * nobody can have too: expired and superseded.
 */
export interface StartLimits {
  /** One client and one person. */
  perClient: Rate;
  /** All clients and one person. */
  perUser: Rate;
  backOff: { firstMs: number; maxMs: number };
  /** At most `NOT_ME_MAX_MS`. */
  notMeMs: number;
}

export interface Rate {
  starts: number;
  /** At most `QUIET_MS`. Any period of this length, wherever it begins. */
  windowMs: number;
}

export const QUIET_MS = 24 * HOUR;
export const NOT_ME_MAX_MS = 7 * 24 * HOUR;

/** Why a start is refused. `client`, `user`: the caps of pending operations. */
export type StartLimit = 'client' | 'user' | 'client_rate' | 'user_rate' | 'back_off' | 'not_me';

export interface Start {
  operation: Operation;
  /**
   * At most `perClient` pending operations of this user and client: `replace` cancels the older ones (reason
   * `superseded`), `refuse` refuses this one. `perUser` pending ones of all clients: refused beyond. Registrations
   * neither count nor are counted.
   *
   * What came of an offer (`claimOf`) is not counted either, and no other start supersedes it. For its own start `claims` alone
   * holds: at most so many pending ones of its device, whichever client's; the oldest beyond are cancelled (`superseded`).
   */
  cap: { perClient: number; policy: 'replace' | 'refuse'; perUser: number; claims?: number };
  now: number;
  /** Its content, sealed; kept under the operation's id until the operation has ended, and read by itself. */
  document?: string;
  events: AuditEvent[];
  /** Written once for each operation that this start supersedes; the store fills in id suffix and operation id. */
  supersededEvent?: Omit<AuditEvent, 'id' | 'operationId'>;
  outbox: NewOutboxEntry[];
  /** Of the message of a device that asks for it, in the user's partition; `ctr` names that device. */
  receipt?: Receipt;
  ctr?: MessageCounter;
  limits?: StartLimits;
  /**
   * Written where a limit of `limits` or `cap` refuses, about the person; `data` has `limit`, and `told`: whether the client
   * learns of it. Not again for this person and client until what was told is over.
   */
  refusedEvent?: Omit<AuditEvent, 'id' | 'operationId' | 'data'>;
  /**
   * Its user need not exist: nobody is asked, and it expires like any other (TH-04). `perUser` does not hold: what others
   * ask nobody must not show.
   */
  decoy?: boolean;
  /**
   * Started for this one, who is nobody, where the person cannot be asked and the client must not learn that (TH-04): they
   * are not active, or a limit holds that depends on others or on what the person did. Then nothing is noted of the person.
   * The limits that the client may know of are those of the operation's `askedAs`, which is this one: they are the same for
   * who is there and who is not. Pending operations of the client count, and are superseded, whichever of the two they are for.
   */
  orDecoy?: { userId: string; events: AuditEvent[]; outbox: NewOutboxEntry[] };
}

export type Unasked = StartLimit | 'not_active';

export interface Attempt {
  operationId: string;
  deviceId: string;
  /** SHA-256 of the decision's JWS: the same message reserves once, however often it is sent. */
  jwsHash: string;
  /** Which of the device's counters grow with the try. */
  counts: ('pin' | 'number')[];
  /** At or above a limit nothing is reserved: `exhausted`. */
  limits: { pin: number; number: number; pinLifetime: number };
  now: number;
  /** So long it is believed that the message is being evaluated: see {@link UnderWay}. */
  leaseMs: number;
}

/**
 * How many of the tries that are used up are those of other messages which reserved them less than a lease ago and have no
 * outcome yet. They may still be right; what is older belongs to a process that died.
 */
export interface UnderWay {
  operation: number;
  /** Of the device. */
  pin: number;
  number: number;
}

/** Tries used up, those that are under way among them. */
export interface Tally {
  used: number;
  max: number;
  failures: { pin: number; number: number; pinLifetime: number };
  underWay: UnderWay;
}

export interface FailedAttempt {
  operationId: string;
  deviceId: string;
  /** What the consequences were drawn from. Where something else holds by now, nothing is written: `changed`. */
  tally?: Tally;
  now: number;
  /** End the operation as `failed` (reason `attempts`) if it is still pending. */
  failOperation: boolean;
  /** Lock the device with this reason, with the consequences of {@link DeviceStore.failProof}. */
  lockDevice?: LockReason;
  closedEvent?: ClosedEvent;
  receipt: Receipt;
  ctr?: MessageCounter;
  events: AuditEvent[];
  outbox: NewOutboxEntry[];
}

export interface Decide {
  operationId: string;
  deviceId: string;
  userId: string;
  decision: Decision;
  /**
   * Failure counters that this success clears, but for tries that are under way. `pin` also takes this try back from
   * `pinLifetime`, which counts wrong PINs only. What was right counts as right also where it comes too late: where the
   * call is `decided_before` or `closed` and the try of this message is there, the counters are cleared all the same.
   */
  clear: ('pin' | 'number')[];
  /**
   * The evidence record (JWS, sealed by the caller), kept under the operation's id after the operation itself is gone;
   * beside it, as long as it, the proof of the PIN where that is kept (sealed as well).
   */
  evidence?: { sealed: string; retainUntil: number; pinProof?: string | undefined };
  receipt: Receipt;
  ctr?: MessageCounter;
  now: number;
  events: AuditEvent[];
  outbox: NewOutboxEntry[];
}

export interface Poll {
  operationId: string;
  clientId: string;
  now: number;
  /** Names this request; whoever leases or takes a committed response does it under this name. */
  holder: string;
  leaseMs: number;
  pacing: { toleranceMs: number; stepSeconds: number; maxSeconds: number };
  /**
   * `held`: the same request looks again after it was held. It counts as no poll, and its hold is over.
   * `push`: the server itself, which delivers what the client may not fetch. Paces nothing either.
   */
  by?: 'held' | 'push';
  /** Where it is told `pending`, the request stays for at most so long, and another poll meanwhile is too soon. */
  holdMs?: number;
}

/** `current` is what the redeemer must check before tokens leave: both as they are at the instant of the poll. */
export interface Redeemer {
  operation: Operation;
  user: StoredUser;
  device: Device | undefined;
}

export type PollResult =
  /** No such operation, another client's, or no CIBA request. Says nothing else and changes nothing. */
  | { result: 'missing' }
  /** Its tokens are pushed; nobody polls for them. */
  | { result: 'push' }
  | { result: 'pending' }
  /**
   * Sooner than the interval allows, or while another poll is held. `intervalSeconds` is the new one. A last poll that lies
   * ahead, for the clock was set back, counts as of now, and its hold with it (TH-14).
   */
  | { result: 'slow_down'; intervalSeconds: number }
  | { result: 'ended'; state: Exclude<OperationState, 'pending' | 'approved'>; endReason?: EndReason }
  /** Approved, but not redeemed in time. */
  | { result: 'expired' }
  /** Approved, and this holder may issue until `now + leaseMs`. */
  | ({ result: 'leased' } & Redeemer)
  /** Approved, and another holder is issuing or handing over right now; until `now + leaseMs` at most, whatever its clock said. */
  | { result: 'busy' }
  /** Issued, never delivered: the same response again. This holder has it until `now + leaseMs`. */
  | ({ result: 'committed'; response: string; binding: string } & Redeemer)
  | { result: 'delivered' };

/**
 * Operations, in their user's partition. Exactly one of any number of concurrent calls wins each transition.
 *
 * Every call that changes an operation's state publishes a wake-up (see Wakeups).
 *
 * Every end of an operation with a `notification` moves its sealed half into an outbox entry, in the same step: kind is the
 * mode, the id `<operation id>.notify`, due at `finishedAt`, living as long as the record (`retainUntil`). None is written
 * where the client ended it itself (`cancelled_by_client`), nor at `expired` for a ping; the sealed half is erased all the same.
 */
export interface OperationStore {
  /**
   * One step. `operation.state` is `pending`. `exists`: the id is taken (a repeated call). `unasked`: it was started for
   * `orDecoy`, and why. `retryAt`: when all that refuses it now will let it through, if nothing else happens meanwhile.
   */
  start(
    start: Start,
  ): Promise<
    | { result: 'started'; superseded: string[]; unasked?: Unasked }
    | { result: 'refused'; limit: StartLimit; retryAt: number }
    | { result: 'exists' }
    | { result: 'user_not_active' }
    | Replayed
  >;

  /** Forgets what was noted of a person, with all clients or one; false where there was nothing. One step. */
  liftLimits(lift: { userId: string; clientId?: string; now: number; events: AuditEvent[] }): Promise<boolean>;

  /** One read. The record as stored: see `stateAt` for one past its time. */
  get(id: string): Promise<Operation | undefined>;

  /** One partition: operations of the user that are pending at `now`, oldest first. Registrations are not among them. */
  pendingOf(userId: string, now: number): Promise<Operation[]>;

  /**
   * Operation, device and user in one round trip; `undefined` members where there is none. Both ids lie in one partition,
   * else all is undefined. With `jti`, also the receipt of that message of this device, if it lives at `now`: a message
   * that was answered before gets the same answer, whatever became of operation and device.
   */
  forDevice(
    operationId: string,
    deviceId: string,
    message?: { jti: string; now: number },
  ): Promise<{ operation?: Operation; device?: Device; user?: StoredUser; receipt?: Receipt }>;

  /**
   * Binds a ticket (a pending registration) to a key and writes the new pending device, in one step. The same
   * thumbprint again gets the same device; another one `bound_to_other`.
   */
  bindTicket(bind: {
    operationId: string;
    thumbprint: string;
    device: Device;
    now: number;
    events: AuditEvent[];
  }): Promise<
    | { result: 'bound'; device: Device }
    | { result: 'again'; device: Device }
    | { result: 'bound_to_other' }
    | { result: 'missing' }
    | { result: 'closed' }
  >;

  /**
   * Reserves a try for a code before it is compared: the typed activation code, or (`confirm`) the digits that the new
   * device shows; each has tries of its own. One step; `used` counts this one. The try at `limit` is still compared; the
   * one after it finds the tries spent, and the operation becomes `failed`, with these events. Digits that were right
   * already are not tried again: `confirmed`.
   */
  reserveCode(reserve: {
    operationId: string;
    code?: 'activation' | 'confirm';
    limit: number;
    now: number;
    events?: AuditEvent[];
  }): Promise<
    { result: 'reserved'; used: number } | { result: 'confirmed' } | { result: 'closed' } | { result: 'missing' }
  >;

  /** The digits were right: `ticket.confirmedAt` is `now`, once; again it stays as it is and nothing is written. */
  confirmTicket(confirm: {
    operationId: string;
    now: number;
    events: AuditEvent[];
  }): Promise<{ result: 'confirmed'; operation: Operation } | { result: 'closed' } | { result: 'missing' }>;

  /** Pending registrations of a user with a typed code, newest first. */
  ticketsOf(userId: string, now: number): Promise<Operation[]>;

  /**
   * Reserves a try on operation and device before anything is verified; the counters have grown when this resolves.
   * One step. `again`: this very message has reserved before, and has no outcome yet (a crash): verify it, nothing
   * was counted twice, and it is under way anew; looked at before `exhausted`, so the last try survives a crash. `used` and
   * `failures` count this try.
   */
  reserveAttempt(
    attempt: Attempt,
  ): Promise<
    | ({ result: 'reserved' | 'again' } & Tally)
    | ({ result: 'exhausted'; which: 'operation' | 'pin' | 'number' | 'pin_lifetime' } & Tally)
    | { result: 'closed'; state: OperationState }
    | { result: 'missing' }
  >;

  /** Records that a reserved try failed, with its consequences, in one step. */
  failAttempt(
    failed: FailedAttempt,
  ): Promise<
    { result: 'recorded'; operation: Operation } | ({ result: 'changed' } & Tally) | { result: 'missing' } | Replayed
  >;

  /**
   * pending -> approved | denied, once, with evidence, receipt, events and outbox, in one step that also re-reads user and
   * device. An operation past `answerBy` (approve) or `expiresAt` is `closed` with state `expired`.
   * `decided_before`: somebody decided; the operation tells who and what. Where several things stand against it, the
   * first of these is told: user, device, decided before, closed (device-protocol, section 4, "Server order").
   */
  decide(
    decide: Decide,
  ): Promise<
    | { result: 'decided'; operation: Operation }
    | { result: 'decided_before'; operation: Operation }
    | { result: 'closed'; state: OperationState }
    | { result: 'user_not_active' }
    | { result: 'device_not_active'; state: Device['state']; lockReason?: LockReason }
    | { result: 'missing' }
    | Replayed
  >;

  /** What was given as {@link Start.document}, byte for byte; undefined where there is none, or the operation has ended. */
  document(operationId: string): Promise<string | undefined>;

  /** The evidence of a decision, sealed as it was given. */
  evidence(operationId: string): Promise<string | undefined>;

  /** The PIN proof beside it, sealed as it was given; undefined where none was kept. */
  pinProof(operationId: string): Promise<string | undefined>;

  /** pending -> cancelled, one step. Only where `clientId` (if given) is the operation's. `ended`: it was over already. */
  cancel(cancel: {
    operationId: string;
    clientId?: string;
    reason: EndReason;
    now: number;
    events: AuditEvent[];
    outbox: NewOutboxEntry[];
  }): Promise<
    { result: 'cancelled'; operation: Operation } | { result: 'ended'; operation: Operation } | { result: 'missing' }
  >;

  /**
   * An offer is taken by one device: pending -> cancelled (reason `claimed`), with `claimed`, whose `at` is `now`. One step, in the
   * partition of the offer. `again`: this device took it before, and what it brought then stays. `missing`: no such operation,
   * or no offer.
   *
   * Two steps, this order, this repair: `claim`, then `start` of what came of it, in the user's partition and under the handle
   * that was sealed into `claimed`. Whoever dies in between is repaired by the same device, which claims once more: it gets its
   * first `claimed` and starts what is in it; `exists` says that it was there.
   */
  claim(claim: {
    operationId: string;
    claimed: { deviceId: string; sealed: string };
    now: number;
    events: AuditEvent[];
  }): Promise<
    | { result: 'claimed' | 'again'; operation: Operation }
    | { result: 'claimed_by_other' }
    | { result: 'closed'; state: OperationState }
    | { result: 'missing' }
  >;

  /**
   * Writes `expired` on pending operations whose time has passed; at most `limit`, one step per partition.
   * `event` is written for each, with the operation's id; so is an outbox entry of kind `inbox` with the id
   * `<operation id>.expired`. `finishedAt` is the operation's `expiresAt`.
   */
  expireDue(expire: {
    partitions: readonly Partition[];
    now: number;
    limit: number;
    event: Omit<AuditEvent, 'id' | 'operationId' | 'userId'>;
  }): Promise<string[]>;

  /**
   * The token call's one round trip: owner, pacing and state together. One step; see {@link PollResult}. Pacing is ruling 8;
   * of several first polls at once one is accepted. A holder gets its own live lease or response again: its first call may
   * have timed out after it was done.
   */
  poll(poll: Poll): Promise<PollResult>;

  /**
   * leased -> committed, if `holder` still has it. `lost`: another holder leased meanwhile, or lease and operation are
   * both over, so that a poll may have been told `expired`; nothing may be answered. The same commit again is `committed`;
   * a second response under one lease is `lost`.
   */
  commit(commit: {
    operationId: string;
    holder: string;
    now: number;
    until: number;
    response: string;
    binding: string;
    replayUntil: number;
    events: AuditEvent[];
  }): Promise<{ result: 'committed' } | { result: 'lost' }>;

  /** committed -> delivered, if `holder` has it; the response is erased. */
  delivered(delivered: { operationId: string; holder: string; now: number; events: AuditEvent[] }): Promise<boolean>;

  /** The connection broke before the response left: frees `holder`'s lease, committed response or hold for the next poll at once. */
  release(release: { operationId: string; holder: string; now: number }): Promise<void>;

  /**
   * As {@link release}, of holds alone and of many: their server stops. A step for each partition, in no order; where one does not
   * happen, its holds end at their time.
   */
  endHolds(holds: { operationId: string; holder: string }[]): Promise<void>;
}
