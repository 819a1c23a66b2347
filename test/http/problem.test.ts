import { DomainError, type DomainErrorCode, domainErrors } from '../../src/domain/errors.ts';
import { readJson } from '../../src/http/middleware/body.ts';
import type { AppContext } from '../../src/http/middleware/context.ts';
import { deadline } from '../../src/http/middleware/deadline.ts';
import { domainStatus, HttpProblem, httpProblems, invalidRequest, problemOf } from '../../src/http/problem.ts';
import { StoreUnavailable } from '../../src/support/unavailable.ts';
import { exchangeRaw, publicApp, startListener } from './support/server.ts';

const codes = Object.keys(domainErrors) as DomainErrorCode[];

describe('one switch from errors to problem documents', () => {
  test.each(codes)('%s: its own status, its sentence, its code, and a 4xx or 503', (code) => {
    const { status, body, fault } = problemOf(new DomainError(code, { detail: 'for the log' }), 'trace');
    expect(body).toEqual({
      type: `urn:assent:problem:${code}`,
      title: domainErrors[code],
      detail: domainErrors[code],
      status,
      code,
      trace_id: 'trace',
    });
    expect(status).toBe(domainStatus[code]);
    expect(status === 503 || (status >= 400 && status < 500)).toBe(true);
    expect(fault).toBe(false);
  });

  test('no code stands in both lists', () => {
    expect(Object.keys(httpProblems).filter((code) => code in domainErrors)).toEqual([]);
  });

  test('bad input names every member and what would be right, also in one sentence', () => {
    const { body } = problemOf(
      invalidRequest([
        { name: 'name', reason: 'is required' },
        { name: '', reason: 'no' },
      ]),
      't',
    );
    expect(body.invalid_params).toEqual([
      { name: 'name', reason: 'is required' },
      { name: '', reason: 'no' },
    ]);
    expect(body.detail).toBe('name: is required; no');
  });

  test('further members go along, but none takes the place of one of ours', () => {
    const members = { attempts_left: 2, status: 200, code: 'fine', trace_id: 'x', type: 'y' };
    const { status, body } = problemOf(new DomainError('attempt_failed', { members }), 't');
    expect([status, body.status, body.code, body.trace_id, body['attempts_left']]).toEqual([
      403,
      403,
      'attempt_failed',
      't',
      2,
    ]);
  });

  test('429 and 503 say when to come back', () => {
    const header = (error: unknown) => problemOf(error, 't').headers['retry-after'];
    expect(header(new DomainError('rate_limited', { members: { retry_after: 17.2 } }))).toBe('18');
    expect(header(new DomainError('too_many_pending'))).toBe('2');
    expect(header(new StoreUnavailable('x'))).toBe('2');
    expect(header(new DomainError('user_not_found'))).toBeUndefined();
  });

  test('what nobody expected shows nothing; what a library meant to show keeps its status and nothing else', () => {
    for (const thrown of [new Error('secret'), 'secret', undefined, null, { status: 400, message: 'secret' }]) {
      const { status, body, fault } = problemOf(thrown, 't');
      expect([status, body.code, fault]).toEqual([500, 'server_error', true]);
      expect(JSON.stringify(body)).not.toContain('secret');
    }
    const exposed = problemOf(Object.assign(new Error('secret'), { status: 404, expose: true }), 't');
    expect([exposed.status, exposed.body.code, exposed.fault]).toEqual([404, 'not_found', false]);
    expect(JSON.stringify(exposed.body)).not.toContain('secret');
  });

  test('a store that is away is a fault for the log and a 503 for the caller', () => {
    const { status, body, fault } = problemOf(new StoreUnavailable('10.0.0.1'), 't');
    expect([status, body.code, fault]).toEqual([503, 'unavailable', true]);
    expect(problemOf(new HttpProblem('not_found'), 't').fault).toBe(false);
  });
});

describe('bounded waiting', () => {
  const never = () => new Promise<never>(() => {});
  const run = (complete: () => boolean, next: () => Promise<unknown>) =>
    deadline(5)(
      {
        req: {
          get complete() {
            return complete();
          },
        },
      } as never,
      next,
    );

  test('IV-10 what hangs behind us is 503, not an endless wait', async () => {
    await expect(run(() => true, never)).rejects.toThrow(StoreUnavailable);
  });

  test('IV-10 the time that a body takes to arrive is not ours', async () => {
    let asked = 0;
    await expect(run(() => (asked += 1) > 3, never)).rejects.toThrow(StoreUnavailable);
    expect(asked).toBe(4);
  });

  test('an answer in time is the answer, a refusal in time is the refusal', async () => {
    await expect(
      run(
        () => true,
        async () => 'done',
      ),
    ).resolves.toBe('done');
    await expect(
      run(
        () => true,
        () => Promise.reject(new HttpProblem('forbidden')),
      ),
    ).rejects.toThrow(HttpProblem);
  });
});

test('TH-20 a chunked body is cut at the configured limit', async () => {
  const deviceApi = async (ctx: AppContext) => void (ctx.body = String(Object.keys(await readJson(ctx))));
  const app = publicApp({ limits: { maxHeadersCount: 64, bodyLimitBytes: 1024 }, deviceApi });
  await using server = await startListener(app);
  const head =
    'POST /device/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
  const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
  const body = (length: number) => chunk(`{"a":"${'x'.repeat(length)}`) + chunk('"}') + '0\r\n\r\n';
  expect(await exchangeRaw(server.port, head + body(500))).toMatch(/^HTTP\/1\.1 200 /);
  expect(await exchangeRaw(server.port, head + body(1100))).toMatch(/^HTTP\/1\.1 413 /);
});
