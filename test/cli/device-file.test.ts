import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { deviceFile, fileStorage } from '../../src/cli/device-file.ts';
import { beginEnrollment } from '../../src/device-sdk/index.ts';
import { createManagementClient, type ManagementTicket } from '../../src/support/management-client.ts';
import { runCli } from '../support/cli.ts';
import { startServer } from '../support/server.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/tmp.ts';

let folder: TemporaryFolder;
let file: string;
let stillRunning: ChildProcess | undefined;
beforeEach(async () => {
  folder = await temporaryFolder('assent-device');
  file = deviceFile('phone', { XDG_CONFIG_HOME: folder.path });
});
afterEach(() => {
  stillRunning?.kill('SIGKILL');
  return folder.remove();
});

const enrolling = { v: 1, base: 'http://localhost:3002', sourceHash: 'x', sig: {} } as never;

test('lies where XDG says, else below the home folder', () => {
  expect(file).toBe(join(folder.path, 'assent/phone.json'));
  expect(deviceFile('phone', { HOME: '/home/alice' })).toBe('/home/alice/.config/assent/phone.json');
});

test('a slot is kept beside the other, and nothing else is left in the folder', async () => {
  const storage = fileStorage(file);
  await storage.save('enrolling', enrolling);
  await storage.save('device', { v: 1, deviceId: 'x' } as never);
  expect(await storage.load('enrolling')).toEqual(enrolling);
  expect(await readdir(join(folder.path, 'assent'))).toEqual(['.lock', 'phone.json']);
  await storage.erase('enrolling');
  expect(await storage.load('device')).toMatchObject({ deviceId: 'x' });
  await storage.erase('device');
  expect(await readdir(join(folder.path, 'assent'))).toEqual(['.lock']);
});

/** A process of its own that changes the file; `change` is the body of a function of `held`. */
function otherProcess(change: string, times: number): ChildProcess {
  const source = JSON.stringify(new URL('../../src/cli/device-file.ts', import.meta.url).href);
  const program = `
    const { fileStorage } = await import(${source});
    const storage = fileStorage(${JSON.stringify(file)});
    for (let i = 0; i < ${times}; i++) await storage.update('device', (held) => { ${change} });`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

const numberIn = async () => ((await fileStorage(file).load('device')) as { ctr?: number }).ctr;

test('two processes that count at the same time lose nothing, and give no number twice', async () => {
  await fileStorage(file).save('device', { v: 1, deviceId: 'x', ctr: 0 } as never);
  const count = 'console.log(held.ctr + 1); return { ...held, ctr: held.ctr + 1 };';
  const both = [1, 2].map(async () => {
    const child = otherProcess(count, 20);
    const [numbers, [status]] = await Promise.all([text(child.stdout!), once(child, 'exit')]);
    expect(status).toBe(0);
    return numbers.trim().split('\n').map(Number);
  });
  const given = (await Promise.all(both)).flat();
  expect(new Set(given).size).toBe(40);
  expect(await numberIn()).toBe(40);
});

test('a process that does not let go is waited for so long and told; one that dies leaves nothing in the way', async () => {
  await fileStorage(file).save('device', { v: 1, deviceId: 'x', ctr: 7 } as never);
  const child = otherProcess("console.log('in'); for (;;);", 1);
  stillRunning = child;
  await once(child.stdout!, 'data');
  await writeFile(`${file}.new`, 'half of what it wanted to write');
  const add = (held: object) => ({ ...held, ctr: 8 }) as never;
  const hurried = fileStorage(file, { waitMs: 0 });
  await expect(hurried.update('device', add)).rejects.toMatchObject({ code: 'device_file_busy' });
  expect(await numberIn()).toBe(7); // whoever only reads does not wait
  const patient = fileStorage(file).update('device', add);
  child.kill('SIGKILL');
  await patient;
  expect(await numberIn()).toBe(8);
  expect(await readdir(join(folder.path, 'assent'))).toEqual(['.lock', 'phone.json']);
});

test('a file that cannot be understood is told and left as it is', async () => {
  await mkdir(join(folder.path, 'assent'));
  await writeFile(file, '{"v": 7}');
  const env = { XDG_CONFIG_HOME: folder.path };
  const inbox = await runCli(['device', 'inbox', '--device', 'phone', '--json'], { env });
  expect([inbox.status, inbox.json().error.code]).toEqual([2, 'device_file_unusable']);
  await expect(fileStorage(file).save('enrolling', enrolling)).rejects.toMatchObject({ code: 'device_file_unusable' });
  expect(await readFile(file, 'utf8')).toBe('{"v": 7}');
});

test('a folder that cannot be written is told', async () => {
  await mkdir(join(folder.path, 'assent'));
  await writeFile(join(folder.path, 'assent/phone.json'), '');
  await chmod(join(folder.path, 'assent/phone.json'), 0o600);
  const below = fileStorage(join(file, 'deeper.json'));
  await expect(below.save('enrolling', enrolling)).rejects.toMatchObject({ code: 'device_file_unusable' });
});

test('an enrollment whose last answer was lost is finished by its own link again, or without one, and without the PIN', async () => {
  await using server = await startServer();
  const management = createManagementClient({ url: server.management, key: server.managementKey });
  const { id } = (await management.findUser('alice'))!;
  const offline: typeof fetch = async (url, init) => {
    if (String(url).endsWith('/status')) throw new TypeError('fetch failed');
    return fetch(url, init);
  };
  const options = { fetch: offline, sleep: async () => undefined };
  const env = { ...server.env, XDG_CONFIG_HOME: folder.path };
  const interrupted = async (name: string) => {
    const { ticket_uri } = await management.call<ManagementTicket>(`/users/${id}/enrollment-tickets`, { body: {} });
    const enrollment = await beginEnrollment(fileStorage(deviceFile(name, env)), ticket_uri, options);
    const lost = enrollment.finish({ device: { name: 'Phone' }, pin: '493817' });
    await expect(lost).rejects.toMatchObject({ code: 'network' });
    return { link: ticket_uri, deviceId: enrollment.deviceId };
  };

  const phone = await interrupted('phone');
  const enroll = ['device', 'enroll', '--device', 'phone', '--json'];
  const resumed = await runCli(enroll, { env });
  expect([resumed.status, resumed.json().device_id]).toEqual([0, phone.deviceId]);
  const again = await runCli(enroll, { env });
  expect([again.status, again.json().error.code]).toEqual([2, 'nothing_to_resume']);

  const tablet = await interrupted('tablet');
  const byLink = await runCli(['device', 'enroll', tablet.link, '--device', 'tablet', '--json'], { env });
  expect([byLink.status, byLink.json().device_id]).toEqual([0, tablet.deviceId]);
});
