import { codeOf, type Device, type Notice } from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import type { TextKey } from '../texts/index.ts';
import { announce, t, timeText } from './frame.ts';
import { nameOf } from './joining.ts';

/** What changed elsewhere in this person's name, until they have put it away. */
export interface NoticeBoard {
  /** Empty and hidden where there is nothing to tell; keeps itself up to date wherever it is shown. */
  element: HTMLElement;
  /** All that the server tells. */
  set(notices: Notice[]): void;
  add(notice: Notice): void;
  /** It was put away in another tab. */
  hide(id: string): void;
  count(): number;
}

export interface NoticeDeps {
  /** If the device cannot be used any longer, says so. */
  gone(error: unknown): boolean;
  /** The person has put it away here. */
  dismissed(id: string): void;
}

export function createNoticeBoard(device: Device, { gone, dismissed }: NoticeDeps): NoticeBoard {
  const element = h('section', { class: 'stack notices', 'aria-label': t('notice.label'), hidden: true });
  const shown = new Map<string, HTMLElement>();

  /** What is still told of it was said before. */
  const away = new Set<string>();

  const add = (notice: Notice) => {
    if (shown.has(notice.id) || away.has(notice.id)) return;
    const dismiss = async () => {
      await device.dismissNotice(notice.id);
      dismissed(notice.id);
    };
    const card = noticeCard(notice, { device, gone, dismiss, remove: () => remove(notice.id) });
    shown.set(notice.id, card);
    element.prepend(card);
    element.hidden = false;
    announce(textOf(notice));
  };
  const hide = (id: string) => {
    away.add(id);
    shown.get(id)?.remove();
    shown.delete(id);
    element.hidden = shown.size === 0;
  };
  const remove = (id: string) => {
    hide(id);
    // the button that was pressed is gone: reading goes on at the heading
    document.querySelector<HTMLElement>('h1')?.focus();
  };
  return {
    element,
    add,
    hide,
    set: (notices) => [...notices].sort((a, b) => a.at - b.at).forEach(add),
    count: () => shown.size,
  };
}

const KNOWN: Record<string, TextKey> = {
  'device.activated': 'notice.activated',
  'device.replaced': 'notice.replaced',
  'device.pin_changed': 'notice.pin_changed',
  'device.method_added': 'notice.method_added',
  'device.method_removed': 'notice.method_removed',
  'device.keys_rotated': 'notice.keys_rotated',
  'device.locked': 'notice.locked',
  'device.unlocked': 'notice.unlocked',
  'device.deactivated': 'notice.removed',
  'device.unenrolled': 'notice.removed',
  'device.revoked': 'notice.removed',
  'device.clone_suspected': 'notice.clone_suspected',
  'device.key_refused': 'notice.key_refused',
  'ticket.created': 'notice.ticket_created',
};

function textOf({ type, device }: Notice): string {
  return t(KNOWN[type] ?? 'notice.other', { device: nameOf(device ?? {}) });
}

interface CardDeps {
  device: Device;
  gone(error: unknown): boolean;
  /** It need not be told again, here or in another tab. */
  dismiss(): Promise<void>;
  remove(): void;
}

function noticeCard(notice: Notice, deps: CardDeps): HTMLElement {
  const at = new Date(notice.at * 1000);
  const time = h('time', { class: 'when', datetime: at.toISOString() }, timeText(at.getTime()));
  const card = h('article', { class: 'notice warn', 'data-notice': notice.type });
  const put = (text: string, ...buttons: HTMLElement[]) =>
    card.replaceChildren(h('p', { dir: 'auto' }, h('strong', {}, text)), time, h('div', { class: 'row' }, ...buttons));

  const dismiss = h('button', { class: 'link', type: 'button', onclick: () => void away() }, t('notice.dismiss'));
  const away = async () => {
    deps.remove();
    await deps.dismiss();
  };
  const { id, revocable } = notice.device ?? { revocable: false };
  if (!revocable || id === undefined) {
    put(textOf(notice), dismiss);
    return card;
  }

  const revoke = h('button', { class: 'button small', type: 'button' }, t('notice.revoke'));
  revoke.addEventListener('click', async () => {
    if (revoke.getAttribute('aria-disabled')) return;
    revoke.setAttribute('aria-disabled', 'true');
    revoke.textContent = t('notice.revoking');
    const said = await taken(id, deps);
    if (!said) return;
    card.className = said === 'notice.revoked' ? 'notice good' : 'notice bad';
    const text = t(said, { device: nameOf(notice.device ?? {}) });
    put(text, dismiss);
    announce(text);
    dismiss.focus();
  });
  put(textOf(notice), revoke, dismiss);
  return card;
}

/** @returns what to say; undefined where this device itself is over and a page of its own says so */
async function taken(id: string, { device, gone, dismiss }: CardDeps): Promise<TextKey | undefined> {
  try {
    await device.revoke(id);
    // it was acted on: another day it need not be told again
    await dismiss();
    return 'notice.revoked';
  } catch (error) {
    if (gone(error)) return undefined;
    return codeOf(error) === 'network' ? 'notice.revoke.offline' : 'notice.revoke.failed';
  }
}
