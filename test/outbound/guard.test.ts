import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { kindOf } from '../../src/support/outbound/addresses.ts';
import { createOutbound, OUTBOUND_MESSAGE, OutboundError, type OutboundOptions } from '../../src/support/outbound.ts';
import { plainServer, trap } from './far-side.ts';
import { names, refusedUrls } from './urls.ts';

/** The network's answers; no test asks a real name server. */
const resolve = async (name: string) => names[name] ?? names['loopback.example']!;

const strict = (changed: Partial<OutboundOptions> = {}) =>
  createOutbound({ allowLoopback: false, resolve, ...changed });

const outcomeOf = (attempt: Promise<{ status: number }>) =>
  attempt.then(
    ({ status }) => String(status),
    (error) => (error instanceof OutboundError ? error.reason : `unexpected ${error}`),
  );

describe('TH-17 addresses that nobody outside may send us to', () => {
  test(`TH-17 none of ${refusedUrls.length} URLs brings a connection to a listener on loopback, and all get the same sentence`, async () => {
    expect(refusedUrls.length).toBeGreaterThan(120);
    await using trap4 = await trap();
    await using trap6 = await trap('::1', trap4.port);
    const outbound = strict({ allowedPorts: [443, trap4.port] });
    const outcomes: [string, string][] = [];
    for (const [url] of refusedUrls) {
      const attempt = outbound.request(url.replace('PORT', String(trap4.port)), { method: 'POST', body: '{}' });
      await attempt.catch((error) => expect(error.message).toBe(OUTBOUND_MESSAGE));
      outcomes.push([url, await outcomeOf(attempt)]);
    }
    expect(outcomes).toEqual(refusedUrls);
    expect([trap4.connections(), trap6.connections()]).toEqual([0, 0]);
  });

  test('the trap does catch: with the allowance of development the same addresses reach it', async () => {
    await using trap4 = await trap();
    const lenient = strict({ allowLoopback: true });
    for (const host of ['127.0.0.1', 'loopback.example', '0x7f.1', 'localhost']) {
      expect(await outcomeOf(lenient.request(`http://${host}:${trap4.port}/`))).toBe('answer');
    }
    expect(trap4.connections()).toBe(4);
  });

  test('TH-17 the allowance of development opens loopback and nothing else', async () => {
    const lenient = strict({ allowLoopback: true });
    for (const host of [
      '10.0.0.1',
      '169.254.169.254',
      '0.0.0.0',
      '[::ffff:127.0.0.1]',
      'metadata.example',
      '8.8.8.8',
    ]) {
      expect([host, await outcomeOf(lenient.request(`http://${host}/`))]).toEqual([host, 'refused_address']);
    }
  });

  test('TH-17 closed, open and filtered ports of the machine cannot be told apart', async () => {
    await using open = await trap();
    await using closedSoon = await trap();
    const closed = closedSoon.port;
    await closedSoon[Symbol.asyncDispose]();
    const outbound = strict({ allowedPorts: [open.port, closed] });
    const told = async (url: string) => {
      const { name, message } = await outbound.request(url).catch((error) => error);
      return { name, message };
    };
    const answers = [
      await told(`https://127.0.0.1:${open.port}/`),
      await told(`https://127.0.0.1:${closed}/`),
      await told('https://127.0.0.1:7/'),
      await told('https://192.0.2.1/'),
    ];
    expect(answers).toEqual(Array(4).fill({ name: 'OutboundError', message: OUTBOUND_MESSAGE }));
  });
});

describe('TH-17 N-12 names are resolved anew for each connection, once, and what was checked is what is connected to', () => {
  test('TH-17 N-12 a name that answered with a public address and now answers 127.0.0.1 is refused', async () => {
    await using trap4 = await trap();
    const given: string[] = [];
    const leave = new AbortController();
    const rebinding = async () => {
      given.push(given.length === 0 ? '93.184.216.34' : '127.0.0.1');
      // the first call has got its address; it need not go out to the world for it
      leave.abort();
      return [given.at(-1)!];
    };
    const outbound = strict({ resolve: rebinding, allowedPorts: [trap4.port] });
    const url = `https://rebinding.example:${trap4.port}/`;
    expect(await outcomeOf(outbound.request(url, { signal: leave.signal }))).toBe('aborted');
    expect(await outcomeOf(outbound.request(url))).toBe('refused_address');
    expect(given).toEqual(['93.184.216.34', '127.0.0.1']);
    expect(trap4.connections()).toBe(0);
  });

  test('TH-17 N-12 one call asks once; a second answer, however good for the attacker, is never asked for', async () => {
    let asked = 0;
    await using server = await plainServer((_req, res) => void res.end('here'));
    await using other = await trap('127.0.0.2', server.port);
    const outbound = strict({ allowLoopback: true, resolve: async () => [asked++ === 0 ? '127.0.0.1' : '127.0.0.2'] });
    expect(String((await outbound.request(`http://rebinding.example:${server.port}/`)).body)).toBe('here');
    expect([asked, other.connections()]).toEqual([1, 0]);
    // and the next call asks again
    expect(await outcomeOf(outbound.request(`http://rebinding.example:${server.port}/`))).toBe('answer');
    expect([asked, other.connections()]).toEqual([2, 1]);
  });

  test('TH-17 of several addresses only the admitted ones are tried', async () => {
    await using server = await plainServer((_req, res) => void res.end('here'));
    await using other = await trap('::1', server.port);
    const answer = ['169.254.169.254', '10.0.0.1', '::ffff:127.0.0.1', '127.0.0.1'];
    const outbound = strict({ allowLoopback: true, resolve: async () => answer });
    expect((await outbound.request(`http://several.example:${server.port}/`)).status).toBe(200);
    expect(other.connections()).toBe(0);
  });
});

