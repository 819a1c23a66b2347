import { codeOf, type DeviceError } from '../../src/device-sdk/index.ts';
import { outcome, t } from './frame.ts';

/** Whoever gets one of these can answer nothing any more. */
export function isDeviceOver(error: unknown): boolean {
  return ['device_locked', 'device_deactivated', 'device_refused', 'keys_untrusted', 'keys_lost'].includes(
    codeOf(error) ?? '',
  );
}

/** What happened to this device, and what to do: the last page until then. */
export function showDeviceOver(error: unknown, startAgain: () => void): void {
  const again = { label: t('device.again'), run: startAgain };
  const code = codeOf(error);
  if (code === 'device_locked') showLocked(error as DeviceError, again);
  else if (code === 'keys_lost') outcome('bad', t('device.lost.title'), t('device.lost.body'), again);
  else if (code === 'keys_untrusted') outcome('bad', t('device.untrusted.title'), t('device.untrusted.body'), again);
  else outcome('bad', t('device.removed.title'), t('device.removed.body'), again);
}

function showLocked({ reason }: DeviceError, again: { label: string; run: () => void }): void {
  if (reason === 'attempts') outcome('bad', t('device.locked.title'), t('device.locked.attempts'), again);
  // it may be unlocked at any time, and its keys are worth keeping until then
  else outcome('bad', t('device.locked.title'), t('device.locked.admin'), lookAgain());
}

const lookAgain = () => ({ label: t('device.locked.look'), run: () => location.reload() });
