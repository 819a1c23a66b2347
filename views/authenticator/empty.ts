import { h } from '../shared/dom.ts';
import { show, sign, t, timeText } from './frame.ts';

/** When the server was last heard, and whether it is there now. */
export interface Contact {
  /** Epoch milliseconds; 0: not yet. */
  at: number;
  isLost: boolean;
}

export interface Rest {
  /** What changed elsewhere: stands above. */
  notices: HTMLElement;
  /** Asks the server if it was not heard for a while, and says what came of it. */
  look(): Promise<Contact>;
  openSettings(): void;
  /** Another screen has taken its place. */
  left(): void;
}

/** Nothing to answer: says when it was last checked and how to test it; without a connection, that nobody knows. */
export function showEmpty({ notices, look, openSettings, left }: Rest): void {
  const line = h('p', { class: 'quiet' }, t('enroll.checking'));
  const title = h('h1', {}, t('inbox.empty.title'));
  const body = h('p', {}, t('inbox.empty.body'));
  const test = h('p', { class: 'quiet' }, t('inbox.test'));
  const refresh = async () => {
    const { at, isLost } = await look();
    title.textContent = t(isLost ? 'inbox.offline.title' : 'inbox.empty.title');
    body.textContent = t(isLost ? 'inbox.offline' : 'inbox.empty.body');
    line.textContent = t('inbox.checked', { time: timeText(at) });
    line.hidden = at === 0;
    test.hidden = isLost;
  };
  const timer = setInterval(() => void refresh(), 15_000);
  const now = () => void refresh();
  now();
  addEventListener('online', now);
  addEventListener('offline', now);
  const stop = () => {
    left();
    clearInterval(timer);
    removeEventListener('online', now);
    removeEventListener('offline', now);
  };
  const settings = h('button', { class: 'button wide', id: 'settings', onclick: openSettings }, t('settings.title'));
  show(
    [
      notices,
      h('div', { class: 'outcome', role: 'status' }, sign('time'), title, body, line, test),
      h('div', { class: 'answer' }, settings),
    ],
    stop,
  );
}
