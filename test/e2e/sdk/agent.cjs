// @ts-nocheck: a program as users of the package write it in plain JavaScript
// An agent's tool with `@auth0/ai` as npm has it. (Its ESM half is for bundlers: Node itself loads the other.)
const { AsyncAuthorizerBase, getAsyncAuthorizationCredentials } = require('@auth0/ai/AsyncAuthorization');
const { AccessDeniedInterrupt, AuthorizationPendingInterrupt } = require('@auth0/ai/interrupts');
const { MemoryStore } = require('@auth0/ai/stores');

async function main() {
  const { decide, domain, print, userId } = await import('./program.mjs');
  const auth0 = { domain, clientId: process.env.CLIENT_ID, clientSecret: process.env.CLIENT_SECRET };
  const order = async ({ quantity }) => ({ ordered: quantity, token: getAsyncAuthorizationCredentials()?.accessToken });
  const asking = {
    userID: async () => userId,
    bindingMessage: async ({ quantity }) => `Order ${quantity} shares`,
    scopes: ['openid', 'payments:write'],
    audience: 'https://payments.example.test',
    authorizationDetails: async ({ quantity }) => [
      {
        type: 'payment_initiation',
        instructedAmount: { amount: `${quantity}.00`, currency: 'EUR' },
        creditorName: 'Broker',
      },
    ],
    requestedExpiry: 120,
  };
  const toolOf = (options) =>
    new AsyncAuthorizerBase(auth0, { ...asking, store: new MemoryStore(), ...options }).protect(
      () => ({ threadID: 'thread', toolCallID: 'call', toolName: 'order' }),
      order,
    );

  // the tool waits
  const blocking = toolOf({
    onAuthorizationRequest: async (request) => {
      print('request', request);
      await decide(request.id, 'allow');
    },
  });
  print('blocking', await blocking({ quantity: 7 }));

  // the tool is interrupted, and called again when the person has decided
  const interrupting = toolOf({ onAuthorizationRequest: 'interrupt' });
  const interrupt = await interrupting({ quantity: 8 }).catch((error) => error);
  print('interrupt', { code: interrupt.code, isPending: interrupt instanceof AuthorizationPendingInterrupt });
  await decide(interrupt.request.id, 'allow');
  print('resumed', await interrupting({ quantity: 8 }));

  const refused = toolOf({
    onAuthorizationRequest: (request) => decide(request.id, 'deny'),
    onUnauthorized: async (error) => ({ code: error.code, isDenial: error instanceof AccessDeniedInterrupt }),
  });
  print('refused', await refused({ quantity: 9 }));
}

void main();