describe('TH-17 N-05 redirects', () => {
  test.each([301, 302, 303, 307, 308])(
    'TH-17 N-05 a %d to a metadata service or to us is not followed',
    async (status) => {
      await using next = await trap();
      for (const location of ['http://169.254.169.254/latest/meta-data/', `http://127.0.0.1:${next.port}/`]) {
        await using server = await plainServer((_req, res) => void res.writeHead(status, { location }).end());
        const outbound = strict({ allowLoopback: true });
        expect(await outcomeOf(outbound.request(`http://127.0.0.1:${server.port}/`))).toBe('redirect');
        expect(server.connections()).toBe(1);
      }
      expect(next.connections()).toBe(0);
    },
  );

  test('whoever wants to see a redirect gets it as an answer', async () => {
    await using server = await plainServer((_req, res) => void res.writeHead(302, { location: '/b' }).end());
    const call = strict({ allowLoopback: true }).request(`http://127.0.0.1:${server.port}/a`, { redirects: 'return' });
    expect(await call).toMatchObject({ status: 302, headers: { location: '/b' } });
    expect(server.connections()).toBe(1);
  });
});

describe('what the operator opens or closes', () => {
  test('only the named hosts, where hosts are named', async () => {
    const outbound = strict({ allowLoopback: true, allowedHosts: ['rp.example', '*.bank.example', '127.0.0.1'] });
    const refused = ['bank.example', 'evilbank.example', 'rp.example.evil', 'localhost', '[::1]'];
    for (const host of refused) expect(() => outbound.check(`https://${host}/`)).toThrow(OutboundError);
    for (const host of ['rp.example', 'RP.example', 'a.bank.example', 'a.b.bank.example', '127.0.0.1']) {
      expect(() => outbound.check(`https://${host}/`)).not.toThrow();
    }
  });

  test('a private network is reachable where it is named, a metadata service or loopback never is', async () => {
    const outbound = strict({ allowedNetworks: ['10.1.0.0/16', '169.254.0.0/16', '127.0.0.0/8', 'fd00::/8'] });
    expect(() => outbound.check('https://10.1.2.3/')).not.toThrow();
    expect(() => outbound.check('https://[fd00::1]/')).not.toThrow();
    for (const host of ['10.2.0.1', '169.254.169.254', '127.0.0.1', '[::ffff:10.1.2.3]']) {
      expect(() => outbound.check(`https://${host}/`)).toThrow(expect.objectContaining({ reason: 'refused_address' }));
    }
  });

  test.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/', 'ten/8', 'fd00::/129', '10.0.0.0/8/8'])(
    '%s is not a network',
    (network) => {
      expect(() => strict({ allowedNetworks: [network] })).toThrow(SyntaxError);
    },
  );
});

test.each([
  '8.8.8.8',
  '1.1.1.1',
  '172.15.255.255',
  '172.32.0.1',
  '100.63.255.255',
  '100.128.0.1',
  '192.0.1.1',
  '223.255.255.255',
  '2606:4700::1111',
  '2a00:1450::1',
])('%s is a public address', (address) => expect(kindOf(address)).toBe('public'));

describe('TH-17 the proof at start', () => {
  test('TH-17 the guard in use is active, also one that allows loopback', async () => {
    await strict().assertGuarded();
    await strict({
      allowLoopback: true,
      allowedHosts: ['rp.example'],
      allowedNetworks: ['10.0.0.0/8'],
    }).assertGuarded();
  });

  test('TH-17 a guard that lets through is noticed, and the start fails', async () => {
    const { assertGuarded } = await import('../../src/support/outbound/self-test.ts');
    const open = strict({ allowLoopback: true });
    const outbound = strict();
    await expect(assertGuarded({ outbound, create: () => open })).rejects.toThrow('guard of outgoing calls');
    const everything = { ...open, request: async () => ({ status: 200, headers: {}, body: Buffer.alloc(0) }) };
    await expect(assertGuarded({ outbound: everything, create: () => strict() })).rejects.toThrow('not active');
  });
});

test('N-12 a proxy of the environment gets nothing', async () => {
  await using proxy = await trap();
  await using server = await plainServer((_req, res) => void res.end('direct'));
  const program = `
    import { createOutbound } from './src/support/outbound.ts';
    const outbound = createOutbound({ allowLoopback: true, resolve: async () => ['127.0.0.1'] });
    console.log(String((await outbound.request('http://rp.example:${server.port}/')).body));`;
  const address = `http://127.0.0.1:${proxy.port}`;
  const env = {
    ...process.env,
    NODE_USE_ENV_PROXY: '1',
    HTTP_PROXY: address,
    HTTPS_PROXY: address,
    http_proxy: address,
    NO_PROXY: '',
    no_proxy: '',
  };
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [chunk] = await once(child.stdout, 'data');
  await once(child, 'close');
  expect([String(chunk).trim(), proxy.connections()]).toEqual(['direct', 0]);
});
