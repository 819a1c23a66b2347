/** Notices that the person has put away. The server tells each for some days; what was seen is this device's own matter. */
import type { InboxEvent } from './events.ts';
import type { DeviceStorage, StoredNotices } from './storage.ts';
import type { InboxAnswer } from './wire.ts';

/** The server tells fewer than this; older ones are gone there, too. */
const remembered = 100;

export async function dismiss(storage: DeviceStorage, id: string): Promise<void> {
  const withIt = ({ dismissed }: StoredNotices): StoredNotices => ({
    v: 1,
    dismissed: [...new Set([...dismissed, id])].slice(-remembered),
  });
  if (!(await storage.update('notices', withIt))) await storage.save('notices', { v: 1, dismissed: [id] });
}

export async function withoutDismissed(storage: DeviceStorage, answer: InboxAnswer): Promise<InboxAnswer> {
  const { notices = [] } = answer;
  const dismissed = notices.length > 0 ? await dismissedIn(storage) : [];
  return { ...answer, notices: notices.filter(({ id }) => !dismissed.includes(id)) };
}

/** undefined: nothing that the caller of `events` should hear. */
export async function stillNew(storage: DeviceStorage, event: InboxEvent): Promise<InboxEvent | undefined> {
  if (event.event === 'inbox') {
    const { operations, notices } = await withoutDismissed(storage, { poll_seconds: 0, ...event });
    return { ...event, operations, notices };
  }
  if (event.event !== 'notice') return event;
  return (await dismissedIn(storage)).includes(event.notice.id) ? undefined : event;
}

async function dismissedIn(storage: DeviceStorage): Promise<string[]> {
  return (await storage.load('notices'))?.dismissed ?? [];
}
