/** The checker itself: a history without faults passes, and every planted violation is found and named. */
import { checkHistory } from '../../support/reliability/checker.ts';
import type { Call, Decided, HistoryEvent, Polled } from '../../support/reliability/history.ts';

const started = (over = {}): HistoryEvent => ({
  kind: 'started',
  request: 'r',
  client: 'shop',
  user: 'alice',
  at: 10,
  expiresAt: 300_000,
  ...over,
});
const polled = (at: number, answer: string, over: Partial<Polled> = {}): HistoryEvent => ({
  kind: 'polled',
  request: 'r',
  client: 'shop',
  sentAt: at,
  endedAt: at + 5,
  answer,
  ...(answer === 'tokens' && { tokens: 'set 1' }),
  ...over,
});
const decided = (at: number, decision: Decided['decision'], over: Partial<Decided> = {}): HistoryEvent => ({
  kind: 'decided',
  request: 'r',
  phone: 'phone 1',
  decision,
  sentAt: at,
  endedAt: at + 5,
  outcome: 'acknowledged',
  ...over,
});
const called = (over: Partial<Call>): HistoryEvent => ({
  kind: 'call',
  what: 'POST /oauth/token',
  sentAt: 40,
  endedAt: 45,
  ...over,
});
const outage = (from: number, until: number): HistoryEvent => ({ kind: 'outage', from, until });
const listed = (at: number, requests: string[]): HistoryEvent => ({
  kind: 'listed',
  user: 'alice',
  sentAt: at,
  requests,
});
const stopped = (at: number): HistoryEvent => ({ kind: 'stopped', request: 'r', at });

const pending = 'authorization_pending';

describe('a history without violations', () => {
  test.each<[string, HistoryEvent[]]>([
    ['nothing happened', []],
    ['approved and redeemed', [started(), polled(20, pending), decided(30, 'approve'), polled(40, 'tokens')]],
    [
      'denied, told again and again',
      [started(), decided(20, 'deny'), polled(30, 'access_denied'), polled(40, 'access_denied')],
    ],
    [
      'a repeat after the tokens',
      [started(), decided(20, 'approve'), polled(30, 'tokens'), polled(40, 'invalid_grant')],
    ],
    [
      'the same set again after a crash',
      [
        started(),
        decided(20, 'approve'),
        polled(30, 'tokens'),
        outage(40, 50),
        polled(60, pending),
        polled(70, 'tokens'),
      ],
    ],
    [
      'the answer was lost on the wire, and the outcome is unknown',
      [started(), decided(20, 'approve'), polled(30, 'lost'), outage(29, 50), polled(60, 'invalid_grant')],
    ],
    ['left alone until it expired', [started({ expiresAt: 50 }), polled(60, 'expired_token')]],
    ['still waiting, on the phone too', [started(), outage(20, 30), polled(40, pending), listed(50, ['r'])]],
    [
      'another client asked in vain',
      [started(), decided(20, 'approve'), polled(25, 'invalid_grant', { client: 'bank' }), polled(30, 'tokens')],
    ],
    [
      'a decision of which nobody knows',
      [started(), decided(20, 'approve', { outcome: 'unknown' }), polled(30, 'tokens')],
    ],
    [
      'the loser of a race is told so',
      [
        started(),
        decided(20, 'deny'),
        decided(20, 'approve', { phone: 'phone 2', outcome: 'refused' }),
        polled(40, 'access_denied'),
      ],
    ],
    ['cancelled after the approval', [started(), decided(20, 'approve'), stopped(30), polled(40, 'access_denied')]],
    ['the store was away, and it said so', [called({ status: 503, retryAfter: '2' })]],
    ['the server was away, and nobody could say so', [called({ lost: 'ECONNRESET' }), outage(42, 50)]],
  ])('%s', (_, events) => {
    expect(checkHistory(events)).toEqual([]);
  });
});

