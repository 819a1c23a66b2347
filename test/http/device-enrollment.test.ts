/** What may stand between a ticket and an active device, and how the owner's other devices hear of it. */
import {
  abandonEnrollment,
  beginEnrollment,
  type Device,
  type EnrollmentProgress,
  type FinishChoice,
  type InboxEvent,
  memoryStorage,
  resumeEnrollment,
} from '../../src/device-sdk/index.ts';
import type { EnrollmentPolicy } from '../../src/domain/application.ts';
import type { Verdict } from '../../src/domain/attestation.ts';
import { openEvidence } from '../../src/domain/evidence.ts';
import { createSweeper } from '../../src/domain/sweeper.ts';
import type { User } from '../../src/domain/user.ts';
import { jwkThumbprint, newEcKey, parseJws } from '../../src/support/jose/index.ts';
import { anApplication, by, codeOf, newUser } from '../domain/scene.ts';
import { type DeviceServer, deviceServerForEach } from './device-server.ts';
import { enrollRaw, redeem } from './raw-device.ts';

const pin = '483920';

const wanting = (policy: Partial<EnrollmentPolicy>) => ({
  applications: [
    anApplication({
      enrollment: { confirm: 'off', approveByExistingDevice: 'off', attestation: 'off', ...policy },
    }),
    anApplication({ id: 'first-app', name: 'First app' }),
  ],
});

/** Ends what a test has left waiting: its server is gone, and time stands still. */
let ends = new AbortController();
beforeEach(() => {
  ends = new AbortController();
});
afterEach(() => ends.abort());

/** An enrollment that is left waiting: what it shows, and how it ends. */
async function enrolling(server: DeviceServer, user: User, choice: Partial<FinishChoice> = {}, link?: string) {
  const storage = memoryStorage();
  const { uri, operationId } = link === undefined ? await server.ticket(user) : { uri: link, operationId: '' };
  const enrollment = await beginEnrollment(storage, uri, server.sdk);
  const shown: EnrollmentProgress[] = [];
  let tell = () => {};
  const waits = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const onProgress = (progress: EnrollmentProgress) => {
    shown.push(progress);
    tell();
  };
  const device = { name: 'Phone of Bob', model: 'Pixel 9' };
  const { signal } = ends;
  const ended = enrollment.finish({ device, onProgress, signal, ...choice });
  const outcome = ended.then(
    (device) => ({ device, code: undefined }),
    (error: { code?: string }) => ({ device: undefined, code: error.code }),
  );
  await Promise.race([waits, outcome]);
  const state = async () => (await server.scene.devices.get(enrollment.deviceId)).state;
  const confirm = (code: string) => server.scene.ticketConfirmation.confirm({ userId: user.id, operationId, code }, by);
  return { deviceId: enrollment.deviceId, operationId, storage, shown, ended, outcome, state, confirm, uri };
}

const another = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0');
const typesOf = async (server: DeviceServer, user: User) =>
  (await server.scene.store.events.ofUser(user.id, 50)).map(({ type }) => type);

