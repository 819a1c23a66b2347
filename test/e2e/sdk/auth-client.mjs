// @ts-nocheck: a program as users of the package write it in plain JavaScript
// A backend with `@auth0/auth0-auth-js` as npm has it: what auth0 7 sends its users to for everything but management.
import { AuthClient } from '@auth0/auth0-auth-js';
import { decide, domain, print, userId } from './program.mjs';

const client = new AuthClient({
  domain,
  clientId: process.env.CLIENT_ID,
  clientSecret: process.env.CLIENT_SECRET,
});
const asking = {
  bindingMessage: 'Order 4721',
  loginHint: { sub: userId },
  requestedExpiry: 120,
  authorizationDetails: [
    {
      type: 'payment_initiation',
      instructedAmount: { amount: '12.50', currency: 'EUR' },
      creditorName: 'Merchant A',
    },
  ],
  authorizationParams: { audience: 'https://payments.example.test', scope: 'openid payments:write' },
};
const refusal = ({ code, cause, statusCode }) => ({ code, error: cause.error, statusCode });

const started = await client.initiateBackchannelAuthentication(asking);
print('started', started);
const grant = ({ authReqId }) => client.backchannelAuthenticationGrant({ authReqId });
print('pending', await grant(started).catch(refusal));
await decide(started.authReqId, 'allow');
print('tokens', await grant(started));

const denied = await client.initiateBackchannelAuthentication(asking);
await decide(denied.authReqId, 'deny');
print('denied', await grant(denied).catch(refusal));
