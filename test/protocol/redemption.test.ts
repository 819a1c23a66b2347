import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ProtocolDeps } from '../../src/protocol/deps.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import type { Scene } from '../domain/scene.ts';
import { countRoundTrips } from './round-trips.ts';
import {
  type Alice,
  aClient,
  answer,
  approved,
  CIBA,
  openProtocol,
  type ProtocolScene,
  protocolForEach,
  type Reply,
  withAlice,
} from './scene.ts';

const clients = [aClient('helpdesk'), aClient('other')];
const anyNumber = { perClient: 0, policy: 'refuse', perUser: 0 } as const;
const artifactsOf = (scene: Scene) => (scene.store as unknown as Pick<ProtocolDeps, 'artifacts'>).artifacts;

describe('promise 3: an approval becomes one token set', () => {
  test('TH-08 of twenty polls at once for each of a hundred approvals one gets the tokens, and they live', async () => {
    const scene = await openProtocol({ clients, cap: anyNumber, overrides: withLatency(seeded(8)) });
    const alice = await withAlice(scene);
    const winners = await race(scene, alice, 100);
    expect(winners).toHaveLength(100);
    scene.clock.advance(60);
    for (const { body } of winners) {
      expect((await scene.client('helpdesk').userinfo(body.access_token)).status).toBe(200);
    }
    expect(new Set(winners.map(({ body }) => body.access_token)).size).toBe(100);
    await scene.close();
  });

  test('RL-02 a thousand approvals, twenty polls at once for each, two providers that share only the store', async () => {
    const scene = await openProtocol({ clients, cap: anyNumber, peers: 1, overrides: withLatency(seeded(2)) });
    const winners = await race(scene, await withAlice(scene), 1000);
    expect(winners).toHaveLength(1000);
    scene.clock.advance(60);
    const client = scene.client('helpdesk');
    for (const { body } of winners) expect((await client.userinfo(body.access_token)).status).toBe(200);
    await scene.close();
  }, 180_000);

  test('RL-15 of a hundred approvals redeemed at once no more than thirty-two sets are made at the same time, and all are', async () => {
    let atOnce = 0;
    const seen: number[] = [];
    const scene = await openProtocol({
      clients,
      cap: anyNumber,
      overrides: (inner) => ({
        artifacts: {
          ...methods(artifactsOf(inner)),
          async write(...args) {
            seen.push(++atOnce);
            for (let turns = 0; turns < 10; turns++) await nextTurn();
            await artifactsOf(inner).write(...args);
            atOnce--;
          },
        },
      }),
    });
    const alice = await withAlice(scene);
    const ids: string[] = [];
    while (ids.length < 100) ids.push(await approved(scene, alice));
    const replies = await Promise.all(ids.map((id) => scene.client('helpdesk').poll(id)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(seen).toHaveLength(100);
    expect(Math.max(...seen)).toBeLessThanOrEqual(32);
    await scene.close();
  });

  /** Twenty polls of each approval at once, eight approvals at a time; the answers that were tokens. */
  async function race(scene: ProtocolScene, alice: Alice, approvals: number): Promise<Reply[]> {
    const client = scene.client('helpdesk');
    const winners: Reply[] = [];
    for (let done = 0; done < approvals; done += 8) {
      const ids = await Promise.all(
        Array.from({ length: Math.min(8, approvals - done) }, () => approved(scene, alice)),
      );
      const replies = await Promise.all(ids.flatMap((id) => Array.from({ length: 20 }, () => client.poll(id))));
      const losers = replies.filter(({ status }) => status !== 200).map(({ body }) => body.error);
      expect(losers.filter((code) => code !== 'invalid_grant' && code !== 'authorization_pending')).toEqual([]);
      winners.push(...replies.filter(({ status }) => status === 200));
    }
    return winners;
  }
});

describe('what breaks on the way', () => {
  test('a response that never left the server is given again, the same one with less time left', async () => {
    const gate = gated();
    const scene = await openProtocol({
      clients,
      overrides: (inner) => ({ artifacts: { ...methods(artifactsOf(inner)), write: gate(artifactsOf(inner)) } }),
    });
    const alice = await withAlice(scene);
    const id = await approved(scene, alice);

    const hangUp = await pollAndHangUp(scene, id);
    await gate.reached;
    const inBetween = await scene.client('helpdesk').poll(id);
    expect(inBetween.body.error).toBe('authorization_pending');
    await hangUp();
    gate.open();
    await scene.logs('ciba.redeemed');

    scene.clock.advance(7);
    const again = await scene.client('helpdesk').poll(id);
    expect([again.status, again.body.expires_in]).toEqual([200, 893]);
    expect(scene.logged.filter(({ event }) => event === 'ciba.redeemed')).toHaveLength(1);
    expect((await scene.client('helpdesk').userinfo(again.body.access_token)).status).toBe(200);
    expect((await scene.client('helpdesk').poll(id)).body.error).toBe('invalid_grant');
    await scene.close();
  });

  test('a store that fails while tokens are written uses nothing up', async () => {
    let failures = 2;
    const scene = await openProtocol({
      clients,
      overrides: (inner) => ({
        artifacts: {
          ...methods(artifactsOf(inner)),
          write: (...args) =>
            failures-- > 0 ? Promise.reject(new StoreUnavailable('full')) : artifactsOf(inner).write(...args),
        },
      }),
    });
    const id = await approved(scene, await withAlice(scene));
    for (let i = 0; i < 2; i++) {
      const reply = await scene.client('helpdesk').poll(id);
      expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '2']);
    }
    expect((await scene.client('helpdesk').poll(id)).status).toBe(200);
    await scene.close();
  });

  test('a commit whose answer is lost on the way back gives the same tokens at the next poll', async () => {
    let failures = 1;
    const scene = await openProtocol({
      clients,
      overrides: ({ redemptions }) => ({
        redemptions: {
          ...redemptions,
          async commit(commit) {
            const committed = await redemptions.commit(commit);
            if (failures-- > 0) throw new StoreUnavailable('connection reset');
            return committed;
          },
        },
      }),
    });
    const id = await approved(scene, await withAlice(scene));
    expect((await scene.client('helpdesk').poll(id)).status).toBe(503);
    expect((await scene.client('helpdesk').poll(id)).status).toBe(200);
    expect(scene.logged.filter(({ event }) => event === 'ciba.repeated')).toHaveLength(1);
    await scene.close();
  });

  test('whoever loses the commit says authorization_pending, and the tokens it made are in nobody’s hands', async () => {
    const scene = await openProtocol({
      clients,
      overrides: ({ redemptions }) => ({ redemptions: { ...redemptions, commit: async () => false } }),
    });
    const { status, body } = await scene.client('helpdesk').poll(await approved(scene, await withAlice(scene)));
    expect([status, body.error]).toEqual([400, 'authorization_pending']);
    await scene.close();
  });

  test('a parameter that spoils the issuance uses nothing up', async () => {
    const scene = await openProtocol({ clients });
    const id = await approved(scene, await withAlice(scene));
    const { post, poll } = scene.client('helpdesk');
    const spoiled = { grant_type: CIBA, auth_req_id: id, resource: 'https://api.example' };
    expect((await post('/oauth/token', spoiled)).body.error).toBe('invalid_target');
    expect((await poll(id)).status).toBe(200);
    await scene.close();
  });
});

