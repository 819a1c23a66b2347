import { codeOf, type Device, type DeviceOptions, indexedDbStorage, openDevice } from '../../src/device-sdk/index.ts';
import { type EnrollDeps, enrollByCode, enrollByLink, goOnEnrolling } from './enroll.ts';
import { outcome, setPerson, t } from './frame.ts';
import { followInbox } from './inbox.ts';
import { showDeviceOver } from './over.ts';
import { registerServiceWorker } from './service-worker.ts';

const storage = indexedDbStorage();
const options: DeviceOptions = {};

/** What the page was opened with. */
export interface Opened {
  /** An enrollment link. */
  ticketLink?: string | undefined;
  /** What another screen offers, to be taken by the device that this browser holds. */
  claimLink?: string | undefined;
}

/** An enrollment link wins over what is here; otherwise the device that this browser holds; otherwise how to get one. */
export async function start(opened: Opened): Promise<void> {
  registerServiceWorker();
  if (!isSecureContext) return outcome('bad', t('start.insecure.title'), t('start.insecure.body'));
  try {
    await begin(opened);
  } catch {
    // IndexedDB or WebCrypto, taken away by a setting or a private window: without them there are no keys.
    outcome('bad', t('start.failed.title'), t('start.failed.body'), {
      label: t('tv.again'),
      run: () => location.reload(),
    });
  }
}

async function begin({ ticketLink, claimLink }: Opened): Promise<void> {
  let present: Device | undefined;
  try {
    present = await openDevice(storage, options);
  } catch (error) {
    if (codeOf(error) !== 'keys_lost') throw error;
    // Whoever comes with a link has what helps, and need not be told first.
    if (!ticketLink) return showDeviceOver(error, () => void startAgain());
  }
  if (ticketLink) return enrollByLink(ticketLink, enrolling(present));
  if (present && claimLink) return ready(present, claimLink);
  if (await storage.load('enrolling')) return goOnEnrolling(enrolling(present, claimLink));
  if (present) ready(present);
  else welcome(claimLink);
}

/** Whoever enrolls now has what they came with right afterwards. */
const enrolling = (present?: Device, claimLink?: string): EnrollDeps => ({
  storage,
  options,
  present,
  ready: (device) => ready(device, claimLink),
  welcome: () => welcome(claimLink),
});

function ready(device: Device, claimLink?: string): void {
  setPerson(device.display.masked_user);
  // Asks the browser not to clear the keys when space runs out; granted to installed apps, and harmless where it is not.
  void navigator.storage?.persist?.();
  followInbox(device, { startAgain: () => void startAgain(), claimLink });
}

function welcome(claimLink?: string): void {
  setPerson('');
  const [title, body] = claimLink ? (['claim.nobody.title', 'claim.nobody.body'] as const) : welcomeWords;
  outcome('quiet', t(title), t(body), {
    label: t('welcome.code'),
    run: () => enrollByCode(enrolling(undefined, claimLink)),
  });
}

const welcomeWords = ['welcome.title', 'welcome.body'] as const;

/** Erases what is left of a device that can no longer answer. */
async function startAgain(): Promise<void> {
  await storage.erase('device');
  await storage.erase('enrolling');
  await storage.erase('notices');
  await storage.trace?.forget();
  welcome();
}
