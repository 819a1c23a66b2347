import { showChangeForm } from './change-form.ts';
import { t } from './frame.ts';
import type { SettingsScreen } from './settings.ts';

export function showChangePin(screen: SettingsScreen): void {
  showChangeForm({
    ...screen,
    title: t('settings.pin.change'),
    body: t('settings.pin.change.body'),
    asks: ['pin', 'newPin'],
    act: t('settings.pin.change.act'),
    working: t('settings.working'),
    offline: t('settings.pin.offline'),
    back: screen.list,
    async run({ pin = '', newPin = '' }) {
      await screen.device.changePin({ pin, newPin });
      screen.done(t('settings.pin.changed'), t('settings.pin.changed.body'));
    },
  });
}

/** Whoever can give a device a PIN can approve with it: a device that has none needs a fresh link, as a new one does. */
export function showAddPin(screen: SettingsScreen): void {
  showChangeForm({
    ...screen,
    title: t('settings.pin.add'),
    body: t('settings.pin.add.body'),
    asks: ['ticket', 'newPin'],
    act: t('enroll.pin.save'),
    working: t('settings.working'),
    offline: t('settings.pin.offline'),
    back: screen.list,
    async run({ ticket = '', newPin = '' }) {
      await screen.device.addPin({ ticket, newPin });
      screen.done(t('settings.pin.added'), t('settings.pin.added.body'));
    },
  });
}

export function showRemovePin(screen: SettingsScreen): void {
  showChangeForm({
    ...screen,
    title: t('settings.pin.remove'),
    body: t('settings.pin.remove.body'),
    warning: t('settings.pin.remove.warning'),
    asks: ['pin'],
    act: t('settings.pin.remove.act'),
    working: t('settings.working'),
    offline: t('settings.pin.offline'),
    grave: true,
    back: screen.list,
    async run({ pin = '' }) {
      await screen.device.removePin({ pin });
      screen.done(t('settings.pin.removed'), t('settings.pin.removed.body'));
    },
  });
}
