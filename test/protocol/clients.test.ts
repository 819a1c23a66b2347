import { ClientMetadataError } from '../../src/protocol/protocol.ts';
import { buildEngine } from '../../src/protocol/provider.ts';
import { aClient, CIBA, claimsOf, openProtocol, protocolForEach, withAlice } from './scene.ts';

async function problemsOf(...clients: Record<string, unknown>[]): Promise<string[]> {
  try {
    await openProtocol({ clients: clients.map((client, i) => aClient(`client-${i}`, client)) });
  } catch (error) {
    if (error instanceof ClientMetadataError)
      return error.problems.map(({ setting, message }) => `${setting}: ${message}`);
    throw error;
  }
  return [];
}

describe('clients are checked when the server starts', () => {
  test('all problems of all clients come at once, with the setting that holds them', async () => {
    const problems = await problemsOf(
      { backchannel_token_delivery_mode: undefined },
      {},
      { client_secret: undefined },
      { assent_match: 'guess' },
      { grant_types: ['password'] },
    );
    expect(problems).toEqual([
      expect.stringMatching(/^clients\[0\] \(client-0\): backchannel_token_delivery_mode is mandatory/),
      expect.stringMatching(/^clients\[2\] \(client-2\): client_secret is mandatory/),
      expect.stringMatching(/^clients\[3\] \(client-3\): assent_match must be one of none, choose/),
      expect.stringMatching(/^clients\[4\] \(client-4\): grant_types can only contain/),
    ]);
  });

  test('one name is one client', async () => {
    expect(await problemsOf({ client_id: 'twin' }, { client_id: 'twin' })).toEqual([
      'clients[1] (twin): client_id is taken already',
    ]);
  });

  test('C-01 the CIBA grant needs a delivery mode that the server has', async () => {
    expect(await problemsOf({ backchannel_token_delivery_mode: 'push' })).toHaveLength(1);
    expect(await problemsOf({ backchannel_token_delivery_mode: undefined })).toHaveLength(1);
  });

  test('C-08 a client that does not authenticate is refused', async () => {
    expect(await problemsOf({ token_endpoint_auth_method: 'none', client_secret: undefined })).toHaveLength(1);
  });

  test('C-09 a client needs no redirect URIs and no response types', async () => {
    const scene = await openProtocol({ clients: [aClient('helpdesk', { grant_types: [CIBA] })] });
    await scene.close();
  });

  test('a pairwise client names its keys by address and authenticates with them', async () => {
    expect(await problemsOf({ subject_type: 'pairwise' })).toHaveLength(1);
  });
});

test('I-03 C-10 pairwise clients see a sub of their own, the same for one sector and no other', async () => {
  const pairwise = (client_id: string, host: string) =>
    aClient(client_id, {
      client_secret: undefined,
      subject_type: 'pairwise',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: `https://${host}/jwks.json`,
    });
  const called = (mode: string) => ({
    backchannel_token_delivery_mode: mode,
    backchannel_client_notification_endpoint: 'https://two.example/cb',
  });
  const clients = [
    pairwise('a', 'one.example'),
    pairwise('b', 'one.example'),
    pairwise('c', 'two.example'),
    // where it is pushed to counts, not where its keys are
    { ...pairwise('d', 'one.example'), ...called('push') },
    // and where a ping goes does not
    { ...pairwise('e', 'one.example'), ...called('ping') },
    { ...pairwise('f', 'one.example'), token_endpoint_auth_method: 'self_signed_tls_client_auth' },
  ];
  const mtls = { origin: 'https://mtls.op.example', peerCertificateOf: () => undefined };
  const scene = await openProtocol({ clients, overrides: () => ({ mtls }) });
  const { provider } = buildEngine(scene.deps, new WeakMap());
  const subOf = async (clientId: string) => {
    const client = (await provider.Client.find(clientId))!;
    const token = new provider.IdToken({ sub: 'user' }, { client, ctx: undefined as never });
    Object.assign(token, { scope: 'openid' });
    return claimsOf(await token.issue({ use: 'idtoken' }))['sub'];
  };
  const [a, b, c, d, e, f] = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(subOf));
  expect([b, e, f]).toEqual([a, a, a]);
  expect(a).not.toBe(c);
  expect(d).toBe(c);
  expect([a, c]).not.toContain('user');
  await scene.close();
});

describe('reload', () => {
  const scene = protocolForEach();

  test('a client that is added is known at once, and requests of before stay', async () => {
    await withAlice(scene);
    const { body } = await scene.client('helpdesk').authenticate();
    scene.clients.push(aClient('new'));
    expect((await scene.client('new').authenticate()).status).toBe(401);
    await scene.protocol.reload({ clients: scene.clients });
    expect((await scene.client('new').authenticate()).status).toBe(200);
    expect((await scene.client('helpdesk').poll(body.auth_req_id)).body.error).toBe('authorization_pending');
  });

  test('a mistake changes nothing', async () => {
    await withAlice(scene);
    await expect(scene.protocol.reload({ clients: [aClient('broken', { client_secret: undefined })] })).rejects.toThrow(
      ClientMetadataError,
    );
    expect((await scene.client('helpdesk').authenticate()).status).toBe(200);
  });

  test('no request is dropped while it happens', async () => {
    await withAlice(scene);
    const client = scene.client('helpdesk');
    const { body } = await client.authenticate();
    const polls = Array.from({ length: 100 }, async (_, i) => {
      if (i % 10 === 0) await scene.protocol.reload();
      return client.poll(body.auth_req_id);
    });
    const codes = new Set((await Promise.all(polls)).map((reply) => reply.body.error));
    expect([...codes].sort()).toEqual(['authorization_pending', 'slow_down']);
  });
});
