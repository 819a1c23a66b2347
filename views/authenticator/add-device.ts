import type { EnrollmentTicket } from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import { showChangeForm } from './change-form.ts';
import { timeLeft } from './clock.ts';
import { outcome, show, t } from './frame.ts';
import { qrCode } from './qr.ts';
import type { SettingsScreen } from './settings.ts';

/** @param shown a request of the new device may come from now on */
export function showAddDevice(screen: SettingsScreen, shown: () => void): void {
  showChangeForm({
    ...screen,
    title: t('settings.add'),
    body: t('settings.add.body'),
    asks: ['pin'],
    act: t('settings.add.act'),
    working: t('settings.working'),
    back: screen.list,
    async run({ pin = '' }) {
      const ticket = await screen.device.createTicket({ pin });
      shown();
      showTicket(ticket, screen, () => showAddDevice(screen, shown));
    },
  });
}

/** The link as a picture, to be opened here, to be copied; and the code that can be typed instead. */
function showTicket(
  { uri, activationCode, expiresAt }: EnrollmentTicket,
  screen: SettingsScreen,
  again: () => void,
): void {
  const runOut = () =>
    outcome('time', t('add.over.title'), t('add.over.body'), { label: t('add.over.again'), run: again });
  const { element: clock, stop } = timeLeft(Date.now(), Date.parse(expiresAt), runOut);
  show(
    [
      h('h1', {}, t('add.title')),
      isLoopback(uri) ? undefined : h('p', {}, t('add.body')),
      h(
        'figure',
        { class: 'card qr' },
        isLoopback(uri) ? h('p', {}, t('add.loopback')) : qrCode(uri, t('add.qr')),
        copyable(uri),
      ),
      h(
        'div',
        { class: 'numberbox' },
        h('strong', {}, t('add.code')),
        h('p', { class: 'activation', id: 'activation' }, activationCode),
        h('span', { class: 'quiet' }, t('add.code.hint', { server: new URL(screen.device.base).host })),
      ),
      h('p', { class: 'notice warn' }, t('add.care')),
      h(
        'div',
        { class: 'answer foot' },
        h('button', { class: 'link', id: 'back', onclick: screen.list }, t('settings.back')),
        clock,
      ),
    ],
    stop,
  );
}

/** A picture would only send a phone to itself. */
function isLoopback(uri: string): boolean {
  return /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(uri).hostname);
}

function copyable(uri: string): HTMLElement {
  const copy = h('button', { class: 'button small', type: 'button', id: 'copy', 'data-link': uri }, t('add.copy'));
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(uri);
    copy.textContent = t('desk.copied');
  });
  return copy;
}
