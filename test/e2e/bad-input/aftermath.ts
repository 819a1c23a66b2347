import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ciba } from './life.ts';
import type { Failure, Report } from './run.ts';
import type { World } from './world.ts';

export const regressions = join(import.meta.dirname, 'regressions');

export interface Snapshot {
  people: unknown[];
  devices: unknown[];
}

/** People and devices that the bad input had no leave to change; it may have made new people, with the key. */
export async function snapshotOf({ api, values }: World): Promise<Snapshot> {
  const ids = [values['target_id']!, values['locked_id']!];
  const named = ['alice', 'bob', 'target', 'locked'];
  const people = await Promise.all(
    named.map(async (name) => (await api('GET', `/users?username=${name}`)).body['items'][0]),
  );
  // whoever holds the key may rename this one, and nobody may lock it by accident
  const { id, state } = (await api('GET', `/users/${values['scratch_id']}`)).body;
  const devices = await Promise.all(ids.map(async (id) => (await api('GET', `/users/${id}/devices`)).body['items']));
  return {
    people: [...people, { id, state }],
    devices: devices.flat().map(({ last_used_at: _, ...device }) => device),
  };
}

/** The request that waited all the time is approved and redeemed, and tokens from before are good. */
export async function finishKept({ kept, oauth, values }: World): Promise<void> {
  const poll = () => oauth('/oauth/token', { grant_type: ciba, auth_req_id: kept.authReqId });
  const early = expect.stringMatching(/authorization_pending|slow_down/);
  expect(await poll()).toMatchObject({ status: 400, body: { error: early } });
  expect((await kept.device.status(kept.op)).device).toMatchObject({ id: values['device_id'], state: 'active' });
  await kept.device.decide(await kept.device.present(kept.op), { decision: 'approve', pin: '493817' });
  expect(await poll()).toMatchObject({ status: 200, body: { token_type: 'Bearer' } });
  const { body } = await oauth('/oauth/introspect', { token: values['access_token']! });
  expect(body).toMatchObject({ active: true, sub: values['target_id'] });
}

/** Only a log of its own, line by line, without faults and without secrets. */
export function expectCleanLog(output: string, { secrets }: World): void {
  // the welcome shows the key of the development configuration; everything after it is the log
  const lines = output.split('\n').filter((line) => line.startsWith('{"time"'));
  expect(lines.filter((line) => /http\.fault|unhandled|uncaught|"level":"error"/i.test(line))).toEqual([]);
  const long = secrets.filter(([name]) => name !== 'an activation code');
  expect(lines.filter((line) => long.some(([, secret]) => line.includes(secret)))).toEqual([]);
  expect(lines.filter((line) => !isJson(line))).toEqual([]);
}

export function told({ sent, statuses }: Report): string {
  return `${sent} sent: ${Object.entries(statuses)
    .map(([status, count]) => `${status} × ${count}`)
    .join(', ')}`;
}

export const sentences = (failures: readonly Failure[]) =>
  failures.map(({ case: each, wrong }) => `${each.family}, ${each.name.slice(0, 120)}: ${wrong.join('; ')}`);

/** For `regressions/`: whoever mends it moves the file there. */
export async function keep(failures: readonly Failure[]): Promise<void> {
  if (failures.length === 0) return;
  await mkdir(regressions, { recursive: true });
  for (const { case: each } of failures.slice(0, 20)) {
    const name = `${each.family}-${each.name}`.replaceAll(/[^\w]+/g, '-').slice(0, 80);
    await writeFile(join(regressions, `${name}.json`), `${JSON.stringify(each, null, 2)}\n`);
  }
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
