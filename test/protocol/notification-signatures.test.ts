import { readFileSync } from 'node:fs';
import { jest } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { notificationSecret } from '../../src/domain/notification-secrets.ts';
import type { Received } from '../support/receiver.ts';
import { notifiedForEach } from './notified.ts';
import { type Alice, aClient, answer, withAlice } from './scene.ts';

/** The receiver that our documentation gives away, as it stands there. */
const sample = /```js\n([\s\S]*?)```/.exec(readFileSync('docs/notifications.md', 'utf8'))![1]!;
const { verified } = await import(`data:text/javascript,${encodeURIComponent(sample)}`);

const scene = notifiedForEach({
  clients: ({ url }) =>
    [undefined, ['new'], ['new', 'old']].map((names, i) =>
      aClient(`shop-${i}`, {
        backchannel_token_delivery_mode: 'ping',
        backchannel_client_notification_endpoint: url,
        ...(names && { assent_notification_keys: names }),
      }),
    ),
});
let alice: Alice;
beforeEach(async () => void (alice = await withAlice(scene)));
afterEach(() => void jest.restoreAllMocks());

const secret = (client: string, name: string) => notificationSecret(scene.deps.secrets, client, name);

async function pinged(client: string): Promise<Received> {
  const { body } = await scene.client(client).authenticate({ client_notification_token: 'token-0123456789' });
  await answer(scene, alice, body.auth_req_id);
  return (await scene.receiver.until(scene.receiver.received.length + 1)).at(-1)!;
}

/** Standard Webhooks’ own library knows no clock but the machine’s. */
function byLibrary(key: string, { text, headers }: Received, now = scene.clock.now()): unknown {
  jest.spyOn(Date, 'now').mockReturnValue(now);
  try {
    return new Webhook(key).verify(text, headers as Record<string, string>);
  } finally {
    jest.restoreAllMocks();
  }
}

test('TH-18 a client that named a key can tell that a notification is ours, whole and of now', async () => {
  const call = await pinged('shop-1');
  const key = secret('shop-1', 'new');
  expect(byLibrary(key, call)).toEqual(call.body);
  expect(() => byLibrary(key, { ...call, text: call.text.replace('{', '{ ') })).toThrow('No matching signature');
  expect(() => byLibrary(key, call, scene.clock.now() + 301_000)).toThrow('too old');
  expect(() => byLibrary(secret('shop-2', 'new'), call)).toThrow('No matching signature');
  expect(() => byLibrary(secret('shop-1', 'old'), call)).toThrow('No matching signature');
});

test('TH-18 the receiver of the documentation takes it once, and refuses what is altered, old or not signed', async () => {
  const { text, headers } = await pinged('shop-1');
  const secrets = [secret('shop-1', 'new')];
  const now = scene.clock.now() / 1000;
  expect(() => verified({ headers, text: `${text} `, secrets, now })).toThrow('not signed under a secret of ours');
  const later = { ...headers, 'webhook-timestamp': String(Math.floor(now) + 1) };
  expect(() => verified({ headers: later, text, secrets, now })).toThrow('not signed under a secret of ours');
  const { 'webhook-signature': _none, ...unsigned } = headers;
  expect(() => verified({ headers: unsigned, text, secrets, now })).toThrow('not signed under a secret of ours');
  expect(() => verified({ headers, text, secrets, now: now + 301 })).toThrow('too old');
  expect(verified({ headers, text, secrets, now })).toEqual(JSON.parse(text));
  expect(verified({ headers, text, secrets, now: now + 60 })).toBeUndefined();
});

test('TH-18 while two keys are named, receivers with either secret are served', async () => {
  const call = await pinged('shop-2');
  for (const name of ['new', 'old']) expect(byLibrary(secret('shop-2', name), call)).toEqual(call.body);
});

test('promise 7: an attempt that failed comes again under the same id, signed anew', async () => {
  scene.receiver.answers(503, 204);
  const first = await pinged('shop-1');
  await scene.later(60);
  const second = scene.receiver.received.at(-1)!;
  expect(scene.receiver.received).toHaveLength(2);
  expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
  expect(second.headers['webhook-timestamp']).not.toBe(first.headers['webhook-timestamp']);
  expect(byLibrary(secret('shop-1', 'new'), second, Number(second.headers['webhook-timestamp']) * 1000)).toEqual(
    second.body,
  );
});

test('a client that named none gets an id to know repetitions by, and no signature', async () => {
  const { headers } = await pinged('shop-0');
  expect(headers).toHaveProperty('webhook-id');
  expect(headers).not.toHaveProperty('webhook-signature');
});
