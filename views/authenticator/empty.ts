import { h } from '../shared/dom.ts';
import { show, sign, t, timeText } from './frame.ts';

/** Nothing to answer: says when it was last checked and how to test it. What changed elsewhere stands above. */
export function showEmpty(notices: HTMLElement, openSettings: () => void): void {
  const checked = () => t('inbox.checked', { time: timeText(Date.now()) });
  const line = h('p', { class: 'quiet' }, navigator.onLine ? checked() : t('inbox.offline'));
  const refresh = () => {
    line.textContent = navigator.onLine ? checked() : t('inbox.offline');
  };
  const timer = setInterval(refresh, 15_000);
  addEventListener('online', refresh);
  addEventListener('offline', refresh);
  const stop = () => {
    clearInterval(timer);
    removeEventListener('online', refresh);
    removeEventListener('offline', refresh);
  };
  const test = h('p', { class: 'quiet' }, t('inbox.test'));
  const settings = h('button', { class: 'button wide', id: 'settings', onclick: openSettings }, t('settings.title'));
  show(
    [
      notices,
      h(
        'div',
        { class: 'outcome', role: 'status' },
        sign('time'),
        h('h1', {}, t('inbox.empty.title')),
        h('p', {}, t('inbox.empty.body')),
        line,
        test,
      ),
      h('div', { class: 'answer' }, settings),
    ],
    stop,
  );
}
