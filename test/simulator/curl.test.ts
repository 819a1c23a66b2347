import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startServer } from '../support/server.ts';
import { requireSystem, systemProgram } from '../support/system.ts';

const run = promisify(execFile);

/** As a legacy terminal has it: no cookies, no redirects, no JavaScript. */
async function curl(...args: string[]): Promise<{ status: number; body: Record<string, unknown> }> {
  const all = ['--silent', '--show-error', '--write-out', '\n%{http_code}', ...args];
  const { stdout } = await run(systemProgram('curl'), all);
  const [, body = '', status] = /^(.*)\n(\d+)$/s.exec(stdout) ?? [];
  return { status: Number(status), body: body === '' ? {} : JSON.parse(body) };
}

requireSystem('curl')('a terminal that has only curl', () => {
  test('F191 F205 starts, is approved and gets tokens: no page, no script, no SDK', async () => {
    await using server = await startServer();
    const json = ['--header', 'content-type: application/json', '--data'];
    const credentials = ['--user', `demo-helpdesk:${server.secretOf('demo-helpdesk')}`];

    const device = await curl(...json, '{"user":"alice","methods":["pin"]}', `${server.issuer}/simulator/devices`);
    expect(device).toMatchObject({ status: 201, body: { application: 'assent-simulator', methods: ['pin'] } });

    const request = 'scope=openid&login_hint=alice&binding_message=Till 3';
    const started = await curl(...credentials, '--data', request, `${server.issuer}/bc-authorize`);
    expect(started).toMatchObject({ status: 200, body: { match_code: expect.stringMatching(/^\d\d$/) } });
    const { auth_req_id: authReqId } = started.body;

    const grant = `grant_type=urn:openid:params:grant-type:ciba&auth_req_id=${authReqId}`;
    const poll = () => curl(...credentials, '--data', grant, `${server.issuer}/oauth/token`);
    expect(await poll()).toMatchObject({ status: 400, body: { error: 'authorization_pending' } });

    const decide = `${server.issuer}/simulator/decide?auth_req_id=${authReqId}&action=allow`;
    expect(await curl('--request', 'POST', decide)).toEqual({ status: 204, body: {} });
    expect(await poll()).toMatchObject({ status: 200, body: { id_token: expect.stringMatching(/^eyJ/) } });
  });
});
