import { PassThrough } from 'node:stream';
import { createLog, type LogFields, type LogLevel } from '../../src/observability/log.ts';
import { traceOf, withTrace } from '../../src/observability/trace.ts';

/** What one event looks like in the log, as text and parsed. */
function logged(event: string, fields?: LogFields, level: LogLevel = 'info') {
  const stream = new PassThrough();
  createLog({ level: 'debug', stream, now: () => Date.parse('2030-01-01T00:00:00Z') })[level](event, fields);
  const text = String(stream.read() ?? '');
  return { text, line: text === '' ? undefined : JSON.parse(text) };
}

test('one event is one JSON line with time, level, name and fields', () => {
  const { text, line } = logged('operation.decided', { operationId: 'a3f', decision: 'approved', ms: 12 });
  expect(text.match(/\n/g)).toHaveLength(1);
  expect(line).toEqual({
    time: '2030-01-01T00:00:00.000Z',
    level: 'info',
    event: 'operation.decided',
    operationId: 'a3f',
    decision: 'approved',
    ms: 12,
  });
});

test('a line carries the trace of the request that caused it', async () => {
  const trace = traceOf('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
  const { line } = await withTrace(trace, async () => {
    await Promise.resolve();
    return logged('x');
  });
  expect(line.trace_id).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
});

test('events below the level are not written', () => {
  const stream = new PassThrough();
  const log = createLog({ level: 'warn', stream });
  log.info('quiet');
  log.warn('loud');
  expect(String(stream.read())).toMatch(/^[^\n]*"loud"[^\n]*\n$/);
});

describe('TH-22 secrets in logs', () => {
  const canary = 'cAnArY0123456789_-abcdefghijk';
  const jwt = `eyJhbGciOiJFUzI1NiJ9.${canary}.${canary}`;

  test.each([
    'authorization',
    'Authorization',
    'cookie',
    'set-cookie',
    'auth_req_id',
    'authReqId',
    'client_secret',
    'clientSecret',
    'client_assertion',
    'access_token',
    'refreshToken',
    'id_token_hint',
    'login_hint',
    'pushToken',
    'user_code',
    'code',
    'pin',
    'newPin',
    'matchCode',
    'ticket',
    'phone',
    'email',
    'masterKey',
    'private_key',
    'binding_message',
    'd',
  ])('a canary under the key %s does not reach the log', (key) => {
    expect(logged('x', { [key]: canary, deep: [{ [key]: { inner: canary } }] }).text).not.toContain(canary);
  });

  test.each([
    ['a JWT', `rejected ${jwt}!`],
    ['a JWE', `got eyJhbGciOiJkaXIifQ..${canary}.${canary}.${canary} from the device`],
    ['a bearer header', `header was Bearer ${canary}`],
    ['a basic header', `basic ${canary}==`],
    ['a password in an address', `redis://user:${canary}@redis:6379/0`],
    ['a token in a query', `GET /cb?state=1&access_token=${canary}`],
    ['a ticket in a query', `http://localhost:3002/#t=${canary}`],
    ['an auth_req_id in a query', `DELETE /bc-authorize?auth_req_id=${canary}`],
    ['an e-mail address', `no user ${canary}@example.test here`],
    ['a private key', `-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----`],
  ])('%s in the middle of a text does not reach the log', (_title, text) => {
    const places = { note: text, list: [text], error: new Error(text, { cause: new Error(text) }), [text]: 1 };
    expect(logged(text, places, 'error').text).not.toContain(canary);
  });

  test('a phone number in a text does not reach the log, a number that is none does', () => {
    const { line } = logged('x', { note: 'sms to +31612345678 failed', at: 1893456000, zone: 'UTC+2' });
    expect(line).toMatchObject({ note: 'sms to [phone] failed', at: 1893456000, zone: 'UTC+2' });
  });

  test('what tells nothing about a secret stays readable', () => {
    const fields = { pin: true, token: null, codeLength: 6, userId: 'u1', code: 'device_locked', url: '/x?limit=5' };
    expect(logged('x', fields).line).toMatchObject({
      code: 'device_locked',
      url: '/x?limit=5',
      pin: true,
      token: null,
      codeLength: 6,
      userId: 'u1',
    });
  });
});

describe('TH-22 log injection', () => {
  test('input with a line break and a false event stays one line', () => {
    const { text, line } = logged('x', { note: 'a\n{"level":"error","event":"fake"}\r\n' });
    expect(text.match(/\n/g)).toHaveLength(1);
    expect(line.event).toBe('x');
  });

  test('control characters, direction overrides and separators are escaped', () => {
    const nasty = '\u001b[31m\u007f\u0085\u009b\u2028\u2029\u202e\u2066\u200b\ufeff';
    const { text, line } = logged('x', { note: nasty });
    expect(text.trimEnd()).toMatch(/^[\x20-\x7e]+$/);
    expect(line.note).toBe(nasty);
  });

  test('a field cannot pretend to be another event', () => {
    expect(logged('x', { event: 'fake', level: 'error', time: 'never' }).line).toMatchObject({
      event: 'x',
      level: 'info',
      time: '2030-01-01T00:00:00.000Z',
    });
  });
});

describe('anything can be logged', () => {
  test('circles, errors with causes, big numbers, bytes, maps and functions', () => {
    const circle: Record<string, unknown> = { name: 'circle', big: 1n, bytes: Buffer.from(new Uint8Array(5)) };
    circle.self = circle;
    const error = Object.assign(new TypeError('outer', { cause: new RangeError('inner') }), { code: 'ECONNREFUSED' });
    const { line } = logged('x', { circle, error, map: new Map([['a', 1]]), fn: () => 1, date: new Date(Number.NaN) });
    expect(line).toMatchObject({
      circle: { self: '[circular]', big: '1', bytes: '[5 bytes]' },
      error: {
        error: 'TypeError',
        message: 'outer',
        errorCode: 'ECONNREFUSED',
        cause: { error: 'RangeError', message: 'inner' },
      },
      map: [['a', 1]],
      fn: '[function]',
      date: '[no date]',
    });
  });

  test('endless texts and depths are cut', () => {
    let deep: unknown = 'bottom';
    for (let level = 0; level < 100; level++) deep = { deep };
    const { text } = logged('x', { deep, long: 'x'.repeat(100_000), wide: Array.from({ length: 10_000 }, () => 1) });
    expect(text.length).toBeLessThan(6_000);
  });
});