describe('six digits', () => {
  const server = deviceServerForEach(wanting({ confirm: 'code' }));

  test('a new device shows six digits and is active when they were typed where its ticket was shown', async () => {
    const user = await server.alice();
    const bob = await enrolling(server, user);
    const { code = '', waiting } = bob.shown[0]!;
    expect([waiting, code]).toEqual(['code', expect.stringMatching(/^[0-9]{6}$/)]);
    expect(await bob.state()).toBe('pending');
    await expect(server.ask(user)).rejects.toMatchObject({ code: 'no_usable_device' });

    expect(await bob.confirm(code)).toMatchObject({
      state: 'pending',
      ticket: { confirmedAt: server.scene.clock.now() },
    });
    await bob.ended;
    expect(await bob.state()).toBe('active');
    expect(await server.scene.operations.get(bob.operationId)).toMatchObject({ state: 'approved' });
    expect(await typesOf(server, user)).toEqual(expect.arrayContaining(['ticket.confirmed', 'device.activated']));
    // typed once more: nothing to do, nothing to fail
    expect(await bob.confirm('000000')).toMatchObject({ state: 'approved' });
  });

  test('the third wrong try ends the enrollment, for good and with an event; two do not', async () => {
    const user = await server.alice();
    const bob = await enrolling(server, user);
    const right = bob.shown[0]!.code!;
    const wrong = another(right);
    for (const left of [2, 1, 0]) {
      await expect(bob.confirm(wrong)).rejects.toMatchObject({ code: 'code_wrong', members: { attempts_left: left } });
    }
    expect(await codeOf(bob.confirm(right))).toBe('state_conflict');
    expect((await bob.outcome).code).toBe('ticket_invalid');
    expect(await bob.state()).toBe('pending');
    expect(await server.scene.operations.get(bob.operationId)).toMatchObject({
      state: 'failed',
      endReason: 'attempts',
    });
    const types = await typesOf(server, user);
    expect(types.filter((type) => type === 'ticket.code_wrong')).toHaveLength(3);
    expect(types).toContain('operation.failed');
  });

  test('an enrollment that was interrupted shows the same digits again', async () => {
    const user = await server.alice();
    const stop = new AbortController();
    const bob = await enrolling(server, user, { signal: stop.signal });
    stop.abort();
    expect((await bob.outcome).code).toBe('enrollment_waiting');
    const again: EnrollmentProgress[] = [];
    const resumed = resumeEnrollment(bob.storage, {
      ...server.sdk,
      onProgress: (progress) => {
        if (again.push(progress) === 1) void bob.confirm(progress.code!);
      },
    });
    expect((await resumed).deviceId).toBe(bob.deviceId);
    expect(again[0]).toEqual(bob.shown[0]);
  });

  test('digits of nobody, of another user, or before a device shows any, are not tried', async () => {
    const user = await server.alice();
    const { operationId } = await server.ticket(user);
    const { confirm } = server.scene.ticketConfirmation;
    expect(await codeOf(confirm({ userId: user.id, operationId, code: '000000' }, by))).toBe('state_conflict');
    const stranger = await server.alice({ username: 'mallory' });
    expect(await codeOf(confirm({ userId: stranger.id, operationId, code: '000000' }, by))).toBe('operation_not_found');
    expect(await codeOf(confirm({ userId: user.id, operationId: 'none', code: '000000' }, by))).toBe(
      'operation_not_found',
    );
    expect((await server.scene.operations.get(operationId)).ticket?.confirmTries).toBeUndefined();
  });

  test('neither digits nor a value to try them on rest in the store', async () => {
    const user = await server.alice();
    const bob = await enrolling(server, user);
    const { code = '' } = bob.shown[0]!;
    const rests = JSON.stringify([
      await server.scene.devices.ofUser(user.id),
      await server.scene.operations.get(bob.operationId),
      await server.scene.store.events.ofUser(user.id, 50),
    ]);
    expect(rests).not.toContain(code);
    await bob.confirm(code);
    await bob.ended;
  });
});

describe('six digits, and a ticket that a device of the person has made', () => {
  const server = deviceServerForEach(wanting({ confirm: 'code' }));

  test('they are typed on that device: where the ticket was shown', async () => {
    const user = await server.alice();
    const bob = await enrolling(server, user);
    await bob.confirm(bob.shown[0]!.code!);
    const maker = await bob.ended;
    expect(bob.shown[0]!.waiting).toBe('code');
    // one that can give a PIN
    const first = await server.enroll(user, { pin, applicationId: 'first-app' });
    const made = await first.createTicket({ pin, application: 'assent-web' });
    const second = await enrolling(server, user, {}, made.uri.replace('http://localhost:3002', server.base));
    expect(second.shown[0]!.waiting).toBe('approval');
    expect((await maker.inbox()).operations).toEqual([]);
    const { op } = (await first.inbox()).operations[0]!;
    await first.decide(await first.present(op), { decision: 'approve', pin, match: second.shown[0]!.code! });
    expect((await second.ended).deviceId).toBe(second.deviceId);
    expect((await maker.inbox()).notices.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['ticket.created', 'device.activated']),
    );
  });
});

