import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { managementForEach, readerKey } from './support/management.ts';

describe('who may call the management API', () => {
  const server = managementForEach();
  const api = (...call: Parameters<typeof server.api>) => server.api(...call);

  test('without a key, or with one that is not known, nothing is learned: 401 and how to authenticate', async () => {
    for (const path of ['/users', '/users/x', '/never-existed']) {
      const without = await api('GET', path, { key: null });
      expect([without.status, without.body.code]).toEqual([401, 'unauthorized']);
      expect(without.headers.get('www-authenticate')).toBe('Bearer realm="assent-management"');
      const wrong = await api('GET', path, { key: 'wrong-key-0123456789abcdef0123456789' });
      expect(wrong.headers.get('www-authenticate')).toBe('Bearer realm="assent-management", error="invalid_token"');
    }
    for (const authorization of [
      'Basic dGVzdDp0ZXN0',
      'Bearer',
      'Bearer  ',
      'Bearer a b',
      `Bearer ${'a'.repeat(600)}`,
    ]) {
      expect(await api('GET', '/users', { key: null, headers: { authorization } })).toMatchObject({ status: 401 });
    }
  });

  test('a key does what its scopes say and nothing else, before anything is read or changed', async () => {
    expect(await api('GET', '/users', { key: readerKey })).toMatchObject({ status: 200 });
    const refused = await api('POST', '/users', { key: readerKey, body: { username: 'mallory' } });
    expect([refused.status, refused.body.code]).toEqual([403, 'forbidden']);
    expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_scope", scope="users:write"');
    for (const [method, path] of [
      ['GET', '/devices'],
      ['POST', '/devices/x/lock'],
      ['POST', '/users/x/enrollment-tickets'],
      ['PATCH', '/users/x'],
    ] as const) {
      expect(await api(method, path, { key: readerKey, ...(method !== 'GET' && { body: {} }) })).toMatchObject({
        status: 403,
      });
    }
    expect((await api('GET', '/users')).body.items).toEqual([]);
  });

  test('keys and what was asked stay out of the log; the line names the trace', async () => {
    const { headers } = await api('GET', '/users?email=alice%40example.test', { key: readerKey });
    await api('GET', '/users'); // the line is written when its answer is out, before the next one is
    const line = server.lines().find((each) => each.trace_id === headers.get('x-trace-id'));
    expect(line).toMatchObject({
      event: 'http.request',
      method: 'GET',
      path: '/management/v1/users',
      status: 200,
      listener: 'management',
    });
    const all = JSON.stringify(server.lines());
    expect(all).not.toContain(readerKey);
    expect(all).not.toContain('alice');
  });
});

describe('Idempotency-Key on creating calls', () => {
  const server = managementForEach();
  const create = (path: string, body: object, key = 'key-1', more: Record<string, string> = {}) =>
    server.api('POST', path, { body, headers: { 'idempotency-key': key, ...more } });

  test('a repeated request gets the same answer and creates nothing more', async () => {
    const first = await create('/users', { username: 'alice' });
    const again = await create('/users', { username: 'alice' });
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect((await server.api('GET', '/users')).body.items).toHaveLength(1);
  });

  test('of many at once one creates; the others get its answer or are told to wait', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => create('/users', { name: 'Alice' })));
    const created = all.filter(({ status }) => status === 201);
    expect(new Set(created.map(({ body }) => body.id)).size).toBe(1);
    for (const { status, body, headers } of all) {
      if (status === 201) continue;
      expect([status, body.code, headers.get('retry-after')]).toEqual([409, 'idempotency_busy', '1']);
    }
    expect((await server.api('GET', '/users')).body.items).toHaveLength(1);
  });

  test('the key with another body, or for another user, is refused', async () => {
    await create('/users', { username: 'alice' });
    expect(await create('/users', { username: 'bob' })).toMatchObject({
      status: 422,
      body: { code: 'idempotency_mismatch' },
    });
    const [a, b] = [await server.user(), await server.user()];
    expect(await create(`/users/${a.id}/enrollment-tickets`, {}, 'key-2')).toMatchObject({ status: 201 });
    expect(await create(`/users/${b.id}/enrollment-tickets`, {}, 'key-2')).toMatchObject({ status: 422 });
  });

  test('a refusal is not kept: put right, the request goes through under the same key', async () => {
    const { id } = await server.user();
    await server.api('POST', `/users/${id}/lock`);
    expect(await create(`/users/${id}/enrollment-tickets`, {})).toMatchObject({ status: 409 });
    await server.api('POST', `/users/${id}/unlock`);
    expect(await create(`/users/${id}/enrollment-tickets`, {})).toMatchObject({ status: 201 });
  });

  test('the key ends after a day, and a key that is no token is refused', async () => {
    await create('/users', { name: 'Alice' });
    server.scene.clock.advance(86_400);
    const later = await create('/users', { name: 'Alice' });
    expect(later.headers.get('idempotent-replayed')).toBeNull();
    for (const key of ['a b', 'a'.repeat(256)]) {
      expect(await create('/users', {}, key)).toMatchObject({
        status: 400,
        body: { invalid_params: [{ name: 'Idempotency-Key' }] },
      });
    }
  });

  test('promise 9: of a stored answer nothing can be read, neither the ticket nor the key nor the person', async () => {
    const { id } = await server.user();
    const { body } = await create(`/users/${id}/enrollment-tickets`, {}, 'a-key-that-is-a-secret');
    await create('/users', { email: 'alice@example.test' }, 'another-key');
    const ticket = new URL(body.ticket_uri).hash.slice(3).split('&')[0]!;
    const { path } = server.scene.place.folder;
    const files = await Promise.all((await readdir(path)).map((name) => readFile(join(path, name))));
    const stored = Buffer.concat(files).toString('latin1');
    expect(stored.length).toBeGreaterThan(0);
    for (const secret of [ticket, body.activation_code, 'a-key-that-is-a-secret', 'alice@example.test']) {
      expect(stored).not.toContain(secret);
    }
  });
});
