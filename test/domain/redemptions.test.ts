import type { ServerDeps } from '../../src/composition/deps.ts';
import { watched } from '../../src/composition/overload.ts';
import { newHandle, operationIdOf } from '../../src/support/ids.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { pollOf } from '../conformance/scenes.ts';
import { aHash, anOperation, aUser } from '../support/records.ts';
import { approved, asked, by, codeOf, commit, decide, poll, sceneForEach, startOf } from './scene.ts';

describe('polling', () => {
  const scene = sceneForEach();
  const outcomes = async (authReqId: string, waits: number[]) => {
    const seen: unknown[] = [];
    for (const seconds of waits) {
      scene.clock.advance(seconds);
      const answer = await poll(scene, authReqId);
      seen.push(answer.outcome === 'slow_down' ? answer.intervalSeconds : answer.outcome);
    }
    return seen;
  };

  test('a text that is no auth_req_id, or nobody’s, is unknown', async () => {
    for (const text of ['', 'abc', '..', 'x'.repeat(100_000), '{}:*\0', newHandle('00')]) {
      expect(await poll(scene, text)).toEqual({ outcome: 'unknown' });
    }
  });

  test('T-19 how far a process is behind is seen where starts and polls wait for the store, whatever comes of them, and nowhere else', async () => {
    const seen: string[] = [];
    const waits = () => {
      seen.push('begun');
      return () => void seen.push('ended');
    };
    const start = () => Promise.reject(new StoreUnavailable('away'));
    const store = { ...scene.store, operations: { ...scene.store.operations, start } };
    const { operations } = watched({ store } as unknown as ServerDeps, { waits } as never).store;
    expect(await operations.poll(pollOf(anOperation(aUser())))).toEqual({ result: 'missing' });
    await expect(operations.start({} as never)).rejects.toThrow('away');
    expect(seen).toEqual(['begun', 'ended', 'begun', 'ended']);
    await operations.get(anOperation(aUser()).id);
    expect(seen).toHaveLength(4);
  });

  test('before the decision it is pending, also at once and then once in every interval', async () => {
    const { authReqId } = await asked(scene);
    expect(await outcomes(authReqId, [0, 5, 5, 4])).toEqual(['pending', 'pending', 'pending', 'pending']);
  });

  test('too fast is told to slow down, by five seconds more each time and at most sixty', async () => {
    const { authReqId } = await asked(scene);
    const fast = Array.from({ length: 14 }, () => 0);
    expect(await outcomes(authReqId, [0, ...fast])).toEqual([
      'pending',
      10,
      15,
      20,
      25,
      30,
      35,
      40,
      45,
      50,
      55,
      60,
      60,
      60,
      60,
    ]);
  });

  test('slow_down does not move the time of the last good poll', async () => {
    const { authReqId } = await asked(scene);
    expect(await outcomes(authReqId, [0, 2, 7])).toEqual(['pending', 10, 'pending']);
  });

  test('pacing holds nothing back once there is a decision', async () => {
    const { authReqId, operation, device } = await asked(scene);
    expect(await outcomes(authReqId, [0, 0])).toEqual(['pending', 10]);
    await decide(scene, operation, device);
    expect(await outcomes(authReqId, [0])).toEqual(['issue']);
  });

  test('another client learns nothing and changes nothing', async () => {
    const { authReqId } = await approved(scene);
    for (let i = 0; i < 20; i++) {
      expect(await poll(scene, authReqId, { clientId: 'demo-tv' })).toEqual({ outcome: 'unknown' });
    }
    expect(await poll(scene, authReqId)).toMatchObject({ outcome: 'issue' });
  });

  test('T-13 an approval after the end has no effect, and one that is not redeemed in time expires', async () => {
    const late = await asked(scene);
    scene.clock.advance(300);
    expect(await decide(scene, late.operation, late.device)).toEqual({ result: 'closed', state: 'expired' });
    expect(await poll(scene, late.authReqId)).toEqual({ outcome: 'expired' });
    const unredeemed = await approved(scene);
    scene.clock.advance(300);
    for (let i = 0; i < 3; i++) expect(await poll(scene, unredeemed.authReqId)).toEqual({ outcome: 'expired' });
  });

  test('T-14 a denial stays a denial at every later poll, however fast', async () => {
    const { authReqId, operation, device } = await asked(scene);
    await decide(scene, operation, device, false);
    for (const seconds of [0, 0, 5, 600, 3600]) {
      scene.clock.advance(seconds);
      expect(await poll(scene, authReqId)).toMatchObject({ outcome: 'denied' });
    }
  });

  test('a cancelled operation is a denial with its reason', async () => {
    const { authReqId, operation } = await asked(scene);
    await scene.operations.cancel({ operationId: operation.id, clientId: operation.clientId, by });
    expect(await poll(scene, authReqId)).toEqual({ outcome: 'denied', reason: 'cancelled_by_client' });
  });
});

