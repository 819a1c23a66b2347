/**
 * Holds a history against the invariants of requirements/reliability-security.md that a client can see. Offline: it
 * reads what was written down and asks nobody.
 */
import type { Call, Decided, HistoryEvent, Listed, Outage, Polled, Started, Stopped } from './history.ts';

export interface Violation {
  invariant: 'IV-01' | 'IV-02' | 'IV-03' | 'IV-04' | 'IV-05' | 'IV-10';
  request?: string;
  what: string;
}

/** IV-10: every request ends within 5 s; one that is to be held, within 5 s of that. */
const longestMs = 5_000;

/** Everything about one request that the service acknowledged, or that somebody polled for or decided. */
interface Case {
  request: string;
  started: Started | undefined;
  /** By the client that asked, and by others. */
  polls: Polled[];
  foreignPolls: Polled[];
  decisions: Decided[];
  stopped: Stopped | undefined;
  /** When the last fault was over; before the first call where there was none. */
  calmAt: number;
  lists: Listed[];
}

type Check = (one: Case) => [what: string, isViolated: boolean][];

export function checkHistory(events: readonly HistoryEvent[]): Violation[] {
  const cases = casesOf(events);
  const found = Object.entries(checks).flatMap(([invariant, check]) =>
    cases.flatMap((one) =>
      check(one)
        .filter(([, isViolated]) => isViolated)
        .map(([what]) => ({ invariant: invariant as Violation['invariant'], request: one.request, what })),
    ),
  );
  return [...found, ...slowOrFailed(events)];
}

const checks: Record<'IV-01' | 'IV-02' | 'IV-03' | 'IV-04' | 'IV-05', Check> = {
  'IV-01': (one) => [
    ['an acknowledged request was forgotten', one.polls.some((poll) => isForgotten(one, poll))],
    ['an acknowledged request expired too early', one.polls.some((poll) => expiredEarly(one, poll))],
    ['nobody looked for it after the last fault', one.started !== undefined && last(one) === undefined],
    ['it waits, and the phone does not hear of it', waits(one) && !one.lists.some((list) => isListed(one, list))],
  ],
  'IV-02': (one) => [
    ['two token sets', new Set(tokensOf(one)).size > 1],
    ['approved, and no token set', isApproved(one) && !one.stopped && tokensOf(one).length === 0 && !mayBeUnknown(one)],
  ],
  'IV-03': (one) => [
    ['after the tokens neither the same set nor invalid_grant', one.polls.some((poll) => isWrongAfter(one, poll))],
    ['after the tokens it stays pending', tokensOf(one).length > 0 && isPending(last(one))],
  ],
  'IV-04': (one) => [
    ['approved and denied', isApproved(one) && isDenied(one)],
    ['an approval became a denial', isApproved(one) && !one.stopped && one.polls.some(isRefusal)],
    ['a denial was forgotten', one.polls.some((poll) => isPending(poll) && afterAcknowledged(one, 'deny', poll))],
    ['the same decision again was refused', one.decisions.some((again) => isWronglyRefused(one, again))],
  ],
  'IV-05': (one) => [
    ['tokens although denied', isDenied(one) && tokensOf(one).length > 0],
    ['tokens for another client', one.foreignPolls.some(({ answer }) => answer === 'tokens')],
    ['tokens although nobody approved', tokensOf(one).length > 0 && !one.decisions.some(mayHaveApproved)],
    [
      'tokens after it was stopped',
      one.polls.some((poll) => isToken(poll) && poll.sentAt > (one.stopped?.at ?? poll.sentAt)),
    ],
    [
      'tokens after its time',
      one.polls.some((poll) => isToken(poll) && poll.sentAt > (one.started?.expiresAt ?? poll.sentAt)),
    ],
  ],
};

function slowOrFailed(events: readonly HistoryEvent[]): Violation[] {
  const outages = events.filter((event): event is Outage => event.kind === 'outage');
  const isExcused = ({ sentAt, endedAt }: Call) =>
    outages.some(({ from, until }) => sentAt <= until && endedAt >= from);
  const wrong = (call: Call): string | undefined => {
    if (call.lost === 'timeout' || call.endedAt - call.sentAt > longestMs + (call.heldMs ?? 0))
      return 'it did not end in time';
    if (call.lost !== undefined) return isExcused(call) ? undefined : `no answer without a fault (${call.lost})`;
    if (call.status === 503) return call.retryAfter === undefined ? '503 without Retry-After' : undefined;
    return (call.status ?? 0) >= 500 ? `status ${call.status}` : undefined;
  };
  return events
    .filter((event): event is Call => event.kind === 'call')
    .flatMap((call) => {
      const what = wrong(call);
      return what === undefined ? [] : [{ invariant: 'IV-10' as const, what: `${call.what}: ${what}` }];
    });
}