describe('a planted violation is found', () => {
  const planted: [string, string, HistoryEvent[]][] = [
    ['IV-01', 'an acknowledged request was forgotten', [started(), outage(20, 30), polled(40, 'invalid_grant')]],
    ['IV-01', 'an acknowledged request expired too early', [started(), polled(40, 'expired_token')]],
    [
      'IV-01',
      'nobody looked for it after the last fault',
      [started(), polled(20, 'expired_token', { sentAt: 400_000, endedAt: 400_001 }), outage(400_002, 400_003)],
    ],
    ['IV-01', 'it waits, and the phone does not hear of it', [started(), polled(40, pending), listed(50, ['another'])]],
    [
      'IV-01',
      'it waits, and the phone does not hear of it',
      [started(), listed(15, ['r']), outage(20, 30), polled(40, pending)],
    ],
    [
      'IV-02',
      'two token sets',
      [started(), decided(20, 'approve'), polled(30, 'tokens'), polled(31, 'tokens', { tokens: 'set 2' })],
    ],
    [
      'IV-02',
      'approved, and no token set',
      [started(), decided(20, 'approve'), polled(40, 'expired_token', { endedAt: 300_001 })],
    ],
    [
      'IV-03',
      'after the tokens neither the same set nor invalid_grant',
      [started(), decided(20, 'approve'), polled(30, 'tokens'), polled(40, 'server_error')],
    ],
    [
      'IV-03',
      'after the tokens it stays pending',
      [started(), decided(20, 'approve'), polled(30, 'tokens'), polled(40, pending)],
    ],
    [
      'IV-04',
      'an approval became a denial',
      [started(), decided(20, 'approve'), polled(30, 'access_denied'), polled(40, 'tokens')],
    ],
    [
      'IV-04',
      'approved and denied',
      [started(), decided(20, 'approve'), decided(20, 'deny', { phone: 'phone 2' }), polled(40, 'lost')],
    ],
    [
      'IV-04',
      'a denial was forgotten',
      [started(), decided(20, 'deny'), outage(25, 28), polled(40, pending), polled(50, 'access_denied')],
    ],
    [
      'IV-04',
      'the same decision again was refused',
      [started(), decided(20, 'deny'), decided(30, 'deny', { outcome: 'refused' }), polled(40, 'access_denied')],
    ],
    [
      'IV-05',
      'tokens although denied',
      [started(), decided(20, 'deny'), decided(20, 'approve', { outcome: 'unknown' }), polled(40, 'tokens')],
    ],
    [
      'IV-05',
      'tokens for another client',
      [started(), decided(20, 'approve'), polled(30, 'tokens', { client: 'bank' }), polled(40, 'tokens')],
    ],
    ['IV-05', 'tokens although nobody approved', [started(), polled(40, 'tokens')]],
    ['IV-05', 'tokens after it was stopped', [started(), decided(20, 'approve'), stopped(30), polled(40, 'tokens')]],
    ['IV-05', 'tokens after its time', [started({ expiresAt: 35 }), decided(20, 'approve'), polled(40, 'tokens')]],
    ['IV-10', 'POST /oauth/token: status 500', [called({ status: 500 })]],
    ['IV-10', 'POST /oauth/token: 503 without Retry-After', [called({ status: 503 })]],
    ['IV-10', 'POST /oauth/token: it did not end in time', [called({ status: 200, endedAt: 5_100 })]],
    ['IV-10', 'POST /oauth/token: it did not end in time', [called({ lost: 'timeout' }), outage(41, 50)]],
    [
      'IV-10',
      'POST /oauth/token: no answer without a fault (ECONNRESET)',
      [called({ lost: 'ECONNRESET' }), outage(46, 50)],
    ],
  ];
  test.each(planted.map(([invariant, what, events]) => ({ invariant, what, events })))(
    '$what ($invariant)',
    ({ invariant, what, events }) => {
      expect(checkHistory(events)).toContainEqual(expect.objectContaining({ invariant, what }));
    },
  );
});