describe('handing over', () => {
  const scene = sceneForEach();

  test('of a hundred polls at once one issues, the others wait', async () => {
    const { authReqId, user } = await approved(scene);
    const answers = await Promise.all(Array.from({ length: 100 }, () => poll(scene, authReqId)));
    const issuing = answers.filter(({ outcome }) => outcome === 'issue');
    expect(issuing).toMatchObject([{ user: { id: user.id, state: 'active' }, operation: { state: 'approved' } }]);
    expect(answers.filter(({ outcome }) => outcome === 'busy')).toHaveLength(99);
  });

  test('whoever leased and died is replaced when the lease ends; coming back late it may not answer', async () => {
    const { authReqId } = await approved(scene);
    await poll(scene, authReqId, { holder: 'first' });
    scene.clock.advance(4);
    expect(await poll(scene, authReqId)).toEqual({ outcome: 'busy' });
    scene.clock.advance(1);
    expect(await poll(scene, authReqId, { holder: 'second' })).toMatchObject({ outcome: 'issue' });
    expect(await commit(scene, authReqId, 'first')).toBe(false);
    expect(await commit(scene, authReqId, 'second')).toBe(true);
  });

  test('a response whose connection broke is given again, the very same, until it was delivered', async () => {
    const { authReqId, operation } = await approved(scene);
    const response = '{"access_token":"ünique-1"}';
    await poll(scene, authReqId, { holder: 'first' });
    await commit(scene, authReqId, 'first', response);
    expect(await poll(scene, authReqId)).toEqual({ outcome: 'busy' });
    await scene.redemptions.release({ operationId: operation.id, holder: 'first' });
    expect(await poll(scene, authReqId, { holder: 'second' })).toMatchObject({
      outcome: 'repeat',
      response,
      binding: '',
    });
    await scene.redemptions.delivered({ operationId: operation.id, holder: 'second' });
    for (let i = 0; i < 3; i++) expect(await poll(scene, authReqId)).toEqual({ outcome: 'delivered' });
  });

  test('the response cannot be read in the store, and after delivery it is gone', async () => {
    const { authReqId, operation } = await approved(scene);
    const stored = async () => JSON.stringify(await scene.store.operations.get(operation.id));
    await poll(scene, authReqId, { holder: 'first' });
    await commit(scene, authReqId, 'first', '{"access_token":"canary"}');
    expect(await stored()).not.toContain('canary');
    expect(await stored()).toContain('"response"');
    await scene.redemptions.delivered({ operationId: operation.id, holder: 'first' });
    expect(await stored()).not.toContain('"response"');
  });

  test('what is told of it: decided, redeemed, delivered, once each', async () => {
    const { authReqId, operation } = await approved(scene);
    await poll(scene, authReqId, { holder: 'first' });
    await commit(scene, authReqId, 'first');
    await commit(scene, authReqId, 'stranger');
    await scene.redemptions.delivered({ operationId: operation.id, holder: 'first' });
    await scene.redemptions.delivered({ operationId: operation.id, holder: 'first' });
    const types = (await scene.store.events.ofOperation(operationIdOf(authReqId))).map(({ type }) => type);
    expect(types.filter((type) => type === 'operation.redeemed' || type === 'operation.delivered')).toEqual([
      'operation.redeemed',
      'operation.delivered',
    ]);
  });
});

describe('promise 5: what was switched off after the decision stops the tokens', () => {
  const scene = sceneForEach();

  test('F007 while a user is locked, operations are refused on every device, and an approval from before is not redeemed', async () => {
    const { user, authReqId } = await approved(scene);
    await scene.users.lock(user.id, by);
    for (let i = 0; i < 3; i++) expect(await poll(scene, authReqId)).toEqual({ outcome: 'denied' });
    expect(await codeOf(scene.operations.start(startOf(user)))).toBe('user_unknown');
    await scene.users.unlock(user.id, by);
    expect(await poll(scene, authReqId)).toMatchObject({ outcome: 'issue' });
  });

  test('a deactivated user gets nothing', async () => {
    const { user, authReqId } = await approved(scene);
    await scene.users.deactivate(user.id, by);
    expect(await poll(scene, authReqId)).toEqual({ outcome: 'denied' });
  });

  test('the device that decided must still be active', async () => {
    const locked = await approved(scene);
    await scene.devices.lock(locked.device.id, by);
    expect(await poll(scene, locked.authReqId)).toEqual({ outcome: 'denied' });
    await scene.devices.unlock(locked.device.id, by);
    expect(await poll(scene, locked.authReqId)).toMatchObject({ outcome: 'issue' });
    const deactivated = await approved(scene);
    await scene.devices.deactivate(deactivated.device.id, by);
    expect(await poll(scene, deactivated.authReqId)).toEqual({ outcome: 'denied' });
  });

  test('its application must still be switched on', async () => {
    const { authReqId } = await approved(scene);
    const [application] = scene.applicationList;
    application!.active = false;
    expect(await poll(scene, authReqId)).toEqual({ outcome: 'denied' });
    application!.active = true;
    expect(await poll(scene, authReqId)).toMatchObject({ outcome: 'issue' });
  });

  test('a response that was made before the lock is not repeated after it', async () => {
    const { user, authReqId, operation } = await approved(scene);
    await poll(scene, authReqId, { holder: 'first' });
    await commit(scene, authReqId, 'first', '{"access_token":"made before"}');
    await scene.redemptions.release({ operationId: operation.id, holder: 'first' });
    await scene.users.lock(user.id, by);
    expect(await poll(scene, authReqId, { holder: aHash() })).toEqual({ outcome: 'denied' });
    await scene.users.unlock(user.id, by);
    expect(await poll(scene, authReqId, { holder: aHash() })).toMatchObject({ outcome: 'repeat' });
  });
});
