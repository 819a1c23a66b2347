import { issueSession, openSession } from '../../../src/domain/device-messages/index.ts';
import { newId } from '../../../src/support/ids.ts';
import { createSecrets } from '../../../src/support/secrets.ts';

const secrets = createSecrets(Buffer.alloc(32, 1));
const deviceId = newId('7f');
const now = Date.parse('2030-01-01T00:00:00Z');

test('a session opens to its device and key until it ends, on any process with the master key', () => {
  const { id, key, exp } = issueSession(secrets, { deviceId, now });
  expect(exp).toBe(now / 1000 + 3600);
  const opened = openSession(createSecrets(Buffer.alloc(32, 1)), id, now + 3_599_999);
  expect(opened).toMatchObject({ deviceId, exp });
  expect(opened?.key.toString('base64url')).toBe(key);
  expect(opened?.key).toHaveLength(32);
  expect(openSession(secrets, id, now + 3_600_000)).toBeUndefined();
});

test('no session lives longer than an hour, whatever is asked for', () => {
  expect(issueSession(secrets, { deviceId, now, lifetimeSeconds: 86_400 }).exp).toBe(now / 1000 + 3600);
  expect(issueSession(secrets, { deviceId, now, lifetimeSeconds: 60 }).exp).toBe(now / 1000 + 60);
});

test('two sessions of one device have two keys, and the id shows neither device nor key', () => {
  const [first, second] = [issueSession(secrets, { deviceId, now }), issueSession(secrets, { deviceId, now })];
  expect(first.key).not.toBe(second.key);
  expect(Buffer.from(first.id.split('.')[1]!, 'base64url').toString('latin1')).not.toContain(deviceId);
});

test('ids that were changed, made up, or sealed for something else or by another server open to nothing', () => {
  const { id } = issueSession(secrets, { deviceId, now });
  const foreign = issueSession(createSecrets(Buffer.alloc(32, 2)), { deviceId, now }).id;
  const other = secrets.seal('device-session', `${now}.${deviceId}`, 'record');
  const damaged = id.slice(0, -4) + (id.endsWith('AAAA') ? 'BBBB' : 'AAAA');
  for (const text of ['', '.', 'session', damaged, `${id}AA`, foreign, other])
    expect(openSession(secrets, text, now)).toBeUndefined();
});

test.each(['x', 'x.y', '99999999999', '99999999999.', '99999999999.nobody', `-1.${deviceId}`])(
  'content that is no session, sealed as one: %j',
  (content) => {
    expect(openSession(secrets, secrets.seal('device-session', content, 'session'), now)).toBeUndefined();
  },
);
