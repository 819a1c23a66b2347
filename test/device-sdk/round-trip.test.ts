import { memoryStorage, openDevice } from '../../src/device-sdk/index.ts';
import { enrolled, PIN, worldOf } from './enrolled.ts';

test('F038 the headless library enrolls, looks and approves without any user interface', async () => {
  const { server, device } = await enrolled();
  const op = server.start({ bindingMessage: 'Pay 12,50 € to café Ω' });

  const { operations } = await device.inbox();
  expect(operations).toEqual([{ op, exp: Math.floor(server.clock.now() / 1000) + 295 }]);
  const view = await device.present(op);
  expect(view).toMatchObject({
    op,
    client: { name: 'Demo Bank' },
    bindingMessage: 'Pay 12,50 € to café Ω',
    methods: ['pin'],
    match: { mode: 'none' },
  });
  const result = await device.decide(view, { decision: 'approve', pin: PIN });

  expect(result).toEqual({ op, state: 'approved', postContext: { text: 'Thank you, Alice' } });
  expect(server.operations.get(op)).toMatchObject({ state: 'approved', decision: { proved: ['pin'] } });
});

test('what another screen offers is claimed by its link or its code, then shown and answered like any other', async () => {
  const { server, device } = await enrolled();
  const code = `7f${'A'.repeat(43)}`;
  const op = server.start({ number: '42' });
  server.offers.set(code, op);
  const view = await device.claim(`https://approve.example.test/#c=${code}`);
  expect(view).toMatchObject({ op, client: { name: 'Demo Bank' }, match: { mode: 'type2' } });
  expect((await device.claim(code)).op).toBe(op);
  await expect(device.decide(view, { decision: 'approve', pin: PIN })).rejects.toMatchObject({
    code: 'match_required',
  });
  expect(await device.decide(view, { decision: 'approve', pin: PIN, match: '42' })).toMatchObject({
    state: 'approved',
  });

  await expect(device.claim(`7f${'B'.repeat(43)}`)).rejects.toMatchObject({ code: 'claim_not_found' });
  const before = server.seen.length;
  await expect(device.claim('https://approve.example.test/#t=ticket&k=key')).rejects.toMatchObject({
    code: 'claim_unreadable',
  });
  expect(server.seen).toHaveLength(before);
});

test('a denial needs neither PIN nor number, and says why', async () => {
  const { server, device } = await enrolled();
  const op = server.start({ number: '42' });
  expect(await device.decide(await device.present(op), { decision: 'deny', reason: 'not_me' })).toMatchObject({
    state: 'denied',
  });
});

test('F047 neither the device key alone nor the PIN alone decides an operation that asks for both', async () => {
  const { server, device, storage } = await enrolled();
  const op = server.start({ methods: ['pin'] });
  const view = await device.present(op);
  await expect(device.decide(view, { decision: 'approve' })).rejects.toMatchObject({ code: 'pin_required' });
  // the device key of somebody who tells the SDK that possession is enough
  const claimed = { ...view, methods: ['device' as const] };
  await expect(device.decide(claimed, { decision: 'approve' })).rejects.toMatchObject({ code: 'challenge_stale' });
  // the right PIN, and all that is stored of it, without the device key
  const { storage: thief } = await enrolled();
  const record = (await storage.load('device'))!;
  await thief.save('device', { ...record, sig: (await thief.load('device'))!.sig });
  const copy = (await openDevice(thief, worldOf(server)))!;
  await expect(copy.decide(view, { decision: 'approve', pin: PIN })).rejects.toMatchObject({ code: 'device_refused' });
  expect(server.operations.get(op)?.state).toBe('pending');
});

test('a wrong PIN is refused by the server, counted, and told from a right one by nothing before', async () => {
  const { server, device } = await enrolled();
  const view = await device.present(server.start());
  const error = await device.decide(view, { decision: 'approve', pin: '493818' }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'attempt_failed', attemptsLeft: 2 });
  expect([...server.devices.values()][0]?.failures).toBe(1);
  expect(await device.decide(view, { decision: 'approve', pin: PIN })).toMatchObject({ state: 'approved' });
});