function casesOf(events: readonly HistoryEvent[]): Case[] {
  const calmAt = Math.max(
    Number.NEGATIVE_INFINITY,
    ...events.map((event) => (event.kind === 'outage' ? event.until : Number.NEGATIVE_INFINITY)),
  );
  const lists = events.filter((event): event is Listed => event.kind === 'listed');
  const cases = new Map<string, Case>();
  const caseOf = (request: string): Case => {
    const known = cases.get(request);
    if (known) return known;
    const made: Case = {
      request,
      started: undefined,
      polls: [],
      foreignPolls: [],
      decisions: [],
      stopped: undefined,
      calmAt,
      lists: [],
    };
    cases.set(request, made);
    return made;
  };
  for (const event of events) if (event.kind === 'started') caseOf(event.request).started = event;
  for (const event of events) {
    if (event.kind === 'decided') caseOf(event.request).decisions.push(event);
    if (event.kind === 'stopped') caseOf(event.request).stopped = event;
    if (event.kind === 'polled') {
      const one = caseOf(event.request);
      (one.started && one.started.client !== event.client ? one.foreignPolls : one.polls).push(event);
    }
  }
  for (const one of cases.values()) one.lists = lists.filter(({ user }) => user === one.started?.user);
  return [...cases.values()];
}

const isToken = ({ answer }: Polled) => answer === 'tokens';
const isRefusal = ({ answer }: Polled) => answer === 'access_denied';
const isPending = (poll: Polled | undefined) =>
  poll?.answer === 'authorization_pending' || poll?.answer === 'slow_down';
const isAcknowledged = ({ outcome }: Decided) => outcome === 'acknowledged';
const mayHaveApproved = ({ decision, outcome }: Decided) => decision === 'approve' && outcome !== 'refused';

const acknowledged = ({ decisions }: Case, decision: Decided['decision']) =>
  decisions.filter((each) => isAcknowledged(each) && each.decision === decision);
const isApproved = (one: Case) => acknowledged(one, 'approve').length > 0;
const isDenied = (one: Case) => acknowledged(one, 'deny').length > 0;
const tokensOf = ({ polls }: Case) => polls.filter(isToken).map(({ tokens }) => tokens);

/** The last answer since then, by the order in which they were asked for. */
function lastSince({ polls }: Case, since: number): Polled | undefined {
  return polls
    .filter(({ sentAt, answer }) => sentAt > since && answer !== 'lost')
    .sort((a, b) => a.sentAt - b.sentAt)
    .at(-1);
}

/** After the last fault. */
const last = (one: Case): Polled | undefined => lastSince(one, one.calmAt);

/** `invalid_grant` is right only where tokens have left the server: they arrived, or an answer was lost. */
function isForgotten({ started, polls }: Case, poll: Polled): boolean {
  if (poll.answer !== 'invalid_grant' || !started) return false;
  return !polls.some(({ answer, sentAt }) => (answer === 'tokens' || answer === 'lost') && sentAt < poll.endedAt);
}

function expiredEarly({ started }: Case, { answer, endedAt }: Polled): boolean {
  return started !== undefined && answer === 'expired_token' && endedAt < started.expiresAt;
}

/** IV-03: lost on the wire. The client asked, heard nothing, asked again and was told that it is over. */
function mayBeUnknown(one: Case): boolean {
  return (
    lastSince(one, Number.NEGATIVE_INFINITY)?.answer === 'invalid_grant' &&
    one.polls.some(({ answer }) => answer === 'lost')
  );
}

function isWrongAfter({ polls }: Case, { sentAt, answer }: Polled): boolean {
  const isAfter = polls.some((earlier) => isToken(earlier) && earlier.endedAt < sentAt);
  return isAfter && !['tokens', 'invalid_grant', 'lost', 'authorization_pending', 'slow_down'].includes(answer);
}

function afterAcknowledged(one: Case, decision: Decided['decision'], { sentAt }: Polled): boolean {
  return acknowledged(one, decision).some(({ endedAt }) => endedAt < sentAt);
}

function isWronglyRefused(one: Case, again: Decided): boolean {
  if (again.outcome !== 'refused' || one.stopped) return false;
  return acknowledged(one, again.decision).some(
    ({ phone, endedAt }) => phone === again.phone && endedAt < again.sentAt,
  );
}

/** Pending at the end, and so still to be shown on the phone. */
function waits(one: Case): boolean {
  return one.started !== undefined && isPending(last(one)) && !isApproved(one) && tokensOf(one).length === 0;
}

function isListed({ request, calmAt }: Case, { requests, sentAt }: Listed): boolean {
  return sentAt > calmAt && requests.includes(request);
}