describe('another device says yes', () => {
  const server = deviceServerForEach(wanting({ approveByExistingDevice: 'if_any' }));

  const requestOn = async (device: Device) => {
    const { operations } = await device.inbox();
    expect(operations).toHaveLength(1);
    return device.present(operations[0]!.op);
  };

  test('SCA-15 the first device of a person comes in by its ticket, the second is asked about on the first', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin });
    const bob = await enrolling(server, user);
    expect(bob.shown[0]).toMatchObject({ waiting: 'approval' });
    const view = await requestOn(first);
    expect(view).toMatchObject({
      purpose: 'enrollment',
      client: { name: 'Web authenticator' },
      bindingMessage: 'Add Phone of Bob (Pixel 9) to your devices?',
      enrolling: { name: 'Phone of Bob', model: 'Pixel 9', application: 'Web authenticator' },
      methods: ['pin'],
      match: { mode: 'none' },
    });
    await expect(first.decide(view, { decision: 'approve', pin: '111117' })).rejects.toMatchObject({
      code: 'attempt_failed',
    });
    expect(await bob.state()).toBe('pending');
    await first.decide(view, { decision: 'approve', pin });
    expect((await bob.ended).deviceId).toBe(bob.deviceId);
    expect(await bob.state()).toBe('active');
    const evidence = (await server.scene.store.operations.evidence(view.op))!;
    const { client_id, decision } = JSON.parse(
      parseJws(openEvidence(server.scene.secrets, view.op, evidence)).payload.toString(),
    );
    expect(client_id).toBe('urn:assent:enrollment');
    expect(JSON.parse(parseJws(decision, { allow: ['proofs_sha256'] }).payload.toString())).toMatchObject({
      decision: 'approve',
      method: 'pin',
    });
  });

  test('what a new device calls itself cannot change how the question reads', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin });
    const bob = await enrolling(server, user, { device: { name: 'Your\u202e\n  bank\u0000' } });
    expect(await requestOn(first)).toMatchObject({ bindingMessage: 'Add Your bank to your devices?' });
    await first.decide(await requestOn(first), { decision: 'deny' });
    await bob.outcome;
  });

  test('a denial ends the enrollment: ticket, device and draft are gone, and it is on record', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin });
    const bob = await enrolling(server, user);
    await first.decide(await requestOn(first), { decision: 'deny', reason: 'not_me' });
    // with the answer, whether the new device asks again or not
    expect(await bob.state()).toBe('deactivated');
    expect((await bob.outcome).code).toBe('enrollment_denied');
    expect(await server.scene.operations.get(bob.operationId)).toMatchObject({
      state: 'cancelled',
      endReason: 'not_me',
    });
    expect(await bob.storage.load('enrolling')).toBeUndefined();
    const refusals = (await typesOf(server, user)).filter((type) => type === 'device.enrollment_refused');
    expect(refusals).toHaveLength(1);
    const again = beginEnrollment(memoryStorage(), bob.uri, server.sdk);
    await expect(again).rejects.toMatchObject({ code: 'ticket_invalid' });
  });

  test('a device that waits is given up: it is gone, and the question with it; where it cannot say so, both run out', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin });
    const bob = await enrolling(server, user);
    const { op } = await requestOn(first);
    ends.abort();
    await abandonEnrollment(bob.storage, server.sdk);
    expect(await bob.state()).toBe('deactivated');
    expect((await first.inbox()).operations).toEqual([]);
    expect(await server.scene.operations.get(op)).toMatchObject({ state: 'cancelled' });
    await expect(resumeEnrollment(bob.storage, server.sdk)).rejects.toMatchObject({ code: 'nothing_to_resume' });

    ends = new AbortController();
    const carol = await enrolling(server, user);
    ends.abort();
    const fetch = () => Promise.reject(new TypeError('no network'));
    await abandonEnrollment(carol.storage, { ...server.sdk, fetch });
    expect([await carol.state(), await carol.storage.load('enrolling')]).toEqual(['pending', undefined]);
  });

  test('a question that ended without anything following from it is found by the device that waits', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin });
    const bob = await enrolling(server, user);
    const { op } = (await first.inbox()).operations[0]!;
    // its end alone, as the store has it where a process died right after it
    await server.scene.store.operations.cancel({
      operationId: op,
      reason: 'cancelled_by_user',
      now: server.scene.clock.now(),
      events: [],
      outbox: [],
    });
    expect((await bob.outcome).code).toBe('enrollment_denied');
    expect(await bob.state()).toBe('deactivated');
  });

  test('a device that cannot give its PIN is not asked: the ticket is enough, as it was for the first', async () => {
    const user = await server.alice();
    await server.enroll(user);
    const bob = await enrolling(server, user);
    expect(bob.shown).toEqual([]);
    expect((await bob.ended).deviceId).toBe(bob.deviceId);
  });

  test('nobody answers: the enrollment ends with its ticket', async () => {
    const user = await server.alice();
    await server.enroll(user, { pin });
    const bob = await enrolling(server, user);
    server.scene.clock.advance(301);
    expect((await bob.outcome).code).toBe('ticket_invalid');
    expect(await bob.state()).toBe('pending');
  });
});

