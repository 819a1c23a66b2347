import { randomBytes } from 'node:crypto';
import type { Client } from 'oidc-provider';
import { createRequestIds } from '../../src/protocol/request-ids.ts';
import { ALL_PARTITIONS, isHandle, newHandle, partitionOf } from '../../src/support/ids.ts';
import { createSecrets } from '../../src/support/secrets.ts';
import { aClient, openProtocol, withAlice } from './scene.ts';

const ids = createRequestIds(createSecrets(randomBytes(32)));
const quiet = { assent_unknown_user: 'decoy' } as unknown as Client;
const pairwise = { subjectType: 'pairwise' } as Client;
const told = { assent_unknown_user: 'error', subjectType: 'public' } as unknown as Client;

test('an id leads to its handle, whatever the partition, and no handle can be made of it', () => {
  for (const partition of ALL_PARTITIONS) {
    const drawn = newHandle(partition);
    for (const client of [quiet, pairwise]) {
      const { authReqId, handle } = ids.of(client, drawn);
      expect(authReqId).toMatch(/^[G-V]{2}[\w-]{43}$/);
      expect([ids.handleOf(authReqId), isHandle(handle), partitionOf(handle)]).toEqual([handle, true, partition]);
      expect(handle.slice(2)).not.toBe(authReqId.slice(2));
    }
    expect(ids.of(told, drawn)).toEqual({ authReqId: drawn, handle: drawn });
  }
});

test('what is no id stays what it is, and a handle is one', () => {
  for (const text of ['', 'G', 'x', 'GV', `GG${'x'.repeat(9000)}`, newHandle('3f'), '0f'.padEnd(45, '_')])
    expect(ids.handleOf(text)).toBe(text);
});

test('K-07 H-03 TH-04 requests about one person have nothing in common that such a client could see', async () => {
  const scene = await openProtocol({ clients: [aClient('quiet', { assent_unknown_user: 'decoy' })] });
  try {
    await withAlice(scene);
    const hints = ['alice', 'alice@example.test', '+31612345678'];
    const ids: string[] = [];
    for (let i = 0; i < 60; i++) {
      ids.push((await scene.client('quiet').authenticate({ login_hint: hints[i % 3]! })).body.auth_req_id);
    }
    expect(new Set(ids.map((id) => partitionOf(scene.operationIdOf(id)))).size).toBe(1);
    // sixty throws of a die with 256 sides show 53 different ones on average, and never so few
    expect(new Set(ids.map((id) => id.slice(0, 2))).size).toBeGreaterThan(35);
    // nor is there a way to try which partition it is
    const last = ids.at(-1)!;
    for (const partition of ALL_PARTITIONS) {
      expect((await scene.client('quiet').poll(partition + last.slice(2))).body.error).toBe('invalid_grant');
    }
    expect((await scene.client('quiet').poll(last)).body.error).toBe('authorization_pending');
    expect((await scene.client('quiet').cancel(ids.at(-1)!)).status).toBe(204);
  } finally {
    await scene.close();
  }
});

test('H-03 K-07 a client that must not know who exists cannot compare the operations of its delivery log either', async () => {
  const ping = {
    backchannel_token_delivery_mode: 'ping',
    backchannel_client_notification_endpoint: 'https://a.test/cb',
  };
  const clients = [aClient('quiet', { ...ping, assent_unknown_user: 'decoy' }), aClient('told', ping)];
  const scene = await openProtocol({ clients });
  try {
    await withAlice(scene);
    const operationOf = async (name: string) => {
      const client = scene.client(name);
      const { body } = await client.authenticate({ client_notification_token: 'x'.repeat(30) });
      const operationId = scene.operationIdOf(body.auth_req_id);
      const line = {
        id: `${name}.1`,
        clientId: name,
        operationId,
        mode: 'ping' as const,
        attempt: 1,
        at: scene.clock.now(),
      };
      await scene.deliveries.append({ ...line, outcome: 'failed', reason: 'status 500' });
      const log = await client.post('/bc-authorize/deliveries', {});
      return { operationId, shown: log.body.items[0].operation_id };
    };
    const told = await operationOf('told');
    expect(told.shown).toBe(told.operationId);
    const quiet = await operationOf('quiet');
    expect(quiet.shown).toMatch(/^[G-V]{2}/);
    expect(quiet.shown.slice(2)).toBe(quiet.operationId.slice(2));
  } finally {
    await scene.close();
  }
});