describe('what it costs (architecture, section 6)', () => {
  const scene = protocolForEach({ clients });

  test('a start takes four round trips, a pending poll one, a redemption four', async () => {
    const alice = await withAlice(scene);
    const counter = countRoundTrips(scene.store);
    const client = scene.client('helpdesk');

    const { body } = await client.authenticate({ login_hint: 'alice@example.test', binding_message: 'W4SCT' });
    expect(counter.taken()).toEqual([
      'users.findByIdentifier',
      'users.findByIdentifier',
      'devices.ofUser',
      'operations.start',
    ]);

    await client.poll(body.auth_req_id);
    expect(counter.taken()).toEqual(['operations.poll']);

    await answer(scene, alice, body.auth_req_id);
    counter.taken();
    expect((await client.poll(body.auth_req_id)).status).toBe(200);
    await client.poll(body.auth_req_id);
    expect(counter.taken()).toEqual([
      'operations.poll',
      'artifacts.write',
      'operations.commit',
      'operations.delivered',
      'operations.poll',
    ]);
  });
});

/** The same numbers in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

/** Every step of a redemption waits for up to twenty turns of the event loop, so that polls meet each other at all of them. */
function withLatency(random: () => number) {
  const late = <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) => {
    return async (...args: Args): Promise<T> => {
      for (let turns = Math.floor(random() * 20); turns > 0; turns--) await nextTurn();
      return call(...args);
    };
  };
  return ({ redemptions }: Scene): Partial<ProtocolDeps> => ({
    redemptions: {
      poll: late(redemptions.poll),
      commit: late(redemptions.commit),
      delivered: late(redemptions.delivered),
      release: late(redemptions.release),
      endHolds: late(redemptions.endHolds),
    },
  });
}

type Artifacts = ProtocolDeps['artifacts'];

function methods(artifacts: Artifacts): Artifacts {
  return {
    write: (...args) => artifacts.write(...args),
    read: (...args) => artifacts.read(...args),
    consume: (...args) => artifacts.consume(...args),
    destroy: (...args) => artifacts.destroy(...args),
  };
}

/** Holds the first write back until the test opens. */
function gated() {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const gate = (artifacts: Artifacts): Artifacts['write'] => {
    return async (...args) => {
      reached.resolve();
      await opened.promise;
      return artifacts.write(...args);
    };
  };
  return Object.assign(gate, { reached: reached.promise, open: () => opened.resolve() });
}

/** A client whose connection breaks before the answer comes; the answer resolves when the server has noticed. */
async function pollAndHangUp(scene: ProtocolScene, authReqId: string): Promise<() => Promise<unknown>> {
  const { hostname, port } = new URL(scene.origin);
  const accepted = once(scene.server, 'connection');
  const socket = connect(Number(port), hostname);
  const body = new URLSearchParams({ grant_type: CIBA, auth_req_id: authReqId }).toString();
  const head = [
    'POST /oauth/token HTTP/1.1',
    'Host: x',
    `Authorization: ${scene.client('helpdesk').headers.authorization}`,
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${body.length}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  const [serverSide] = (await accepted) as [Socket];
  return () => {
    const noticed = once(serverSide, 'close');
    socket.destroy();
    return noticed;
  };
}