describe('another device says yes, and is told the digits', () => {
  const server = deviceServerForEach(wanting({ approveByExistingDevice: 'required', confirm: 'code' }));

  test('a person without a device enrolls none; the ticket is not spent', async () => {
    const user = await server.alice();
    const { uri } = await server.ticket(user);
    await expect(beginEnrollment(memoryStorage(), uri, server.sdk)).rejects.toMatchObject({
      code: 'no_approving_device',
    });
    await server.enroll(user, { pin, applicationId: 'first-app' });
    const enrollment = await beginEnrollment(memoryStorage(), uri, server.sdk);
    expect(enrollment.policy).toMatchObject({ confirm: 'code' });
  });

  test('the digits that the new device shows are typed on the one that approves it; the console’s do not replace it', async () => {
    const user = await server.alice();
    const first = await server.enroll(user, { pin, applicationId: 'first-app' });
    const bob = await enrolling(server, user);
    const { waiting, code = '' } = bob.shown[0]!;
    expect(waiting).toBe('approval');
    await bob.confirm(code);
    expect(await bob.state()).toBe('pending');
    const { op } = (await first.inbox()).operations[0]!;
    const view = await first.present(op);
    expect(view.match).toEqual({ mode: 'type6' });
    const wrong = first.decide(view, { decision: 'approve', pin, match: another(code) });
    await expect(wrong).rejects.toMatchObject({ code: 'attempt_failed' });
    await first.decide(view, { decision: 'approve', pin, match: code });
    expect((await bob.ended).deviceId).toBe(bob.deviceId);
  });
});

describe('what a platform says of the key', () => {
  let verdict: Verdict | 'fault' = { verdict: 'trusted', level: 'hardware', detail: 'StrongBox' };
  const seen: unknown[] = [];
  const verifyAttestation = async (statement: unknown) => {
    seen.push(statement);
    if (verdict === 'fault') throw new Error('the platform’s service is away');
    return verdict;
  };
  const server = deviceServerForEach({ ...wanting({ attestation: 'require' }), verifyAttestation });
  const attest = async ({ challenge }: { challenge: string }) => ({ kind: 'test-platform', blob: `over.${challenge}` });

  test('a trusted key is kept with the device, in evidence, and counts as hardware', async () => {
    verdict = { verdict: 'trusted', level: 'hardware', detail: 'StrongBox' };
    const user = await server.alice();
    const device = await (await enrolling(server, user, { attest })).ended;
    const stored = await server.scene.devices.get(device.deviceId);
    expect(stored.attestation).toMatchObject({ kind: 'test-platform', verdict: 'trusted', level: 'hardware' });
    const { challenge, jwk, blob } = seen.at(-1) as Record<string, unknown>;
    expect([blob, jwk]).toEqual([`over.${challenge}`, stored.keys.sig]);

    const { operation } = await server.ask(user, { possessionOnly: true });
    await device.decide(await device.present(operation.id), { decision: 'approve' });
    expect((await server.scene.operations.get(operation.id)).decision?.amr).toEqual(['hwk']);
    const sealed = await server.scene.store.operations.evidence(operation.id);
    const evidence = JSON.parse(parseJws(openEvidence(server.scene.secrets, operation.id, sealed!)).payload.toString());
    expect(evidence.device.attestation).toMatchObject({ kind: 'test-platform', verdict: 'trusted', level: 'hardware' });
  });

  test.each([
    ['none was sent', undefined, { verdict: 'trusted' } as const, 'attestation_refused'],
    ['it is not trusted', attest, { verdict: 'untrusted', detail: 'rooted' } as const, 'attestation_refused'],
    ['nobody can tell', attest, 'fault' as const, 'unavailable'],
  ])('refused where %s, and the device may try again', async (_why, statement, found, code) => {
    verdict = found;
    const user = await server.alice();
    const bob = await enrolling(server, user, statement ? { attest: statement } : {});
    expect((await bob.outcome).code).toBe(code);
    expect(await server.scene.devices.get(bob.deviceId)).toMatchObject({ state: 'pending', methods: ['device'] });
    expect((await typesOf(server, user)).includes('device.key_refused')).toBe(code === 'attestation_refused');
    verdict = { verdict: 'trusted', level: 'software' };
    const again = await beginEnrollment(bob.storage, bob.uri, server.sdk);
    const device = await again.finish({ device: {}, attest });
    const { operation } = await server.ask(user, { possessionOnly: true });
    await device.decide(await device.present(operation.id), { decision: 'approve' });
    expect((await server.scene.operations.get(operation.id)).decision?.amr).toEqual(['swk']);
  });
});

