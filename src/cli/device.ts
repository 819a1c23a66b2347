/** The software authenticator: an enrolled device of this computer, and how to get one. */

import { hostname, release, type } from 'node:os';
import {
  beginEnrollment,
  codeOf,
  type Device,
  type DeviceStorage,
  type Enrollment,
  type EnrollmentProgress,
  memoryStorage,
  openDevice,
  type PostContext,
  resumeEnrollment,
  type Waiting,
} from '../device-sdk/index.ts';
import { assent } from './command-name.ts';
import { deviceFile, fileStorage } from './device-file.ts';
import { enrollmentSource } from './enrollment-source.ts';
import { usage } from './errors.ts';
import { explain } from './explain.ts';
import { authenticatorOf } from './settings.ts';
import type { Terminal } from './terminal.ts';
import { plain } from './text.ts';

export interface DeviceOption {
  device: string;
}

export interface EnrollOptions extends DeviceOption {
  pin?: string;
  user?: string;
  authenticator?: string;
  replace?: boolean;
}

export interface Enrolled {
  device: Device;
  file: string;
  /** What stood in the file before, and stands for nobody any longer. */
  replaced?: string;
  /** What whoever made the link has to say to the new device. */
  postContext?: PostContext;
}

/** @throws CliError not_enrolled */
export async function openEnrolled(options: DeviceOption, terminal: Terminal): Promise<Device> {
  const file = deviceFile(options.device, terminal.env);
  const device = await openDevice(fileStorage(file));
  if (device) return device;
  const advice = `Enroll one: ${assent} device enroll <link>, with a link from \`${assent} ticket <user>\`, or in development http://localhost:3000/demo/enroll?user=alice`;
  throw usage('not_enrolled', `There is no device in ${file}.`, { advice });
}

/** @param address undefined: go on with an enrollment that was interrupted */
export async function enroll(
  address: string | undefined,
  options: EnrollOptions,
  terminal: Terminal,
): Promise<Enrolled> {
  const file = deviceFile(options.device, terminal.env);
  const storage = fileStorage(file);
  if (address === undefined) return { ...(await resumed(storage, terminal)), file };
  const source = await enrollmentSource(address, {
    user: options.user,
    authenticator: () => authenticatorOf(options.authenticator, terminal.env),
  });
  const after: PostContext[] = [];
  const onPostContext = (context: PostContext) => void after.push(context);
  const enrollment = await beginEnrollment(storage, source, { onPostContext }).catch(unlessFinished);
  if (!enrollment)
    return { device: await openEnrolled(options, terminal), file, ...(after[0] && { postContext: after[0] }) };
  const former = await formerDevice(storage);
  if (former) await refuseToForget(former, { enrollment, options, file });
  const pin = enrollment.isSent ? undefined : await newPin(enrollment, options, terminal);
  const finished = await finish(enrollment, pin, terminal);
  if (!former) return { ...finished, file };
  // it has no keys any longer, so it must not look like a device that could be reached
  await former.unenroll().catch(() => undefined);
  return { ...finished, file, replaced: former.deviceId };
}

/** On a copy of its keys, so that its end does not touch the file, which is the new one's by then. */
async function formerDevice(storage: DeviceStorage): Promise<Device | undefined> {
  const stored = await storage.load('device');
  if (!stored) return undefined;
  const copy = memoryStorage({ exportable: true });
  await copy.save('device', stored);
  return openDevice(copy).catch(unlessKeysLost);
}

/** A device of somebody else that works is not given up without being told to. */
async function refuseToForget(
  former: Device,
  { enrollment, options, file }: { enrollment: Enrollment; options: EnrollOptions; file: string },
): Promise<void> {
  const { issuer, masked_user: user } = enrollment.display;
  if (options.replace || (former.display.issuer === issuer && former.display.masked_user === user)) return;
  const isUsable = await former.status().then(
    ({ device }) => device.state === 'active',
    (error: unknown) => codeOf(error) !== 'device_refused',
  );
  if (!isUsable) return;
  await enrollment.abandon();
  const holder = `${plain(former.display.masked_user)} at ${plain(former.display.issuer)}`;
  throw usage('already_enrolled', `${file} holds a device of ${holder}.`, {
    advice: 'It was kept. Name another one with --device NAME, or give it up with --replace; either needs a new link.',
  });
}

async function newPin({ policy }: Enrollment, { pin }: EnrollOptions, terminal: Terminal): Promise<string | undefined> {
  if (!policy.methods.includes('pin')) return undefined;
  if (pin !== undefined) return pin;
  if (!terminal.interactive) {
    const advice = `Add --pin with at least ${policy.pin_length} digits. The link can still be used.`;
    throw usage('pin_required', 'A PIN is needed, and there is nobody to ask.', { advice });
  }
  for (;;) {
    const first = await terminal.askHidden(`Choose a PIN of at least ${policy.pin_length} digits: `);
    const second = await terminal.askHidden('The same PIN again: ');
    if (first === second) return first;
    terminal.say('The two are not the same. Once more.');
  }
}

type Finished = Pick<Enrolled, 'device' | 'postContext'>;

function resumed(storage: DeviceStorage, terminal: Terminal): Promise<Finished> {
  return whileWaiting(terminal, (waiting) => resumeEnrollment(storage, waiting));
}

async function finish(enrollment: Enrollment, pin: string | undefined, terminal: Terminal): Promise<Finished> {
  const info = { name: `assent on ${hostname()}`.slice(0, 64), os: `${type()} ${release()}`.slice(0, 64) };
  try {
    return await whileWaiting(terminal, (waiting) => enrollment.finish({ device: info, pin, ...waiting }));
  } catch (error) {
    if (codeOf(error) !== 'network') throw error;
    const advice = `The keys are kept. Go on with: ${assent} device enroll (without an address)`;
    throw usage('network', 'The server went away in the middle of it.', { advice, cause: explain(error) });
  }
}

/** Says once what the enrollment waits for; Ctrl+C leaves it to be gone on with. */
async function whileWaiting(terminal: Terminal, work: (waiting: Waiting) => Promise<Device>): Promise<Finished> {
  const after: PostContext[] = [];
  const over = new AbortController();
  const stop = () => over.abort();
  let said: string | undefined;
  const onProgress = ({ waiting, code }: EnrollmentProgress) => {
    if (said === waiting) return;
    said = waiting;
    if (code !== undefined) terminal.say(`\n    ${code.slice(0, 3)} ${code.slice(3)}\n`);
    terminal.say(waitingFor(waiting, code !== undefined));
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const onPostContext = (context: PostContext) => void after.push(context);
    const device = await work({ onProgress, onPostContext, signal: over.signal });
    return { device, ...(after[0] && { postContext: after[0] }) };
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

function waitingFor(waiting: EnrollmentProgress['waiting'], hasCode: boolean): string {
  if (waiting === 'code') return 'These digits are to be typed where the link came from. Waiting …';
  const asked = 'Another device of the same person was asked. Waiting for its answer …';
  return hasCode ? `These digits are to be typed on another device of the same person. ${asked}` : asked;
}

/** By this very link, before: only the last answer was missing. */
function unlessFinished(error: unknown): undefined {
  if (codeOf(error) === 'already_enrolled') return undefined;
  throw error;
}

function unlessKeysLost(error: unknown): undefined {
  if (codeOf(error) === 'keys_lost') return undefined;
  throw error;
}
