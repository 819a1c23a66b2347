import { createServerKeys, type ServerKeys } from '../../src/domain/server-keys.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../../src/support/clock.ts';
import { sceneForEach } from './scene.ts';

const by = { actor: 'management:test' };
const options = { signingRotationDays: 90, signingPublishMinutes: 60, signingRetireDays: 14 };

describe('keys of ID tokens follow one another', () => {
  const scene = sceneForEach();
  const newProcess = () =>
    createServerKeys({ store: scene.store, clock: scene.clock.now, secrets: scene.secrets, options });
  const pass = (ms: number) => scene.clock.advance(ms / SECOND);
  const states = (keys: ServerKeys, alg = 'ES256') =>
    keys
      .publicKeys('oidc')
      .filter((key) => key.alg === alg)
      .map(({ state }) => state)
      .sort();

  test('published, then signing, then retired, then gone; its public half stays', async () => {
    const keys = await newProcess();
    const former = keys.current('oidc', 'ES256').kid;
    await keys.rotateSigning({ alg: 'ES256' }, by);
    expect(states(keys)).toEqual(['current', 'next']);
    expect(states(keys, 'RS256')).toEqual(['current']);
    expect(keys.current('oidc', 'ES256').kid).toBe(former);

    pass(HOUR - 1000);
    await keys.maintain();
    expect(keys.current('oidc', 'ES256').kid).toBe(former);
    pass(1000);
    await keys.maintain();
    expect(keys.current('oidc', 'ES256').kid).not.toBe(former);
    expect(states(keys)).toEqual(['current', 'retired']);
    expect(keys.byKid('oidc', former)).toBeDefined();

    pass(14 * DAY);
    await keys.maintain();
    expect(states(keys)).toEqual(['current', 'destroyed']);
    expect(keys.byKid('oidc', former)).toBeUndefined();
    expect(keys.publicKeys('oidc').map(({ kid }) => kid)).toContain(former);
    expect((await scene.store.keys.list()).find(({ kid }) => kid === former)).not.toHaveProperty('sealed');
  });

  test('on a schedule, with one successor however many processes look and however often somebody asks', async () => {
    const processes = await Promise.all([newProcess(), newProcess(), newProcess()]);
    pass(90 * DAY - MINUTE);
    await Promise.all(processes.map((each) => each.maintain()));
    expect(states(processes[0]!)).toEqual(['current']);
    pass(MINUTE);
    await Promise.all(processes.map((each) => each.maintain()));
    await Promise.all(processes.map((each) => each.rotateSigning({}, by)));
    await Promise.all(processes.map((each) => each.reload()));
    for (const each of processes)
      for (const alg of ['ES256', 'RS256']) expect(states(each, alg)).toEqual(['current', 'next']);
    pass(HOUR);
    await Promise.all(processes.map((each) => each.maintain()));
    await Promise.all(processes.map((each) => each.reload()));
    const kids = new Set(processes.map((each) => each.current('oidc', 'ES256').kid));
    expect(kids.size).toBe(1);
    // the next ninety days begin when it began to sign
    pass(89 * DAY);
    await processes[0]!.maintain();
    expect(states(processes[0]!)).not.toContain('next');
  });

  test('a lost key is taken back at once: its successor signs, and nothing of it is left to sign with', async () => {
    const keys = await newProcess();
    const lost = keys.current('oidc', 'ES256').kid;
    await keys.rotateSigning({ alg: 'ES256', revoke: true }, by);
    expect(states(keys)).toEqual(['current', 'destroyed']);
    expect(keys.current('oidc', 'ES256').kid).not.toBe(lost);
    expect(keys.byKid('oidc', lost)).toBeUndefined();
  });

  test('another process knows by its next read, and is told that something changed, once', async () => {
    const [one, other] = [await newProcess(), await newProcess()];
    let told = 0;
    other.onChange(() => told++);
    await other.reload();
    expect(told).toBe(0);
    await one.rotateSigning({ immediate: true }, by);
    await other.reload();
    expect(told).toBe(1);
    expect(other.current('oidc', 'ES256')).toEqual(one.current('oidc', 'ES256'));
    await other.reload();
    expect(told).toBe(1);
  });
});
