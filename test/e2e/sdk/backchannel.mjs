// @ts-nocheck: a program as users of the package write it in plain JavaScript
// A backend with the `auth0` package as npm has it: what a user of that package writes, and a domain.
import { AuthenticationClient } from 'auth0';
import { decide, domain, print, userId } from './program.mjs';

const auth0 = new AuthenticationClient({
  domain,
  clientId: process.env.CLIENT_ID,
  clientSecret: process.env.CLIENT_SECRET,
});
const refusal = (error) => ({
  name: error.name,
  error: error.error,
  description: error.error_description,
  status: error.statusCode,
  retryAfter: error.headers?.get('retry-after'),
});
const grant = (auth_req_id) => auth0.backchannel.backchannelGrant({ auth_req_id }).catch(refusal);

// the whole of what `authorize` takes
const started = await auth0.backchannel.authorize({
  userId,
  binding_message: 'Order 4711',
  scope: 'openid profile payments:write',
  audience: 'https://payments.example.test',
  requested_expiry: '120',
  authorization_details: JSON.stringify([
    {
      type: 'payment_initiation',
      instructedAmount: { amount: '12.50', currency: 'EUR' },
      creditorName: 'Merchant A',
    },
  ]),
});
print('started', started);
print('first', await grant(started.auth_req_id));
print('tooFast', await grant(started.auth_req_id));
await decide(started.auth_req_id, 'allow');
print('tokens', await grant(started.auth_req_id));
print('again', await grant(started.auth_req_id));

const denied = await auth0.backchannel.authorize({ userId, binding_message: 'Order 4712', scope: 'openid' });
await decide(denied.auth_req_id, 'deny');
print('denied', await grant(denied.auth_req_id));

const unknown = { userId: 'auth0|nobody', binding_message: 'Order 4713', scope: 'openid' };
print('unknown', await auth0.backchannel.authorize(unknown).catch(refusal));
