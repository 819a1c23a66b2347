/**
 * What somebody would write who takes oidc-provider and a Redis, and needs CIBA in poll mode: the same client, the same
 * client authentication, ES256 ID tokens, opaque tokens, the hooks as short as they can be. It does nothing of what Assent
 * adds: no devices, no pacing, no atomic redemption, nothing sealed, nothing logged.
 *
 *     node bench/peer/server.ts <port> <redis url> [<more clients, JSON>]
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { Redis } from 'ioredis';
import Provider from 'oidc-provider';
import { benchClient, paths } from '../client.ts';
import { redisAdapter } from './adapter.ts';

const [port, redisUrl, moreClients = '[]'] = process.argv.slice(2) as [string, string, string?];
const redis = new Redis(redisUrl);
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'id-token', alg: 'ES256', use: 'sig' };

const provider = new Provider(`http://localhost:${port}`, {
  adapter: redisAdapter(redis),
  jwks: { keys: [jwk as never] },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  clients: [benchClient, ...JSON.parse(moreClients)].map((client) => ({
    token_endpoint_auth_method: 'client_secret_basic',
    ...client,
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: 'ES256',
  })),
  scopes: ['openid', 'offline_access'],
  responseTypes: [],
  async findAccount(_ctx, id) {
    const user = await redis.get(`user:${id}`);
    return user === null ? undefined : { accountId: id, claims: () => ({ sub: id, ...JSON.parse(user) }) };
  },
  ttl: { AccessToken: 900, IdToken: 3600, RefreshToken: 14 * 24 * 3600, Grant: 15 * 24 * 3600 },
  routes: { backchannel_authentication: paths.start, token: paths.token },
  features: {
    ciba: {
      enabled: true,
      deliveryModes: ['poll'],
      processLoginHint: (_ctx, hint) => hint!,
      processLoginHintToken() {},
      validateBindingMessage() {},
      validateRequestContext() {},
      verifyUserCode() {},
      triggerAuthenticationDevice() {},
    },
    devInteractions: { enabled: false },
  },
});

async function approve(authReqId: string): Promise<void> {
  const request = await provider.BackchannelAuthenticationRequest.find(authReqId);
  if (!request) throw new Error('no such request');
  const grant = new provider.Grant({ accountId: request.accountId!, clientId: request.clientId! });
  grant.addOIDCScope('openid offline_access');
  await grant.save();
  const proved = { acr: 'two-factor', amr: ['swk', 'pin', 'mfa'], authTime: Math.floor(Date.now() / 1000) };
  await provider.backchannelResult(request, grant, proved);
}

process.on('message', async (message: { users?: string[]; approve?: string[] }) => {
  const { users = [], approve: approved = [] } = message;
  await Promise.all(users.map((user) => redis.set(`user:${user}`, JSON.stringify({ name: `User ${user}` }))));
  for (let i = 0; i < approved.length; i += 50) await Promise.all(approved.slice(i, i + 50).map(approve));
  process.send!('done');
});
// whoever started it is gone
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => process.exit());

createServer(provider.callback()).listen(Number(port), '127.0.0.1');
