import type { Device, Notice, StatusAnswer } from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import { showAddDevice } from './add-device.ts';
import { showChangeForm } from './change-form.ts';
import { dayText, outcome, show, t } from './frame.ts';
import { nameOf } from './joining.ts';
import { showAddPin, showChangePin, showRemovePin } from './settings-pin.ts';

export interface SettingsDeps {
  /** Back to what waits. */
  home(): void;
  /** If this device cannot be used any longer, says so on a page of its own. */
  gone(error: unknown): boolean;
  /** This device was removed. */
  startAgain(): void;
}

export interface Settings {
  /** The screen that is open leads to a request: it is to be shown as soon as it is there. */
  expectsRequest(): boolean;
  /** Something has changed elsewhere. */
  told(notice: Notice): void;
  /** The person is removing this device: that the server closes its door is no news then. */
  isLeaving(): boolean;
}

/** What a screen of the settings has at hand. */
export interface SettingsScreen {
  device: Device;
  pinLength: number;
  gone(error: unknown): boolean;
  /** Back to the list of settings. */
  list(): void;
  /** One line that says what happened, and back to the list. */
  done(title: string, body: string): void;
}

/** “This device”: what it is, and what can be changed about it. */
export function showSettings(device: Device, deps: SettingsDeps): Settings {
  let status: StatusAnswer | undefined;
  let expects = false;
  let leaving = false;
  const screen = (): SettingsScreen => ({
    device,
    pinLength: status?.policy?.pin_length ?? 6,
    gone: deps.gone,
    list,
    done: (title, body) => outcome('good', title, body, { label: t('settings.back'), run: list }),
  });

  /** Shown at once with what is known here; what the server adds follows. */
  const list = () => {
    expects = false;
    const facts = h('dl', { class: 'facts' });
    const actions = h('div', { class: 'card rows' });
    const fill = () => {
      facts.replaceChildren(...factsOf(device, status));
      actions.replaceChildren(...actionsOf());
    };
    fill();
    show([
      h('h1', {}, t('settings.title')),
      h('div', { class: 'card' }, facts),
      actions,
      h(
        'div',
        { class: 'answer' },
        h('button', { class: 'button wide', id: 'home', onclick: deps.home }, t('settings.home')),
      ),
    ]);
    device.status().then((answer) => {
      status = answer;
      if (facts.isConnected) keepingFocus(fill);
    }, deps.gone);
  };

  const actionsOf = (): HTMLElement[] => {
    const hasPin = status ? status.device.methods.includes('pin') : device.hasPin;
    const mayHavePin = hasPin || (status?.policy?.methods.includes('pin') ?? false);
    return [
      ...(hasPin ? [row('change-pin', 'settings.pin.change', () => showChangePin(screen()))] : []),
      ...(mayHavePin && !hasPin ? [row('add-pin', 'settings.pin.add', () => showAddPin(screen()))] : []),
      ...(hasPin ? [row('add-device', 'settings.add', addDevice)] : []),
      row('rotate', 'settings.rotate', () => rotate(screen(), hasPin)),
      ...(hasPin ? [row('remove-pin', 'settings.pin.remove', () => showRemovePin(screen()))] : []),
      row('remove', 'settings.remove', removeThis),
    ];
  };

  const addDevice = () =>
    showAddDevice(screen(), () => {
      expects = true;
    });

  const removeThis = () =>
    remove(screen(), deps.startAgain, (isLeaving) => {
      leaving = isLeaving;
    });

  /** The new device is there: the link on the screen is used up. */
  const told = ({ type, device: added }: Notice) => {
    if (!expects || type !== 'device.activated') return;
    expects = false;
    const body = t('add.done.body', { device: nameOf(added ?? {}) });
    outcome('good', t('join.approved.title'), body, { label: t('done.continue'), run: deps.home });
  };

  list();
  return { expectsRequest: () => expects, told, isLeaving: () => leaving };
}

/** Rows are made anew; whoever was on one stays on it. */
function keepingFocus(change: () => void): void {
  const id = document.activeElement?.id;
  change();
  if (id) document.getElementById(id)?.focus();
}

type RowText =
  | 'settings.pin.change'
  | 'settings.pin.add'
  | 'settings.pin.remove'
  | 'settings.add'
  | 'settings.rotate'
  | 'settings.remove';

function row(id: string, text: RowText, onclick: () => void): HTMLElement {
  return h(
    'button',
    { class: 'row-button', id, onclick },
    h('strong', {}, t(text)),
    h('span', { class: 'quiet' }, t(`${text}.hint`)),
  );
}

function factsOf(device: Device, status: StatusAnswer | undefined): HTMLElement[] {
  const fact = (label: string, value: string | undefined) =>
    value ? [h('dt', {}, label), h('dd', { dir: 'auto' }, value)] : [];
  const since = status?.device.since;
  const hasPin = status ? status.device.methods.includes('pin') : device.hasPin;
  return [
    ...fact(t('fact.name'), status?.device.name),
    ...fact(t('fact.person'), device.display.masked_user),
    ...fact(t('fact.server'), new URL(device.issuer).host),
    ...fact(t('fact.since'), since === undefined ? undefined : dayText(since * 1000)),
    ...fact(t('fact.methods'), t(hasPin ? 'settings.methods.pin' : 'settings.methods.device')),
  ];
}

function rotate(screen: SettingsScreen, hasPin: boolean): void {
  showChangeForm({
    ...screen,
    title: t('settings.rotate'),
    body: t('settings.rotate.body'),
    asks: [hasPin ? 'pin' : 'ticket'],
    act: t('settings.rotate.act'),
    working: t('settings.working'),
    offline: t('settings.rotate.offline'),
    back: screen.list,
    async run({ pin, ticket }) {
      await screen.device.rotate({ pin, ticket });
      screen.done(t('settings.rotate.done'), t('settings.rotate.done.body'));
    },
  });
}

/** Named, and said plainly what follows; possession is enough, as for a denial: a lost PIN must not keep a device. */
function remove(screen: SettingsScreen, startAgain: () => void, leaving: (isLeaving: boolean) => void): void {
  showChangeForm({
    ...screen,
    title: t('settings.remove.title'),
    body: t('settings.remove.body', { user: screen.device.display.masked_user }),
    warning: t('settings.remove.warning'),
    asks: [],
    act: t('settings.remove.act'),
    working: t('settings.working'),
    grave: true,
    back: screen.list,
    async run() {
      leaving(true);
      try {
        await screen.device.unenroll();
      } catch (error) {
        leaving(false);
        throw error;
      }
      outcome('quiet', t('settings.removed'), t('settings.removed.body'), {
        label: t('done.continue'),
        run: startAgain,
      });
    },
  });
}
