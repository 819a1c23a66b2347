import { createAddressLimit } from '../../src/http/address-limit.ts';
import { startDeviceServer } from './device-server.ts';
import { enrollRaw, postBytes } from './raw-device.ts';

/** A limit with its time, and how many of so many calls are let through. */
function limited(perMinute: number) {
  let now = 0;
  const limit = createAddressLimit({ perMinute, clock: () => now });
  return {
    limit,
    pass: (seconds: number) => {
      now += seconds * 1000;
    },
    through(address: string, calls: number) {
      let passed = 0;
      for (let i = 0; i < calls; i++) {
        try {
          limit(address);
          passed += 1;
        } catch (error) {
          expect(error).toMatchObject({ code: 'rate_limited', members: { retry_after: expect.any(Number) } });
        }
      }
      return passed;
    },
  };
}

test('so many calls a minute, from each address by itself; what was not used comes back evenly', () => {
  const { through, pass } = limited(6);
  expect(through('192.0.2.1', 10)).toBe(6);
  expect(through('192.0.2.2', 10)).toBe(6);
  pass(20);
  expect(through('192.0.2.1', 10)).toBe(2);
  pass(9);
  expect(through('192.0.2.1', 10)).toBe(0);
  pass(1);
  expect(through('192.0.2.1', 10)).toBe(1);
  pass(3600);
  expect(through('192.0.2.1', 10)).toBe(6);
});

test('whoever is refused learns when to come back, and is let through then', () => {
  const { limit, through, pass } = limited(6);
  through('192.0.2.1', 6);
  let seconds = 0;
  try {
    limit('192.0.2.1');
  } catch (error) {
    seconds = (error as { members: { retry_after: number } }).members.retry_after;
  }
  expect(seconds).toBe(10);
  pass(seconds);
  expect(through('192.0.2.1', 1)).toBe(1);
});

test('a network of IPv6 is one address, however it is written', () => {
  const { through } = limited(4);
  expect(through('2001:db8:1:2::1', 1)).toBe(1);
  expect(through('2001:0db8:0001:0002:ffff:ffff:ffff:ffff', 1)).toBe(1);
  expect(through('2001:db8:1:2:3:4:5:6', 10)).toBe(2);
  expect(through('2001:db8:1:3::1', 10)).toBe(4);
  expect(through('::1', 10)).toBe(4);
  expect(through('::2', 10)).toBe(0);
  expect(through('fe80::1%eth0', 4)).toBe(4);
  expect(through('fe80::2%eth1', 4)).toBe(0);
});

test('who comes over IPv4 is the same through a socket for both families', () => {
  const { through } = limited(4);
  expect(through('192.0.2.1', 3)).toBe(3);
  expect(through('::ffff:192.0.2.1', 1)).toBe(1);
  expect(through('::ffff:c000:201', 1)).toBe(0);
  expect(through('::ffff:192.0.2.2', 9)).toBe(4);
});

test('a clock that is set back gives nobody more, and stops nobody for good', () => {
  const { through, pass } = limited(2);
  expect(through('192.0.2.1', 5)).toBe(2);
  pass(-3600);
  expect(through('192.0.2.1', 5)).toBe(0);
  pass(60);
  expect(through('192.0.2.1', 5)).toBe(2);
});

test('the device API refuses before it decrypts, in plain words, and serves again when the time has come', async () => {
  const { limit, pass } = limited(5);
  const server = await startDeviceServer({ limit });
  try {
    const raw = await enrollRaw(server, await server.alice());
    let calls = 0;
    while ((await postBytes(server, 'inbox', 'not a JWE', {})).status === 400) calls += 1;
    expect(calls).toBeLessThan(5);
    const refused = await fetch(`${server.base}/device/v1/inbox`, {
      method: 'POST',
      headers: { 'content-type': 'application/jose' },
      body: 'not a JWE',
    });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('content-type')).toContain('application/problem+json');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'rate_limited' });
    expect((await raw.call('inbox')).status).toBe(429);
    // keys are for everybody
    expect((await fetch(`${server.base}/device/v1/keys`)).status).toBe(200);
    // those of one device are looked up
    for (const place of [`d.${raw.id}`, 'd.nobody', ''])
      expect((await fetch(`${server.base}/device/v1/keys?for=${place}`)).status).toBe(429);
    pass(60);
    expect((await raw.call('inbox')).status).toBe(200);
  } finally {
    await server.close();
  }
});
