import { managementForAll } from './support/management.ts';

describe('what the management API refuses', () => {
  const server = managementForAll();
  const api = (...call: Parameters<typeof server.api>) => server.api(...call);

  test.each([
    ['a list', { a: [1] }, 'attributes.a'],
    ['an object', { a: { b: 1 } }, 'attributes.a'],
    ['a text of 1025 characters', { a: 'x'.repeat(1025) }, 'attributes.a'],
    ['a name that is empty', { '': 1 }, 'attributes'],
    ['65 of them', Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`a${i}`, 1])), 'attributes'],
  ])('F009 %s is refused by name and changes nothing', async (_name, attributes, name) => {
    const refused = await api('POST', '/users', { body: { username: 'carol', attributes } });
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(refused.body.invalid_params[0]).toMatchObject({
      name: expect.stringContaining(name),
      reason: expect.any(String),
    });
    expect((await api('GET', '/users?username=carol')).body.items).toEqual([]);
  });

  test.each([
    ['no JSON', '{"name":', 400, 'bad_request'],
    ['a list', '[]', 400, 'bad_request'],
    ['a text', '"x"', 400, 'bad_request'],
    ['a member named twice', '{"name":"a","name":"b"}', 400, 'bad_request'],
    ['a member named __proto__', '{"__proto__":{"x":1}}', 400, 'bad_request'],
    ['33 levels', `{"a":${'['.repeat(32)}${']'.repeat(32)}}`, 400, 'bad_request'],
    ['more than 56 KiB', JSON.stringify({ name: 'a'.repeat(57_344) }), 413, 'payload_too_large'],
    ['an unknown member', '{"usename":"x"}', 400, 'invalid_request'],
    ['another type', '{"name":7}', 400, 'invalid_request'],
    ['the state', '{"state":"locked"}', 400, 'invalid_request'],
    ['a user name with a blank', '{"username":"a b"}', 400, 'invalid_request'],
    ['no e-mail address', '{"email":"x"}', 400, 'invalid_request'],
    ['no phone number', '{"phone":"12345"}', 400, 'invalid_request'],
    [
      'a day that does not exist',
      '{"proofing":[{"mechanism":"x","at":"2026-02-30T00:00:00Z"}]}',
      400,
      'invalid_request',
    ],
  ])('a new user from %s is refused with a stable code, and nobody is added', async (_name, body, status, code) => {
    const refused = await api('POST', '/users', { body });
    expect(refused).toMatchObject({ status, body: { code, type: `urn:assent:problem:${code}`, status } });
    if (code === 'invalid_request')
      expect(refused.body.invalid_params).toEqual([{ name: expect.any(String), reason: expect.any(String) }]);
    expect((await api('GET', '/users')).body.items).toEqual([]);
  });

  test('another kind of body is 415 and says which one is understood', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16', '']) {
      const refused = await api('POST', '/users', { body: '{}', headers: { 'content-type': type } });
      expect(refused).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
      expect(refused.headers.get('accept')).toBe('application/json');
    }
  });

  test('a user that is not there is 404, whatever its id looks like', async () => {
    for (const id of ['aaAAAAAAAAAAAAAAAAAAAAAA', 'x', '..%2f..', '%00', 'a'.repeat(300), 'zz/']) {
      expect((await api('GET', `/users/${id}`)).status).toBe(404);
    }
    expect(await api('PATCH', '/users/x', { body: { name: 'a' } })).toMatchObject({
      status: 404,
      body: { code: 'user_not_found' },
    });
    expect(await api('GET', '/users/x/devices')).toMatchObject({ status: 404 });
  });

  test('a known path with another method is 405 and says which ones there are', async () => {
    const wrong = await api('DELETE', '/users/x');
    expect([wrong.status, wrong.body.code, wrong.headers.get('allow')]).toEqual([
      405,
      'method_not_allowed',
      'GET, HEAD, PATCH',
    ]);
    expect((await api('PUT', '/users')).headers.get('allow')).toBe('GET, HEAD, POST');
    expect((await api('OPTIONS', '/users')).status).toBe(405);
    expect((await api('GET', '/users/x/operations')).status).toBe(404);
  });
});
