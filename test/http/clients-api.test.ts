import configSchema from '../../config/schema.json' with { type: 'json' };
import { clientSchemas } from '../../src/http/management-api/client-schemas.ts';
import { managementForEach, readerKey } from './support/management.ts';

const ciba = 'urn:openid:params:grant-type:ciba';
const poller = { client_name: 'Kiosk', grant_types: [ciba], backchannel_token_delivery_mode: 'poll' };

describe('clients over the management API', () => {
  const server = managementForEach();
  const api = (...call: Parameters<typeof server.api>) => server.api(...call);
  const created = async (body: Record<string, unknown> = poller) => (await api('POST', '/clients', { body })).body;

  test('a client is registered, has an address, and its secret is shown this once', async () => {
    const { status, headers, body } = await api('POST', '/clients', { body: poller });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      ...poller,
      client_id: expect.any(String),
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      client_secret_expires_at: 0,
      assent_source: 'registered',
    });
    expect(headers.get('location')).toBe(`/management/v1/clients/${body.client_id}`);
    const again = await api('GET', `/clients/${body.client_id}`);
    const { client_secret, client_secret_expires_at, ...rest } = body;
    expect(again.body).toEqual(rest);
    expect(JSON.stringify(server.lines())).not.toContain(client_secret);
  });

  test('the same Idempotency-Key gives the same client and the same secret, and makes no second one', async () => {
    const headers = { 'idempotency-key': 'once' };
    const [first, second] = [
      await api('POST', '/clients', { body: poller, headers }),
      await api('POST', '/clients', { body: poller, headers }),
    ];
    expect(second.body).toEqual(first.body);
    expect((await api('GET', '/clients')).body.items).toHaveLength(2);
  });

  test('metadata are replaced, patched, and guarded by their version', async () => {
    const { client_id } = await created({ ...poller, assent_match: 'choose' });
    const path = `/clients/${client_id}`;
    const patched = await api('PATCH', path, { body: { client_name: 'Kiosk 2', assent_match: null } });
    expect(patched.body).toMatchObject({ client_name: 'Kiosk 2' });
    expect(patched.body).not.toHaveProperty('assent_match');
    const ifMatch = { 'if-match': '"1"' };
    expect(await api('PUT', path, { body: poller, headers: ifMatch })).toMatchObject({
      status: 412,
      body: { code: 'stale_version' },
    });
    const replaced = await api('PUT', path, { body: poller, headers: { 'if-match': patched.headers.get('etag')! } });
    expect(replaced).toMatchObject({ status: 200, body: { client_name: 'Kiosk' } });
    expect((await api('PATCH', path, { body: { client_id: 'another' } })).body).toMatchObject({
      code: 'client_metadata_invalid',
      invalid_params: [{ name: 'client_id' }],
    });
  });

  test('a secret is rotated with an overlap that can be seen', async () => {
    const { client_id, client_secret } = await created();
    const { status, body } = await api('POST', `/clients/${client_id}/secret`, { body: { overlap_seconds: 3600 } });
    expect(status).toBe(200);
    expect(body.client_secret).not.toBe(client_secret);
    expect(body.assent_secrets).toEqual([
      { created_at: expect.any(String), expires_at: null },
      { created_at: expect.any(String), expires_at: expect.any(String) },
    ]);
    const { client_id: keyed } = await created({ ...poller, token_endpoint_auth_method: 'private_key_jwt' });
    expect(await api('POST', `/clients/${keyed}/secret`)).toMatchObject({ status: 409 });
  });

  test('a client is switched off and on, and removed for good', async () => {
    const { client_id } = await created();
    const path = `/clients/${client_id}`;
    expect((await api('POST', `${path}/deactivate`)).body).toMatchObject({ assent_active: false });
    expect((await api('POST', `${path}/deactivate`)).status).toBe(200);
    expect((await api('POST', `${path}/activate`)).body).toMatchObject({ assent_active: true });
    expect((await api('DELETE', path)).status).toBe(204);
    expect(await api('GET', path)).toMatchObject({ status: 404, body: { code: 'client_not_found' } });
    expect(await api('DELETE', path)).toMatchObject({ status: 404 });
    expect(await api('POST', '/clients', { body: { ...poller, client_id } })).toMatchObject({
      status: 409,
      body: { code: 'client_exists' },
    });
  });

  test('clients of the configuration can be read and not changed', async () => {
    expect((await api('GET', '/clients/configured')).body).toMatchObject({ assent_source: 'configuration' });
    const changes: [string, string, unknown?][] = [
      ['PATCH', '/clients/configured', {}],
      ['PUT', '/clients/configured', poller],
      ['POST', '/clients/configured/secret'],
      ['POST', '/clients/configured/deactivate'],
      ['DELETE', '/clients/configured'],
    ];
    for (const [method, path, body] of changes) {
      const answer = await api(method, path, body === undefined ? {} : { body });
      expect([path, answer.status, answer.body.code]).toEqual([path, 409, 'client_configured']);
    }
  });

  test('B06 a client’s delivery log is paged, newest first, with cursors of this very list', async () => {
    const { client_id: clientId } = await created();
    const at = server.scene.clock.now();
    for (const attempt of [1, 2, 3]) {
      await server.scene.deliveries.append({
        id: `00x.notify.${attempt}`,
        clientId,
        operationId: '00x',
        mode: 'ping',
        attempt,
        at,
        ...(attempt < 3 ? { outcome: 'failed', reason: 'no_answer' } : { outcome: 'delivered', status: 204, ms: 7 }),
      });
    }
    const path = `/clients/${clientId}/deliveries`;
    const first = await api('GET', `${path}?limit=2`);
    expect(first.body.items).toEqual([
      {
        operation_id: '00x',
        mode: 'ping',
        attempt: 3,
        outcome: 'delivered',
        status: 204,
        reason: null,
        duration_ms: 7,
        at: new Date(at).toISOString(),
      },
      expect.objectContaining({ attempt: 2, outcome: 'failed', status: null, reason: 'no_answer', duration_ms: null }),
    ]);
    const cursor = encodeURIComponent(first.body.next_cursor);
    expect((await api('GET', `${path}?limit=2&cursor=${cursor}`)).body).toMatchObject({
      items: [{ attempt: 1 }],
      next_cursor: null,
    });
    expect((await api('GET', '/clients/configured/deliveries')).body).toEqual({ items: [], next_cursor: null });
    expect((await api('GET', `/clients/configured/deliveries?cursor=${cursor}`)).status).toBe(400);
    expect((await api('GET', '/clients/nobody/deliveries')).status).toBe(404);
  });

  test('what is no metadata is refused with its name, and nothing is made', async () => {
    const answer = await api('POST', '/clients', { body: { ...poller, client_nmae: 'x', assent_match: 'guess' } });
    expect(answer.status).toBe(400);
    expect(answer.body.invalid_params.map(({ name }: { name: string }) => name).sort()).toEqual([
      'assent_match',
      'client_nmae',
    ]);
    expect((await api('GET', '/clients')).body.items).toHaveLength(1);
  });

  test('TH-18 a secret for each name under which notifications are signed, and for nobody who may only read', async () => {
    const { client_id } = await created({ ...poller, assent_notification_keys: ['2026-11', '2026-08'] });
    const path = `/clients/${client_id}/notification-secrets`;
    const { status, body } = await api('GET', path);
    expect([status, body.items.map(({ name }: { name: string }) => name)]).toEqual([200, ['2026-11', '2026-08']]);
    for (const { secret } of body.items) expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(body.items[0].secret).not.toBe(body.items[1].secret);
    expect((await api('GET', path)).body).toEqual(body);
    expect(JSON.stringify((await api('GET', `/clients/${client_id}`)).body)).not.toContain('whsec_');
    expect(await api('GET', path, { key: readerKey })).toMatchObject({ status: 403 });
    expect(await api('GET', '/clients/nobody/notification-secrets')).toMatchObject({ status: 404 });
    for (const names of [['a', 'b', 'c'], ['a', 'a'], [''], ['a b'], 'a', [1]]) {
      const wrong = await api('POST', '/clients', { body: { ...poller, assent_notification_keys: names } });
      expect(wrong).toMatchObject({ status: 400 });
      expect(JSON.stringify(wrong.body.invalid_params)).toContain('assent_notification_keys');
    }
  });

  test('a key without the scope learns nothing', async () => {
    expect(await api('GET', '/clients', { key: readerKey })).toMatchObject({ status: 403 });
    expect(await api('POST', '/clients', { key: readerKey, body: poller })).toMatchObject({ status: 403 });
  });
});

test('what may stand in the configuration may be registered, but for secrets', () => {
  const configured = Object.keys(configSchema.$defs.ClientMetadata.properties);
  const registrable = Object.keys(clientSchemas.ClientMetadata.properties);
  expect(registrable.sort()).toEqual(configured.filter((name) => !name.startsWith('client_secret')).sort());
});