test('the number is asked for before anything is sent, and a wrong one fails like a wrong PIN', async () => {
  const { server, device } = await enrolled();
  const view = await device.present(
    server.start({ methods: ['pin', 'device'], number: '42', options: ['17', '42', '88'] }),
  );
  expect(view.match).toEqual({ mode: 'choose', options: ['17', '42', '88'] });
  await expect(device.decide(view, { decision: 'approve', pin: PIN })).rejects.toMatchObject({
    code: 'match_required',
  });
  await expect(device.decide(view, { decision: 'approve', pin: PIN, match: '17' })).rejects.toMatchObject({
    code: 'attempt_failed',
  });
  expect(await device.decide(view, { decision: 'approve', pin: PIN, match: '42' })).toMatchObject({
    state: 'approved',
  });
});

test('of a number that is typed, the challenge carries only that it is asked for', async () => {
  const { server, device } = await enrolled();
  const view = await device.present(server.start({ number: '417293' }));
  expect(view.match).toEqual({ mode: 'type6' });
  expect(JSON.stringify(view)).not.toContain('417293');
});

test('an operation that possession is enough for is approved without a PIN', async () => {
  const { server, device } = await enrolled({ pin: '' });
  const op = server.start({ methods: ['device'] });
  await device.decide(await device.present(op), { decision: 'approve' });
  expect(server.operations.get(op)).toMatchObject({ state: 'approved', decision: { proved: [] } });
});

test('F029 an old answer does not fit a new challenge', async () => {
  const { server, device } = await enrolled();
  const first = await device.present(server.start());
  await device.decide(first, { decision: 'approve', pin: PIN });
  const second = server.start();
  await expect(device.decide({ ...first, op: second }, { decision: 'approve', pin: PIN })).rejects.toMatchObject({
    code: 'challenge_stale',
  });
  expect(server.operations.get(second)?.state).toBe('pending');
});

test('F030 who sees all bytes between device and server reads no context, PIN, number or name', async () => {
  const { server, device } = await enrolled();
  const op = server.start({ number: '417293', bindingMessage: 'Pay 12,50 to Bob' });
  await device.inbox();
  await device.decide(await device.present(op), { decision: 'approve', pin: PIN, match: '417293' });
  const messages = server.seen.filter(({ path }) => path !== 'keys');
  expect(messages.map(({ path }) => path)).toEqual([
    'redeem',
    'enroll',
    'status',
    'session',
    'inbox',
    'present',
    'decide',
  ]);
  for (const { up, down } of messages) {
    // all of each message is a JWE: what can be read without a key is its header
    const header = Buffer.from(up.split('.')[0]!, 'base64url').toString();
    expect(Object.keys(JSON.parse(header)).sort().join()).toMatch(/^alg,cty,enc,(epk,)?kid,typ$/);
    expect(JSON.parse(Buffer.from(down.split('.')[0]!, 'base64url').toString())).toEqual({
      alg: 'dir',
      enc: 'A256GCM',
      typ: 'assent-down',
      cty: 'json',
    });
    const visible = [up, down]
      .flatMap((token) => token.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1')))
      .join();
    for (const secret of [PIN, '417293', 'Pay 12,50', 'Demo Bank', 'Alice', device.deviceId, op])
      expect(visible).not.toContain(secret);
  }
});

test('an approval with a PIN and a denial have one length on the wire', async () => {
  const { server, device } = await enrolled();
  const approved = await device.present(server.start());
  await device.decide(approved, { decision: 'approve', pin: PIN });
  const denied = await device.present(server.start());
  await device.decide(denied, { decision: 'deny', reason: 'incorrect_data' });
  const [first, second] = server.seen.filter(({ path }) => path === 'decide');
  expect(first?.up.length).toBe(second?.up.length);
});

test('a device that is opened again works with what was stored', async () => {
  for (const storage of [memoryStorage(), memoryStorage({ exportable: true })]) {
    const { server } = await enrolled({ storage });
    const again = (await openDevice(storage, worldOf(server)))!;
    const view = await again.present(server.start());
    expect(await again.decide(view, { decision: 'approve', pin: PIN })).toMatchObject({ state: 'approved' });
  }
});

test('unenrolling ends it at the server and erases it here', async () => {
  const { server, device, storage } = await enrolled();
  await device.unenroll();
  expect(server.devices.size).toBe(0);
  expect(await openDevice(storage, worldOf(server))).toBeUndefined();
});

test('a device that is locked learns that, and the coarse reason', async () => {
  const { server, device } = await enrolled();
  const op = server.start();
  server.devices.get(device.deviceId)!.state = 'locked';
  await expect(device.present(op)).rejects.toMatchObject({ code: 'device_locked', reason: 'locked' });
});
