import {
  codeOf,
  type Device,
  type DeviceOptions,
  indexedDbStorage,
  openDevice,
  resumeEnrollment,
} from '../../src/device-sdk/index.ts';
import { enrollByCode, enrollByLink } from './enroll.ts';
import { outcome, setPerson, t } from './frame.ts';
import { followInbox } from './inbox.ts';

const storage = indexedDbStorage();
const options: DeviceOptions = {};

/** An enrollment link wins over what is here; otherwise the device that this browser holds; otherwise how to get one. */
export async function start(ticketLink: string | undefined): Promise<void> {
  registerServiceWorker();
  if (ticketLink) return enrollByLink(ticketLink, { storage, options, ready });
  try {
    const device = (await openDevice(storage, options)) ?? (await resumed());
    if (device) ready(device);
    else welcome();
  } catch (error) {
    if (codeOf(error) !== 'keys_lost') throw error;
    outcome('bad', t('device.lost.title'), t('device.lost.body'), {
      label: t('device.again'),
      run: () => void startAgain(),
    });
  }
}

/** A reload in the middle of an enrollment: its keys are at the server, so it goes on without the link and without the PIN. */
async function resumed(): Promise<Device | undefined> {
  try {
    return await resumeEnrollment(storage, options);
  } catch {
    // Nothing was under way, or it has come to nothing; a new link starts over.
    return undefined;
  }
}

function ready(device: Device): void {
  setPerson(device.display.masked_user);
  // Asks the browser not to clear the keys when space runs out; granted to installed apps, and harmless where it is not.
  void navigator.storage?.persist?.();
  followInbox(device, { startAgain: () => void startAgain() });
}

function welcome(): void {
  setPerson('');
  outcome('quiet', t('welcome.title'), t('welcome.body'), {
    label: t('welcome.code'),
    run: () => enrollByCode({ storage, options, ready }),
  });
}

/** Erases what is left of a device that can no longer answer. */
async function startAgain(): Promise<void> {
  await storage.erase('device');
  await storage.erase('enrolling');
  await storage.trace?.forget();
  welcome();
}

function registerServiceWorker(): void {
  const policy = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy('assent', {
    createScriptURL: (url) => url,
  });
  const script = policy ? policy.createScriptURL('/sw.js') : '/sw.js';
  // Without one (private windows) everything works; the app only cannot be opened offline.
  navigator.serviceWorker?.register(script as string, { type: 'module' }).catch(() => {});
}

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): { createScriptURL(url: string): unknown };
}
