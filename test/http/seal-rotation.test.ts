import { compactVerify, createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet } from 'jose';
import type { Device } from '../../src/device-sdk/index.ts';
import { openEvidence } from '../../src/domain/evidence.ts';
import type { User } from '../../src/domain/user.ts';
import { DAY, SECOND } from '../../src/support/clock.ts';
import { by } from '../domain/scene.ts';
import { deviceServerForEach } from './device-server.ts';

describe('the seal key follows another without anybody noticing', () => {
  const server = deviceServerForEach();
  const get = async (path: string) => (await fetch(`${server.base}/device/v1/${path}`)).json();
  const sets = async () =>
    ((await get('keys')) as { sets: string[] }).sets.map((set) => decodeProtectedHeader(set).kid);
  const published = async () => (await get('jwks.json')) as JSONWebKeySet;
  const kids = async () => (await published()).keys.map(({ kid }) => kid);
  const current = () => server.scene.serverKeys.current('seal').kid;

  async function days(count: number): Promise<void> {
    server.scene.clock.advance((count * DAY) / SECOND);
    await server.scene.serverKeys.maintain();
  }
  /** Published, and a day later signing. */
  async function rotate(): Promise<void> {
    await server.scene.serverKeys.rotateSigning({ use: 'seal' }, by);
    await days(1);
  }
  /** The whole way; resolves with the evidence. */
  async function approve(user: User, device: Device): Promise<string> {
    const { operation } = await server.ask(user, { possessionOnly: true });
    await device.decide(await device.present(operation.id), { decision: 'approve' });
    const sealed = await server.scene.store.operations.evidence(operation.id);
    return openEvidence(server.scene.secrets, operation.id, sealed!);
  }
  const signedBy = (jws: string) => decodeProtectedHeader(jws).kid;

  test('B17 a device that was enrolled before goes on: the successor is published, then signs, and the former vouches for it', async () => {
    const user = await server.alice();
    const device = await server.enroll(user);
    const former = current();
    await server.scene.serverKeys.rotateSigning({ use: 'seal' }, by);
    // published before use, by every live key and for verifiers
    const [, next] = await sets();
    expect(await sets()).toEqual([former, next]);
    expect(await kids()).toEqual(expect.arrayContaining([former, next]));
    expect(signedBy(await approve(user, device))).toBe(former);

    await days(1);
    expect(current()).toBe(next);
    expect(await sets()).toEqual([next, former]);
    expect(signedBy(await approve(user, device))).toBe(next);
    // who has not talked to it since learns it from what it meets
    expect(signedBy(await approve(user, await server.enroll(user)))).toBe(next);
  });

  test('it happens on a schedule, with a private half that ends and a public one that does not', async () => {
    const former = current();
    await days(180);
    expect(current()).toBe(former);
    expect(await sets()).toHaveLength(2);
    await days(1);
    expect(current()).not.toBe(former);
    await days(399);
    expect(server.scene.serverKeys.byKid('seal', former)).toBeDefined();
    await days(1);
    expect(server.scene.serverKeys.byKid('seal', former)).toBeUndefined();
    expect(await sets()).not.toContain(former);
    expect(await kids()).toContain(former);
  });

  test('B03 evidence from before verifies with the published keys only, when its key is long destroyed; not with one byte changed', async () => {
    const user = await server.alice();
    const evidence = await approve(user, await server.enroll(user));
    const former = current();
    await rotate();
    await days(401);
    expect(server.scene.serverKeys.byKid('seal', former)).toBeUndefined();
    const keys = createLocalJWKSet(await published());
    const { protectedHeader, payload } = await compactVerify(evidence, keys);
    expect(protectedHeader).toMatchObject({ kid: former, typ: 'assent-evidence+jwt' });
    expect(JSON.parse(new TextDecoder().decode(payload))).toMatchObject({ sub: user.id });
    const [head, body, signature] = evidence.split('.') as [string, string, string];
    const other = body.startsWith('A') ? 'B' : 'A';
    await expect(compactVerify([head, other + body.slice(1), signature].join('.'), keys)).rejects.toThrow();
  });

  test('a device that slept through two rotations wakes up and goes on, for its own key still vouches for the newest', async () => {
    const user = await server.alice();
    const device = await server.enroll(user);
    const former = current();
    await rotate();
    await days(100);
    await rotate();
    expect(await sets()).toHaveLength(3);
    expect(await sets()).toContain(former);
    expect(signedBy(await approve(user, device))).toBe(current());
  });

  test('one that slept for longer is told that it cannot trust these keys, and decides nothing', async () => {
    const user = await server.alice();
    const device = await server.enroll(user);
    await rotate();
    await days(200);
    await days(200);
    const { operation } = await server.ask(user, { possessionOnly: true });
    await expect(device.present(operation.id)).rejects.toMatchObject({ code: 'keys_untrusted' });
    expect(await server.scene.operations.get(operation.id)).toMatchObject({ state: 'pending' });
  });

  test('after a loss the former signs no set anymore; who has met its successor goes on', async () => {
    const user = await server.alice();
    const device = await server.enroll(user);
    const lost = current();
    await server.scene.serverKeys.rotateSigning({ use: 'seal' }, by);
    const later = await server.enroll(user);
    await server.scene.serverKeys.rotateSigning({ use: 'seal', revoke: true }, by);
    expect(await sets()).toEqual([current()]);
    expect(await kids()).toContain(lost);
    expect(signedBy(await approve(user, later))).toBe(current());
    const { operation } = await server.ask(user, { possessionOnly: true });
    await expect(device.present(operation.id)).rejects.toMatchObject({ code: 'keys_untrusted' });
  });
});