describe('what is only recorded', () => {
  const server = deviceServerForEach(wanting({ attestation: 'record' }));

  test('a statement that nobody can read is kept as that, and counts for nothing', async () => {
    const user = await server.alice();
    const attest = async () => ({ kind: 'unknown', blob: 'x' });
    const device = await (await enrolling(server, user, { attest })).ended;
    expect((await server.scene.devices.get(device.deviceId)).attestation).toMatchObject({ verdict: 'unverified' });
    const plain = await (await enrolling(server, user)).ended;
    expect(await server.scene.devices.get(plain.deviceId)).not.toHaveProperty('attestation');
  });
});

describe('notices', () => {
  const server = deviceServerForEach();

  /** The stream of a device, heard until the test ends it. */
  async function listening(device: Device) {
    const heard: InboxEvent[] = [];
    const over = new AbortController();
    let next = () => {};
    const ended = device
      .events(
        (event) => {
          heard.push(event);
          next();
        },
        { signal: AbortSignal.any([over.signal, ends.signal]) },
      )
      .catch((error: { code?: string }) => error.code);
    const until = async (isThere: (event: InboxEvent) => boolean) => {
      while (!heard.some(isThere)) await new Promise<void>((resolve) => (next = resolve));
    };
    await until(({ event }) => event === 'inbox');
    return { heard, ended, until, stop: () => over.abort() };
  }

  const later = () => server.scene.clock.advance(1);

  test('a new device is told to the others at once, and can be taken away with one tap', async () => {
    const user = await server.alice();
    const first = await server.enroll(user);
    const ears = await listening(first);
    later();
    const thief = await server.enroll(user, { device: { name: 'Phone of Mallory' } });
    await ears.until(({ event }) => event === 'notice');
    const told = {
      type: 'device.activated',
      device: { id: thief.deviceId, name: 'Phone of Mallory', state: 'active', revocable: true },
    };
    expect(ears.heard.at(-1)).toMatchObject({ event: 'notice', notice: told });
    expect((await first.inbox()).notices).toMatchObject([told]);
    // its own coming is no news to it, and what was before it is none of its business
    expect((await thief.inbox()).notices).toEqual([]);

    const thiefs = await listening(thief);
    await first.revoke(thief.deviceId);
    await thiefs.until(({ event }) => event === 'device');
    expect(thiefs.heard.at(-1)).toMatchObject({ event: 'device', state: 'deactivated' });
    expect(await thiefs.ended).toBe('device_deactivated');
    await expect(thief.inbox()).rejects.toMatchObject({ code: 'device_deactivated' });
    expect(await server.scene.devices.get(thief.deviceId)).toMatchObject({ state: 'deactivated' });
    const { operation } = await server.ask(user, { possessionOnly: true });
    expect((await first.inbox()).operations.map(({ op }) => op)).toEqual([operation.id]);
    // what this device has done itself it is not told
    expect((await first.inbox()).notices.map(({ type }) => type)).toEqual(['device.activated']);
    ears.stop();
    await ears.ended;
  });

  test('TH-13 a second key at a ticket is told to its owner, once however often it is tried', async () => {
    const user = await server.alice();
    const first = await server.enroll(user);
    later();
    const { uri } = await server.ticket(user);
    await redeem(server, uri, newEcKey());
    for (let i = 0; i < 3; i++) expect(await redeem(server, uri, newEcKey())).toMatchObject({ code: 'ticket_bound' });
    const { notices } = await first.inbox();
    expect(notices.map(({ type }) => type)).toEqual(['device.key_refused']);
    const events = await server.scene.store.events.ofUser(user.id, 40);
    expect(events.filter(({ type }) => type === 'device.key_refused')).toHaveLength(3);
    server.scene.clock.advance(24 * 3600);
    for (let i = 0; i < 9; i++) {
      const ticket = await server.ticket(user);
      for (let tried = 0; tried < 2; tried++) await redeem(server, ticket.uri, newEcKey());
    }
    // no person hears of more than five a day
    expect((await first.inbox()).notices).toHaveLength(6);
  });

  test('TH-13 a key in use that proves itself is told to whom it belongs, also where that is somebody else; a public half is not', async () => {
    const [alice, bob] = [await server.alice(), await newUser(server.scene, { username: 'bob' })];
    const owner = await enrollRaw(server, alice);
    const other = await enrollRaw(server, bob);
    later();
    const noticesOf = async (device: typeof owner) =>
      (await device.call('inbox')).body.notices.map(({ type }: { type: string }) => type);
    await enrollRaw(server, bob, { enc: owner.enc, pending: true });
    expect([await noticesOf(owner), await noticesOf(other)]).toEqual([[], []]);
    for (let i = 0; i < 2; i++) {
      const copied = await enrollRaw(server, bob, { sig: owner.sig, pending: true });
      expect(copied.enrolled).toMatchObject({ status: 409, code: 'key_reused' });
    }
    expect([await noticesOf(owner), await noticesOf(other)]).toEqual([['device.key_refused'], ['device.key_refused']]);
    const [event] = await server.scene.store.events.ofUser(alice.id, 1);
    expect(event).toMatchObject({ actor: 'system', deviceId: owner.id, data: { why: 'key_reused', key: 'sig' } });
    expect(JSON.stringify(event)).not.toContain(bob.id);
  });

  test('a newer device can take away no older one, nor anybody else’s', async () => {
    const user = await server.alice();
    const first = await server.enroll(user);
    later();
    const second = await server.enroll(user);
    const stranger = await server.enroll(await server.alice({ username: 'bob' }));
    for (const other of [first.deviceId, stranger.deviceId, 'nonsense', first.deviceId.replace(/.$/, 'x')]) {
      await expect(second.revoke(other)).rejects.toMatchObject({ code: 'revocation_refused' });
    }
    await first.revoke(second.deviceId);
    // twice is once: the answer to the first may have been lost
    await first.revoke(second.deviceId);
    const revoked = (await typesOf(server, user)).filter((type) => type === 'device.revoked');
    expect(revoked).toHaveLength(1);
    expect(await server.scene.devices.get(first.deviceId)).toMatchObject({ state: 'active' });
  });

  test('a lock by an operator and a device that leaves are told; what was put away is not told again', async () => {
    const user = await server.alice();
    const [first, second, third] = [await server.enroll(user), await server.enroll(user), await server.enroll(user)];
    later();
    await server.scene.devices.lock(second.deviceId, by);
    await third.unenroll();
    const { notices } = await first.inbox();
    expect(notices.map(({ type }) => type)).toEqual([
      'device.activated',
      'device.activated',
      'device.locked',
      'device.unenrolled',
    ]);
    for (const { id } of notices.slice(0, 3)) await first.dismissNotice(id);
    expect((await first.inbox()).notices).toEqual(notices.slice(3));
    const ears = await listening(first);
    expect(ears.heard[0]).toMatchObject({ event: 'inbox', notices: notices.slice(3) });
    ears.stop();
    await ears.ended;
  });

  test('after seven days it is old news', async () => {
    const user = await server.alice();
    const first = await server.enroll(user);
    await server.enroll(user);
    server.scene.clock.advance(7 * 24 * 3600 - 1);
    expect((await first.inbox()).notices).toHaveLength(1);
    server.scene.clock.advance(1);
    expect((await first.inbox()).notices).toEqual([]);
  });

  test('the stream of a device that an operator locks ends at once', async () => {
    const user = await server.alice();
    const device = await server.enroll(user);
    const ears = await listening(device);
    await server.scene.devices.lock(device.deviceId, by);
    await ears.until(({ event }) => event === 'device');
    expect(ears.heard.at(-1)).toMatchObject({ event: 'device', state: 'locked' });
    expect(await ears.ended).toBe('device_locked');
  });
});

