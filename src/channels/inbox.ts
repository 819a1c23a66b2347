import type { Handler } from './outcome.ts';
import type { WakeHub } from './wake-hub.ts';

/**
 * The inbox as a channel: streams of the user in this process look again. Their wake-up has usually come already, by the
 * store; this repairs one that was lost. Nothing can fail: a device that holds no stream asks by itself.
 */
export function createInboxHandler({ hub }: { hub: Pick<WakeHub, 'nudge'> }): Handler {
  return async ({ userId }) => {
    hub.nudge(userId);
    return { outcome: 'accepted' };
  };
}
