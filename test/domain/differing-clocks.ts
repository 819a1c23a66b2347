/** TH-14: processes on one store whose clocks differ. Called once for each store. */
import { createOperations } from '../../src/domain/operations.ts';
import { createRedemptions } from '../../src/domain/redemptions.ts';
import { createSweeper } from '../../src/domain/sweeper.ts';
import { DAY, SECOND } from '../../src/support/clock.ts';
import { aHash } from '../support/records.ts';
import { approved, asked, by, commit, decide, poll, type Scene } from './scene.ts';

const SKEW = 30;

export function differingClocks(open: () => Promise<Scene>): void {
  let right: Scene;
  let ahead: Scene;
  let behind: Scene;
  beforeAll(async () => {
    right = await open();
    ahead = processOn(right, SKEW);
    behind = processOn(right, -SKEW);
  });
  afterAll(() => right.close());
  const outcome = async (at: Scene, authReqId: string) => (await poll(at, authReqId)).outcome;
  const all = async (authReqId: string) => {
    const seen = [];
    for (const at of [ahead, right, behind, ahead]) seen.push(await outcome(at, authReqId));
    return seen;
  };

  test('TH-14 none ends a request earlier than its clock is ahead; what one has ended is over for all, also for the phone', async () => {
    const { authReqId, operation, device } = await asked(right);
    right.clock.advance(300 - SKEW - 1);
    expect(await outcome(ahead, authReqId)).toBe('pending');
    right.clock.advance(1);
    expect(await outcome(ahead, authReqId)).toBe('expired');
    // every process does this each second
    expect(await ahead.sweeper.expire()).toBe(1);
    expect(await all(authReqId)).toEqual(['expired', 'expired', 'expired', 'expired']);
    for (const at of [ahead, right, behind]) {
      expect(await decide(at, operation, device)).toEqual({ result: 'closed', state: 'expired' });
    }
    const cancelled = behind.operations.cancel({ operationId: operation.id, clientId: operation.clientId, by });
    expect(await cancelled).toMatchObject({ state: 'expired' });
  });

  test('TH-14 an approval that a client was told to be too late for is not handed out by a process that is behind', async () => {
    const { authReqId } = await approved(right);
    right.clock.advance(300 - SKEW);
    expect(await all(authReqId)).toEqual(['expired', 'expired', 'expired', 'expired']);
    right.clock.advance(-10);
    expect(await all(authReqId)).toEqual(['expired', 'expired', 'expired', 'expired']);
  });

  test('TH-14 a clock that jumps an hour ahead and back: what was over by then stays over, and the next request is like any other', async () => {
    const waiting = await asked(right);
    const unredeemed = await approved(right);
    right.clock.advance(3600);
    expect(await right.sweeper.expire()).toBe(1);
    expect(await outcome(right, unredeemed.authReqId)).toBe('expired');
    right.clock.advance(-3600);
    for (const { authReqId } of [waiting, unredeemed]) expect(await outcome(right, authReqId)).toBe('expired');
    expect(await decide(right, waiting.operation, waiting.device)).toEqual({ result: 'closed', state: 'expired' });
    expect(await outcome(right, (await approved(right)).authReqId)).toBe('issue');
  });

  test('TH-14 whoever issues when another’s clock says that it is over commits once, or nobody does', async () => {
    const { authReqId } = await approved(right);
    right.clock.advance(300 - SKEW - 2);
    const holder = aHash();
    expect((await poll(behind, authReqId, { holder })).outcome).toBe('issue');
    // its lease is over by the clock of the one ahead, and so is the request
    right.clock.advance(2);
    expect(await outcome(ahead, authReqId)).toBe('expired');
    expect(await commit(behind, authReqId, holder)).toBe(false);
    expect(await all(authReqId)).toEqual(['expired', 'expired', 'expired', 'expired']);
  });

  test('TH-14 tokens that were made are given once, whatever the clocks say', async () => {
    const { authReqId, operation } = await approved(right);
    const holder = aHash();
    await poll(behind, authReqId, { holder });
    expect(await commit(behind, authReqId, holder)).toBe(true);
    await behind.redemptions.delivered({ operationId: operation.id, holder });
    expect(await all(authReqId)).toEqual(['delivered', 'delivered', 'delivered', 'delivered']);
    right.clock.advance(600);
    expect(await all(authReqId)).toEqual(['delivered', 'delivered', 'delivered', 'delivered']);
  });
}

/** Another process on the same store. */
function processOn(scene: Scene, seconds: number): Scene {
  const now = () => scene.clock.now() + seconds * SECOND;
  const common = { ...scene, clock: now };
  const cap = { perClient: 1, policy: 'replace' as const, perUser: 0 };
  const pacing = { toleranceMs: SECOND, stepSeconds: 5, maxSeconds: 60 };
  return {
    ...scene,
    clock: { ...scene.clock, now },
    operations: createOperations({ ...common, options: { cap, retentionMs: DAY } }),
    redemptions: createRedemptions({ ...common, options: { leaseMs: 5 * SECOND, pacing } }),
    sweeper: createSweeper({
      ...common,
      onError: (_job, error) => {
        throw error;
      },
    }),
  };
}
