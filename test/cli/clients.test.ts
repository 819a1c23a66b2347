import { runCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(async () => server[Symbol.asyncDispose]());

const cli = (...args: string[]) => runCli([...args, '--json'], { env: server.env });

test('a client is registered, gets another secret, and is switched off and on', async () => {
  const created = (await cli('client', 'create', 'Kiosk', '--metadata', '{"assent_match":"choose"}')).json();
  expect(created).toMatchObject({ client_name: 'Kiosk', assent_match: 'choose', client_secret: expect.any(String) });
  const id = created.client_id;
  const rotated = (await cli('client', 'secret', id, '--overlap', '60')).json();
  expect(rotated.client_secret).not.toBe(created.client_secret);
  expect(rotated.assent_secrets).toHaveLength(2);
  expect((await cli('client', 'notification-secrets', id)).json()).toEqual({ items: [] });
  expect((await cli('client', 'deactivate', id)).json()).toMatchObject({ assent_active: false });
  expect((await cli('client', 'activate', id)).json()).toMatchObject({ assent_active: true });
  expect((await cli('client', 'show', id)).json()).not.toHaveProperty('client_secret');
  const { items } = (await cli('client', 'list')).json();
  expect(items.at(0)).toMatchObject({ assent_source: 'configuration' });
  expect(items.at(-1)).toMatchObject({ client_id: id, assent_source: 'registered' });
});

test('what cannot be is told, and changes nothing', async () => {
  expect(await cli('client', 'create', 'Kiosk', '--metadata', 'x')).toMatchObject({ status: 2 });
  const configured = await cli('client', 'deactivate', 'demo-tv');
  expect([configured.status, configured.json().error.code]).not.toEqual([0, undefined]);
  expect(configured.json().error.code).toBe('client_configured');
  expect((await cli('client', 'show', 'nobody')).status).not.toBe(0);
});

test('keys are rotated from a terminal', async () => {
  const { items } = (await cli('key', 'rotate', '--alg', 'ES256')).json();
  const states = items
    .filter(({ use, alg }: { use: string; alg: string }) => use === 'oidc' && alg === 'ES256')
    .map(({ state }: { state: string }) => state);
  expect(states.sort()).toEqual(['current', 'next']);
  const sealed = (await cli('key', 'rotate', '--use', 'seal')).json().items;
  expect(sealed.filter(({ use }: { use: string }) => use === 'seal')).toHaveLength(2);
});

test('master keys are listed and rotated from a terminal, and the one in use is not forgotten', async () => {
  const { in_use, slots, generations } = (await cli('key', 'master')).json();
  expect(slots).toMatchObject([{ id: in_use }]);
  expect((await cli('key', 'rotate-master')).json().generations).toHaveLength(generations.length + 1);
  const refused = await cli('key', 'forget-master', in_use);
  expect([refused.status, refused.json().error.code]).toEqual([2, 'master_key_in_use']);
  const shown = await runCli(['key', 'master'], { env: server.env });
  expect(shown.stdout).toContain(in_use);
});
