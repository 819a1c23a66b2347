/** What was changed on another device, in a sentence. */

import type { Notice } from '../device-sdk/index.ts';
import { assent } from './command-name.ts';
import { plain } from './text.ts';

const sentences: Record<string, string> = {
  'device.activated': 'A device was added',
  'device.replaced': 'A device was replaced by a new one',
  'device.locked': 'A device was locked',
  'device.unlocked': 'A device was unlocked',
  'device.deactivated': 'A device was removed by an operator',
  'device.unenrolled': 'A device was removed',
  'device.revoked': 'A device was removed by another device',
  'device.clone_suspected': 'A device may have been copied',
  'device.method_added': 'A device can prove more than before',
  'device.pin_changed': 'The PIN of a device was changed',
  'device.method_removed': 'A device can prove less than before',
  'device.keys_rotated': 'A device has new keys',
  'device.key_refused': 'A device was refused: its link or its key is in use already',
  'ticket.created': 'A device made a link that enrolls another one',
};

export function noticeLines({ type, at, device }: Notice): string[] {
  const said = sentences[type] ?? `Something changed (${type})`;
  const which = device ? `: ${plain(device.name ?? device.model ?? 'no name')} (${device.id})` : '';
  const when = new Date(at * 1000).toISOString();
  return [
    `! ${said}${which}, ${when}.`,
    ...(device?.revocable ? [`  Not you? Take it away: ${assent} device revoke ${device.id}`] : []),
  ];
}
