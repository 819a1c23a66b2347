import { createHash } from 'node:crypto';
import { exchange } from '../support/http.ts';
import { type ManagementServer, startManagement } from './support/management.ts';

/** Bodies and queries that try to write into every object of the process. */
const names = [
  '__proto__',
  'constructor',
  'prototype',
  'constructor.prototype',
  '__proto__.x',
  'a[b]',
  'a[__proto__][x]',
  'toString',
  'hasOwnProperty',
  'then',
];
const shapes = [
  (name: string) => `{"${name}":{"x":1}}`,
  (name: string) => `{"attributes":{"${name}":{"x":1}}}`,
  (name: string) => `{"attributes":{"${name}":"x"}}`,
  (name: string) => `{"proofing":[{"mechanism":"m","${name}":{"x":1}}]}`,
  (name: string) => `{"constructor":{"prototype":{"x":1,"${name}":2}}}`,
  (name: string) => `[{"${name}":{"x":1}}]`,
  (name: string) => `{"${name}":"x","${name}":"y"}`,
];
const leak = /at .*:\d+:\d+|node_modules|SQLITE|ECONN|Redis/;

/** The same choices in every run: a failure can be repeated. */
const pick = <T>(from: readonly T[], run: number, use: string): T => {
  const digest = createHash('sha256').update(`${use}:${run}`).digest();
  return from[digest.readUInt32BE(0) % from.length]!;
};

describe('TH-21 names that JavaScript gives a meaning', () => {
  let server: ManagementServer;
  beforeAll(async () => {
    server = await startManagement();
  });
  afterAll(() => server.close());

  test('TH-21 TH-23 10 000 polluting requests change no object, cause no 5xx and show no inside', async () => {
    const { id } = await server.user({ username: 'alice' });
    const device = server.devices.base;
    const key = { authorization: 'Bearer test-management-key-0123456789abcdef', 'content-type': 'application/json' };
    const calls = [
      (body: string) => exchange(`${server.base}/users`, { method: 'POST', headers: key, body }),
      (body: string) => exchange(`${server.base}/users/${id}`, { method: 'PATCH', headers: key, body }),
      (body: string) => exchange(`${server.base}/users/${id}/attributes`, { method: 'PATCH', headers: key, body }),
      (body: string) =>
        exchange(`${server.base}/users/${id}/enrollment-tickets`, { method: 'POST', headers: key, body }),
      (body: string) => exchange(`${server.base}/users?${encodeURI(body)}`, { method: 'GET', headers: key }),
      (body: string) => exchange(`${server.base}/users/${encodeURIComponent(body)}`, { method: 'GET', headers: key }),
      (body: string) =>
        exchange(`${device}/device/v1/redeem`, {
          method: 'POST',
          headers: { 'content-type': 'application/jose' },
          body,
        }),
      (body: string) =>
        exchange(`${device}/${encodeURIComponent(body)}?__proto__[x]=1&constructor[prototype][x]=1`, { method: 'GET' }),
    ];
    const seen = new Map<number, number>();
    const one = async (run: number) => {
      const answer = await pick(calls, run, 'call')(pick(shapes, run, 'shape')(pick(names, run, 'name')));
      expect(await answer.text()).not.toMatch(leak);
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
    };
    for (let run = 0; run < 10_000; run += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => one(run + i)));

    expect(({} as { x?: unknown }).x).toBeUndefined();
    expect(([] as unknown as { x?: unknown }).x).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect([...seen.keys()].filter((status) => status >= 500)).toEqual([]);
    expect([...seen.values()].reduce((sum, count) => sum + count, 0)).toBe(10_000);
    // and the person is who she was
    expect((await server.api('GET', '/users?username=alice')).body.items).toEqual([
      expect.objectContaining({ id, state: 'active' }),
    ]);
  });

  test('TH-21 state, version and identity cannot be assigned from outside', async () => {
    const { id } = await server.user({ username: 'bob' });
    for (const member of [
      'id',
      'state',
      'version',
      'created_at',
      'updated_at',
      'identifiers',
      'sealed',
      'externalRef',
    ]) {
      const refused = await server.api('PATCH', `/users/${id}`, { body: { [member]: 'x' } });
      expect(refused).toMatchObject({
        status: 400,
        body: { invalid_params: [{ name: member, reason: 'is not known here' }] },
      });
    }
    expect((await server.api('GET', `/users/${id}`)).body).toMatchObject({ id, state: 'active', username: 'bob' });
  });
});
