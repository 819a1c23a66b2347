import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisStore } from '../../adapters/redis/index.ts';
import type { Device } from '../../src/domain/device.ts';
import type { Operation } from '../../src/domain/operation.ts';
import type { StoredUser } from '../../src/domain/user.ts';
import { MINUTE } from '../../src/support/clock.ts';
import { partitionOf } from '../../src/support/ids.ts';
import { tally } from '../conformance/harness.ts';
import { commitOf, decideOf, pollOf, startOf, withDevice, withUser } from '../conformance/scenes.ts';
import { aDecision, aHash, anArtifact, anEvent, anOperation, aReceipt, aTicket, T0 } from '../support/records.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { openPatiently } from '../support/redis-store.ts';
import { requireSystem } from '../support/system.ts';
import { slowWayTo } from './redis-latency.ts';
import { type Call, type Server, startServer } from './redis-processes.ts';

const THOUSAND = 1000;
const POLLS = 20;
/** So many rounds at once: enough for every interleaving, not so many that a command waits out its deadline in a queue. */
const ROUNDS = 25;

type Answer = { result: string };

requireSystem('redis-server')('two processes on one Redis', () => {
  let redis: TestRedis;
  let store: RedisStore;
  let servers: [Server, Server];
  beforeAll(async () => {
    redis = await startRedis({ appendfsync: 'no' });
    store = await openPatiently({ url: redis.url });
    servers = await Promise.all([startServer(redis.url), startServer(redis.url)]);
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.kill()));
    await store.close();
    await redis.stop();
  });

  const call = (port: string, method: string, ...args: unknown[]): Call => ({ port, method, args });
  /** The same calls by both at once. */
  const both = async <T = Answer>(calls: Call[], by: Server[] = servers): Promise<T[]> =>
    (await Promise.all(by.map((server) => server.run<T>(calls)))).flat();

  const someone = async () => {
    const user = await withUser(store);
    return { user, device: await withDevice(store, user) };
  };
  const start = async (user: StoredUser, count: number): Promise<Operation[]> => {
    const operations = Array.from({ length: count }, () => anOperation(user));
    await Promise.all(operations.map((operation) => store.operations.start(startOf(operation))));
    return operations;
  };
  const approve = (operations: Operation[], scene: { user: StoredUser; device: Device }) =>
    Promise.all(operations.map((operation) => store.operations.decide(decideOf({ ...scene, operation }))));

  /** Twenty parallel polls for each approval; whoever leases issues a set of its own, and says how it went. */
  async function redeem(operations: Operation[], by: Server[] = servers): Promise<Map<string, string[]>> {
    const committed = new Map<string, string[]>(operations.map(({ id }) => [id, []]));
    await Promise.all(
      by.map(async (server) => {
        const polls = operations.flatMap((operation) =>
          Array.from({ length: POLLS / by.length }, () => pollOf(operation)),
        );
        const answers = await server.run(polls.map((poll) => call('operations', 'poll', poll)));
        const leased = polls.filter((_, i) => answers[i]!.result === 'leased');
        for (const { result } of answers)
          expect(['leased', 'busy', 'committed', 'delivered', undefined]).toContain(result);
        const commits = leased.map(({ operationId, holder }) => {
          const operation = { id: operationId } as Operation;
          return commitOf(operation, { holder, response: `sealed.${holder}` });
        });
        const results = await server.run(commits.map((commit) => call('operations', 'commit', commit)));
        for (const [i, { result }] of results.entries()) {
          if (result === 'committed') committed.get(commits[i]!.operationId)!.push(commits[i]!.response);
        }
      }),
    );
    return committed;
  }

  test('RL-02 of a thousand approvals with twenty polls each over two processes come a thousand token sets', async () => {
    const scene = await someone();
    let sets = 0;
    for (let done = 0; done < THOUSAND; done += ROUNDS) {
      const operations = await start(scene.user, ROUNDS);
      await approve(operations, scene);
      for (const responses of (await redeem(operations)).values()) {
        expect(responses).toHaveLength(1);
        sets += responses.length;
      }
    }
    expect(sets).toBe(THOUSAND);
  }, 120_000);

  test('RL-02 a process that is killed in the middle leaves its approvals to the others, one set each', async () => {
    const scene = await someone();
    for (let round = 0; round < 5; round++) {
      const victim = await startServer(redis.url);
      const operations = await start(scene.user, ROUNDS);
      await approve(operations, scene);
      const running = Promise.allSettled([redeem(operations, [servers[0]]), redeem(operations, [victim])]);
      await sleep(Math.random() * 30);
      await victim.kill();
      const [survived] = await running;
      expect(survived.status).toBe('fulfilled');
      // Once every lease is over whoever polls gets what was committed, or may issue.
      const later = T0 + MINUTE;
      for (const operation of operations) {
        const before = await store.operations.get(operation.id);
        const poll = await store.operations.poll(pollOf(operation, { now: later - 1, holder: 'heir' }));
        if (before?.redemption?.state === 'committed') {
          expect(poll).toMatchObject({ result: 'committed', response: before.redemption.response });
          continue;
        }
        expect(poll).toMatchObject({ result: 'leased' });
        const commit = commitOf(operation, { holder: 'heir', now: later, replayUntil: later + MINUTE });
        expect(await store.operations.commit(commit)).toEqual({ result: 'committed' });
      }
    }
  }, 120_000);

  test('RL-02 the way to the store takes up to 50 ms more or less: still one set each', async () => {
    const way = await slowWayTo(redis.port, 50);
    await using slow = await startServer(way.url);
    const scene = await someone();
    for (let round = 0; round < 4; round++) {
      const operations = await start(scene.user, ROUNDS);
      await approve(operations, scene);
      for (const responses of (await redeem(operations, [servers[0], slow])).values()) {
        expect(responses.length).toBeLessThanOrEqual(1);
      }
      for (const { id } of operations) {
        expect((await store.operations.get(id))?.redemption?.state).toMatch(/leased|committed/);
      }
    }
    way.close();
  }, 120_000);

  test('RL-03 a jti, a message of a device, a refresh token, a ticket: one winner of a thousand each', async () => {
    const { user, device } = await someone();
    const ticket = aTicket(user);
    await store.operations.start(startOf(ticket));
    const artifact = anArtifact({ model: 'RefreshToken' });
    await store.artifacts.write([artifact], T0);
    const times = (make: () => Call) => Array.from({ length: THOUSAND / servers.length }, make);

    const used = await both<boolean>(
      times(() => call('replay', 'once', { scope: 's', id: 'jti', now: T0, until: T0 + MINUTE })),
    );
    expect(tally(used)).toEqual({ true: 1, false: THOUSAND - 1 });

    const receipt = aReceipt(device);
    const saved = await both(
      times(() => call('devices', 'save', { device, states: ['active'], now: T0, events: [], receipt })),
    );
    expect(tally(saved)).toEqual({ saved: 1, repeated: THOUSAND - 1 });

    const consumed = await both<boolean>(times(() => call('artifacts', 'consume', artifact.model, artifact.id, T0)));
    expect(tally(consumed)).toEqual({ true: 1, false: THOUSAND - 1 });

    const bind = { operationId: ticket.id, device: { ...device, id: anOperation(user).id, state: 'pending' } };
    const bound = await both(
      times(() => call('operations', 'bindTicket', { ...bind, thumbprint: aHash(), now: T0, events: [] })),
    );
    // Both processes bring the same five hundred keys.
    expect(tally(bound)).toEqual({ bound: 1, again: 1, bound_to_other: THOUSAND - 2 });
  }, 60_000);

  describe('RL-04 races of a decision, a thousand each', () => {
    interface Race {
      title: string;
      rivals: (scene: { user: StoredUser; device: Device; operation: Operation }) => [Call, Call];
      /** What the two answers may be, first that of the winner. */
      outcomes: [string, string][];
    }
    const decided = (scene: Parameters<typeof decideOf>[0], approved: boolean, now = T0 + 1) => {
      const type = approved ? ('operation.approved' as const) : ('operation.denied' as const);
      const events = [anEvent(scene.operation, type, { operationId: scene.operation.id })];
      const decision = aDecision(scene.device, { approved });
      return call('operations', 'decide', decideOf(scene, { decision, events, now }));
    };
    const cancelled = ({ operation }: { operation: Operation }) =>
      call('operations', 'cancel', {
        operationId: operation.id,
        reason: 'cancelled_by_client',
        now: T0 + 1,
        events: [anEvent(operation, 'operation.cancelled', { operationId: operation.id })],
        outbox: [],
      });

    const races: Race[] = [
      {
        title: 'approve and approve',
        rivals: (scene) => [decided(scene, true), decided(scene, true)],
        outcomes: [['decided', 'decided_before']],
      },
      {
        title: 'approve and deny',
        rivals: (scene) => [decided(scene, true), decided(scene, false)],
        outcomes: [['decided', 'decided_before']],
      },
      {
        title: 'decide and cancel',
        rivals: (scene) => [decided(scene, true), cancelled(scene)],
        outcomes: [
          ['decided', 'ended'],
          ['cancelled', 'closed'],
        ],
      },
    ];

    test.each(races)(
      '$title: one transition, the same answer on repeat',
      async ({ rivals, outcomes }) => {
        const scene = await someone();
        const firsts: Record<string, number> = {};
        for (let done = 0; done < THOUSAND; done += ROUNDS * 4) {
          const operations = await start(scene.user, ROUNDS * 4);
          const pairs = operations.map((operation) => rivals({ ...scene, operation }));
          // Every other round the other way round, so that neither process is always the first.
          const sides = [0, 1].map((side) => pairs.map((pair, i) => pair[(side + i) % 2]!));
          const [one, two] = await Promise.all(servers.map((server, side) => server.run<Answer>(sides[side]!)));
          for (const [i, operation] of operations.entries()) {
            const answers = [one![i]!.result, two![i]!.result];
            expect(outcomes.some((pair) => [...pair].sort().join() === [...answers].sort().join())).toBe(true);
            const winner = outcomes.some(([first]) => first === answers[0]) ? 0 : 1;
            firsts[winner] = (firsts[winner] ?? 0) + 1;
            expect(await store.events.ofOperation(operation.id)).toHaveLength(1);
          }
          const before = await Promise.all(operations.map(({ id }) => store.operations.get(id)));
          const again = await servers[0].run<Answer>(sides[0]!);
          for (const [i, { result }] of again.entries()) {
            expect(['repeated', 'decided_before', 'ended', 'closed']).toContain(result);
            expect(await store.operations.get(operations[i]!.id)).toEqual(before[i]);
          }
        }
        process.stdout.write(`first of two processes: ${JSON.stringify(firsts)}\n`);
      },
      120_000,
    );

    test('decide and expire: one transition', async () => {
      const scene = await someone();
      const event = { type: 'operation.expired', at: T0 };
      for (let done = 0; done < THOUSAND; done += ROUNDS * 4) {
        const operations = await start(scene.user, ROUNDS * 4);
        const { expiresAt } = operations[0]!;
        const decisions = operations.map((operation) => decided({ ...scene, operation }, false, expiresAt - 1));
        const sweep = { partitions: [partitionOf(scene.user.id)], now: expiresAt, limit: 10, event };
        const [answers, swept] = await Promise.all([
          servers[0].run<Answer>(decisions),
          servers[1].run<string[]>(Array.from({ length: 20 }, () => call('operations', 'expireDue', sweep))),
        ]);
        for (const [i, { id }] of operations.entries()) {
          const state = (await store.operations.get(id))?.state;
          expect(answers[i]!.result).toBe(state === 'denied' ? 'decided' : 'closed');
          expect(swept.flat().includes(id)).toBe(state === 'expired');
          expect(await store.events.ofOperation(id)).toHaveLength(1);
        }
      }
    }, 120_000);

    test('decide and redeem: nothing is leased that was not approved, and one poll at most', async () => {
      const scene = await someone();
      for (let done = 0; done < THOUSAND; done += ROUNDS * 4) {
        const operations = await start(scene.user, ROUNDS * 4);
        const approved = operations.map((_, i) => i % 2 === 0);
        const decisions = operations.map((operation, i) => decided({ ...scene, operation }, approved[i]!));
        const polls = operations.flatMap((operation) =>
          [0, 1, 2].map(() => call('operations', 'poll', pollOf(operation))),
        );
        const [, answers] = await Promise.all([servers[0].run(decisions), servers[1].run<Answer>(polls)]);
        for (const [i] of operations.entries()) {
          const leases = answers.slice(i * 3, i * 3 + 3).filter(({ result }) => result === 'leased');
          expect(leases.length).toBeLessThanOrEqual(approved[i] ? 1 : 0);
        }
      }
    }, 120_000);
  });
});
