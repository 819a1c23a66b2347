import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { runCli, startCli } from '../support/cli.ts';
import { inherited, repository, startServer, type TestServer } from '../support/server.ts';
import { requireSystem, systemProgram } from '../support/system.ts';

const pin = '493817';
const enter = '\r';

/** The command line in a terminal of its own, and a person who answers what it asks. */
function atTerminal(args: string[], env: Record<string, string>) {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const main = join(repository, 'src/cli/main.ts');
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', main, ...args].map(quoted).join(' ');
  const child = spawn(
    systemProgram('bsdutils'),
    ['--quiet', '--flush', '--return', '--command', command, '/dev/null'],
    {
      env: { ...inherited(), ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  let seen = '';
  let unread = 0;
  let look = () => {};
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk;
    look();
  });
  return {
    /** Waits for a question, then types. Resolves with what was shown since the last one. */
    answer: (question: string, typed: string) =>
      new Promise<string>((resolve) => {
        look = () => {
          if (!seen.slice(unread).includes(question)) return;
          look = () => {};
          const shown = seen.slice(unread);
          unread = seen.length;
          child.stdin.write(typed);
          resolve(shown);
        };
        look();
      }),
    ended: new Promise<{ status: number | null; output: string }>((resolve) => {
      child.once('close', (status) => resolve({ status, output: seen }));
    }),
  };
}

requireSystem('bsdutils')('at a terminal', () => {
  let server: TestServer;
  let env: Record<string, string>;
  beforeAll(async () => {
    server = await startServer();
    env = { ...server.env, XDG_CONFIG_HOME: join(server.folder, 'xdg') };
  });
  afterAll(async () => server?.[Symbol.asyncDispose]());

  test('the PIN is chosen twice, asked for at each approval, and never shown', async () => {
    const enroll = atTerminal(['device', 'enroll', `${server.issuer}/demo/enroll?user=alice`], env);
    await enroll.answer('Choose a PIN', pin + enter);
    await enroll.answer('again', `493818${enter}`);
    await enroll.answer('not the same. Once more.\r\nChoose a PIN', `49x\x7f3817${enter}`);
    await enroll.answer('again', pin + enter);
    const enrolled = await enroll.ended;
    expect(enrolled.status).toBe(0);
    expect(enrolled.output).not.toContain(pin);

    await using login = startCli(
      ['ciba', 'login', '--client', 'demo-helpdesk', '--hint', 'alice', '--text', 'Case 9'],
      {
        env,
      },
    );
    const [, number = ''] = /Number to match: (\d+)/.exec(await login.until('Waiting for'))!;
    const approve = atTerminal(['device', 'approve'], env);
    const shown = await approve.answer('Which number', `7${enter}`);
    expect(shown).toMatch(/Demo help desk asks to sign you in.*“Case 9”/s);
    await approve.answer('It must be one of', number + enter);
    await approve.answer('PIN: ', pin + enter);
    const approved = await approve.ended;
    expect(approved.status).toBe(0);
    expect(approved.output).not.toContain(pin);
    expect((await login.result).status).toBe(0);
  });

  test('Ctrl+C at a question sends nothing', async () => {
    await runCli(['ciba', 'start', '--client', 'demo-agent', '--hint', 'alice'], { env });
    const approve = atTerminal(['device', 'approve'], env);
    await approve.answer('PIN: ', '\x03');
    const { status, output } = await approve.ended;
    expect([status, output]).toEqual([2, expect.stringContaining('Nothing was sent')]);
    expect((await runCli(['device', 'inbox', '--json'], { env })).json().operations).toHaveLength(1);
  });

  test('what cannot be undone is asked for by its name', async () => {
    const deactivate = (typed: string) => {
      const running = atTerminal(['user', 'deactivate', 'bob'], env);
      return running.answer('Type bob to do it', typed + enter).then(() => running.ended);
    };
    expect((await deactivate('yes')).status).toBe(2);
    expect((await deactivate('bob')).status).toBe(0);
  });

  test('a ticket is a picture too', async () => {
    const { output } = await atTerminal(['ticket', 'alice'], env).ended;
    expect(output).toContain('▄▄▄▄▄▄▄');
  });
});