describe('a box key of its own', () => {
  const server = deviceServerForEach({ ownBoxes: true, ...wanting({ confirm: 'code' }) });
  const day = 24 * 3600;

  const boxesOf = async (place?: string) => {
    const query = place === undefined ? '' : `?for=${place}`;
    const { sets } = (await (await fetch(`${server.base}/device/v1/keys${query}`)).json()) as { sets: string[] };
    return JSON.parse(parseJws(sets[0]!).payload.toString()).box as { kid: string; x: string }[];
  };
  const kidsSent = () =>
    server.exchanges.filter(({ up }) => up.split('.').length === 5).map(({ up }) => protectedHeader(up).kid as string);
  const protectedHeader = (jwe: string) => JSON.parse(Buffer.from(jwe.split('.')[0]!, 'base64url').toString());

  test('a device writes to the key of its ticket, then to its own, and to nobody else’s; nobody is told of it', async () => {
    const user = await server.alice();
    const bob = await enrolling(server, user);
    const fragment = new URLSearchParams(new URL(bob.uri).hash.slice(1));
    const [ofTicket, ...others] = await boxesOf(`t.${fragment.get('o')}`);
    expect(others).toEqual([]);
    expect(jwkThumbprint(ofTicket as never)).toBe(fragment.get('k'));
    expect(JSON.stringify(await boxesOf())).not.toContain(ofTicket!.x);
    await bob.confirm(bob.shown[0]!.code!);
    const device = await bob.ended;
    await device.inbox();
    const [place] = await boxesOf(`d.${device.deviceId}`);
    expect([place!.x, place!.kid]).toEqual([ofTicket!.x, `own.d.${device.deviceId}.${fragment.get('k')}`]);
    const places = kidsSent().map((kid) => /^own\.[td]/.exec(kid)?.[0] ?? 'session');
    expect(new Set(places)).toEqual(new Set(['own.t', 'own.d', 'session']));
    // the ticket has ended, and its copy with it
    expect(await boxesOf(`t.${fragment.get('o')}`)).toEqual(await boxesOf());
    expect((await server.scene.operations.get(bob.operationId)).ticket).not.toHaveProperty('box');
    const { operation } = await server.ask(user, { possessionOnly: true });
    await device.decide(await device.present(operation.id), { decision: 'approve' });
  });

  test('it is shown in a set that is signed once, until the set is another one', async () => {
    const device = await enrolled(await server.alice());
    const shown = async () => (await fetch(`${server.base}/device/v1/keys?for=d.${device.deviceId}`)).text();
    const before = await shown();
    expect([await shown(), await shown()]).toEqual([before, before]);
    await pass(7);
    const after = await shown();
    expect(after).not.toBe(before);
    expect(await shown()).toBe(after);
  });

  test('what is made up, over, or of no device, gets what everybody gets', async () => {
    const shared = await boxesOf();
    const nobody = `abAAAAAAAAAAAAAAAAAAAAAA`;
    for (const place of ['', 'd', 'd.', `d.${nobody}`, `t.${nobody}`, `x.${nobody}`, '%00', 'd.{00}', 'own.d'])
      expect(await boxesOf(place)).toEqual(shared);
    const first = `own.d.${nobody}.${'A'.repeat(43)}`;
    const body = ['eyJ', 'a', 'b', 'c', 'd'];
    body[0] = Buffer.from(
      JSON.stringify({ alg: 'ECDH-ES', enc: 'A256GCM', typ: 'assent-up', cty: 'json', kid: first, epk: shared[0] }),
    ).toString('base64url');
    const headers = { 'content-type': 'application/jose' };
    const refused = await fetch(`${server.base}/device/v1/inbox`, { method: 'POST', headers, body: body.join('.') });
    expect(refused.status).toBe(400);
  });

  const boxOf = async (id: string) => (await server.scene.devices.get(id)).box;
  const sweeper = () =>
    createSweeper({
      ...server.scene,
      clock: server.scene.clock.now,
      ownBoxes: server.side.ownBoxes,
      onError: (_job, error) => {
        throw error;
      },
    });
  /** As a server spends it: keys are looked after all the time. */
  async function pass(rounds: number, days = 1) {
    for (let done = 0; done < rounds; done++) {
      server.scene.clock.advance(days * day);
      await server.scene.serverKeys.maintain();
      await sweeper().boxes();
    }
  }
  async function enrolled(user: User) {
    const bob = await enrolling(server, user);
    await bob.confirm(bob.shown[0]!.code!);
    return bob.ended;
  }
  /** A message to the key that the device was told of last, were it long ago. */
  const approves = async (device: Device, user: User) => {
    const { operation } = await server.ask(user, { possessionOnly: true });
    return device.decide(await device.present(operation.id), { decision: 'approve' });
  };

  test('it is replaced after a week, the former still answers for two days, and it ends with the device', async () => {
    const user = await server.alice();
    const device = await enrolled(user);
    const before = (await boxOf(device.deviceId))!;
    await pass(7);
    const after = (await boxOf(device.deviceId))!;
    expect(after.thumbprint).not.toBe(before.thumbprint);
    expect(after.former).toMatchObject({ thumbprint: before.thumbprint });
    await approves(device, user);
    expect(kidsSent().at(-1)).toContain(before.thumbprint);

    await pass(2);
    // without a session, a message or anything else of the device
    expect(await boxOf(device.deviceId)).toEqual({ ...after, former: undefined });
    await device.inbox();
    expect(kidsSent().filter((kid) => kid.includes(after.thumbprint)).length).toBeGreaterThan(0);
    await device.unenroll();
    expect(await boxOf(device.deviceId)).toBeUndefined();
    expect(await boxesOf(`d.${device.deviceId}`)).toEqual(await boxesOf());
    await pass(8);
    expect(await boxOf(device.deviceId)).toBeUndefined();
  });

  test('of a device that nobody touches it is replaced and destroyed all the same; after a year the device comes back', async () => {
    const user = await server.alice();
    const device = await enrolled(user);
    await device.inbox();
    for (let days = 0; days < 20; days++) {
      await pass(1);
      const box = (await boxOf(device.deviceId))!;
      for (const { createdAt } of [box, ...(box.former ? [box.former] : [])]) {
        expect(server.scene.clock.now() - createdAt).toBeLessThan(9 * day * 1000);
      }
    }
    await pass(52, 7);
    const inUse = (await boxOf(device.deviceId))!;
    expect(inUse.createdAt).toBe(server.scene.clock.now());
    const before = server.exchanges.length;
    expect(await approves(device, user)).toMatchObject({ state: 'approved' });
    const sent = server.exchanges.slice(before).map(({ path, status }) => `${path} ${status}`);
    // it is told that its key is gone, fetches the one in use, and goes on
    expect(sent.slice(0, 3)).toEqual(['/device/v1/session 400', '/device/v1/keys 200', '/device/v1/session 200']);
    expect(kidsSent().some((kid) => kid.includes(inUse.thumbprint))).toBe(true);
    expect(kidsSent()).not.toContain(server.scene.serverKeys.current('box').kid);
  });

  test('of a locked device it is destroyed as well, and unlocked the device goes on with another', async () => {
    const user = await server.alice();
    const device = await enrolled(user);
    const before = (await boxOf(device.deviceId))!;
    await server.scene.devices.lock(device.deviceId, by);
    await pass(10);
    const after = (await boxOf(device.deviceId))!;
    expect(JSON.stringify(after)).not.toContain(before.thumbprint);
    expect(JSON.stringify(after)).not.toContain(before.sealed);
    await expect(device.inbox()).rejects.toMatchObject({ code: 'device_locked' });
    await server.scene.devices.unlock(device.deviceId, by);
    expect(await approves(device, user)).toMatchObject({ state: 'approved' });
    expect(kidsSent().some((kid) => kid.includes(after.thumbprint))).toBe(true);
  });

  test('of a server that was off for a month no former pair is kept two days more', async () => {
    const device = await enrolled(await server.alice());
    const before = (await boxOf(device.deviceId))!;
    server.scene.clock.advance(30 * day);
    expect(await sweeper().boxes()).toBe(1);
    expect(JSON.stringify(await boxOf(device.deviceId))).not.toContain(before.thumbprint);
    expect(await sweeper().boxes()).toBe(0);
    expect(await device.inbox()).toMatchObject({ operations: [] });
  });

  test('a typed code meets the shared key first, and its device goes on with its own', async () => {
    const user = await server.alice();
    const { activationCode, operationId } = await server.ticket(user);
    const source = { authenticatorUrl: server.base, user: 'alice', activationCode };
    const enrollment = await beginEnrollment(memoryStorage(), source, server.sdk);
    const { confirm } = server.scene.ticketConfirmation;
    let typed: Promise<unknown> | undefined;
    const onProgress = ({ code = '' }: EnrollmentProgress) => {
      typed ??= confirm({ userId: user.id, operationId, code }, by);
    };
    const device = await enrollment.finish({ device: {}, onProgress, signal: ends.signal });
    await typed;
    await device.inbox();
    expect(kidsSent()[0]).not.toContain('own');
    expect(kidsSent().filter((kid) => kid.startsWith(`own.d.${device.deviceId}`)).length).toBeGreaterThan(0);
  });
});
