import { checkNewPin, codeOf, type Device, type DeviceError } from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import type { TextKey } from '../texts/index.ts';
import { field, PIN_FIELD, show, t } from './frame.ts';
import { attemptText } from './outcome-words.ts';

/** What a change of this device needs from the person. A device without a PIN shows a fresh enrollment link instead. */
export interface Given {
  pin?: string;
  newPin?: string;
  ticket?: string;
}

export interface ChangeForm {
  title: string;
  body: string;
  /** What follows, where that is not plain. */
  warning?: string;
  asks: readonly ('pin' | 'newPin' | 'ticket')[];
  pinLength: number;
  act: string;
  working: string;
  grave?: boolean;
  /** What is to be said where no answer came, if more may have happened than nothing. */
  offline?: string;
  /** Resolves when it is done; what it rejects with is said at its field, and the form stays. */
  run(given: Given): Promise<void>;
  back(): void;
  device: Device;
  gone(error: unknown): boolean;
}

/** One change of this device: why, what is needed for it, and two buttons. */
export function showChangeForm(form: ChangeForm): void {
  const fields = fieldsOf(form);
  const problem = h('p', { class: 'notice bad', role: 'alert', hidden: true });
  const button = h(
    'button',
    { class: form.grave ? 'button grave' : 'button main', type: 'submit', id: 'act' },
    form.act,
  );
  const busy = (isBusy: boolean) => {
    button.textContent = isBusy ? form.working : form.act;
    if (isBusy) button.setAttribute('aria-disabled', 'true');
    else button.removeAttribute('aria-disabled');
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled')) return;
    problem.hidden = true;
    const given = fields.read();
    if (!given) return;
    busy(true);
    try {
      await form.run(given);
    } catch (error) {
      busy(false);
      if (form.gone(error) || (await lockedNow(error, form)) || fields.complain(error)) return;
      problem.textContent =
        codeOf(error) === 'network' ? (form.offline ?? t('settings.offline')) : t('settings.failed');
      problem.hidden = false;
    }
  };
  const back = h('button', { class: 'button', type: 'button', id: 'back', onclick: form.back }, t('pin.back'));
  show([
    h(
      'form',
      { class: 'stack', novalidate: true, onsubmit: (event) => void submit(event) },
      h('h1', {}, form.title),
      h('p', {}, form.body),
      form.warning !== undefined && h('p', { class: 'notice warn' }, form.warning),
      ...fields.elements,
      problem,
      h('div', { class: 'buttons' }, back, button),
    ),
  ]);
  fields.elements[0]?.querySelector('input')?.focus();
}

/** The last try was wrong: the next word of the server is that this device is locked. */
async function lockedNow(error: unknown, { device, gone }: ChangeForm): Promise<boolean> {
  if (codeOf(error) !== 'attempt_failed' || (error as DeviceError).attemptsLeft !== 0) return false;
  return device.status().then(() => false, gone);
}

const NEW_PIN_PROBLEMS: Record<string, TextKey> = {
  pin_not_digits: 'enroll.pin.digits',
  pin_too_short: 'enroll.pin.short',
  pin_too_long: 'enroll.pin.weak',
  pin_weak: 'enroll.pin.weak',
};

/** What is wrong with a new PIN, in words; undefined where nothing is. */
export function newPinProblem(pin: string, length: number): string | undefined {
  try {
    checkNewPin(pin, length);
    return undefined;
  } catch (error) {
    return t(NEW_PIN_PROBLEMS[codeOf(error) ?? ''] ?? 'enroll.pin.weak', { length });
  }
}

/** Two fields for a new PIN. `read` says what is wrong at its field, and then gives undefined. */
export function newPinFields(length: number, label = t('enroll.pin.first', { length })) {
  const attributes = { ...PIN_FIELD, autocomplete: 'new-password' };
  const first = field('pin', label, attributes);
  const second = field('pin-again', t('enroll.pin.second'), attributes);
  const read = (): string | undefined => {
    first.complain('');
    second.complain('');
    if (first.complain(newPinProblem(first.input.value, length) ?? '')) return undefined;
    const differs = first.input.value !== second.input.value;
    return second.complain(differs ? t('enroll.pin.differs') : '') ? undefined : first.input.value;
  };
  return { first, second, read };
}

function fieldsOf({ asks, pinLength }: ChangeForm) {
  const old = field('old-pin', t('settings.pin.present'), PIN_FIELD);
  const made = newPinFields(pinLength, t('settings.pin.new', { length: pinLength }));
  const link = field(
    'ticket',
    t('settings.ticket'),
    { autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' },
    t('settings.ticket.hint'),
  );
  const has = (what: (typeof asks)[number]) => asks.includes(what);
  const elements = [
    ...(has('ticket') ? [link.element] : []),
    ...(has('pin') ? [old.element] : []),
    ...(has('newPin') ? [made.first.element, made.second.element] : []),
  ];
  const read = (): Given | undefined => {
    if (has('ticket') && link.complain(link.input.value.trim() ? '' : t('settings.ticket.empty'))) return undefined;
    if (has('pin') && old.complain(old.input.value ? '' : t('pin.empty'))) return undefined;
    const newPin = has('newPin') ? made.read() : undefined;
    if (has('newPin') && newPin === undefined) return undefined;
    return {
      ...(has('ticket') && { ticket: link.input.value.trim() }),
      ...(has('pin') && { pin: old.input.value }),
      ...(newPin !== undefined && { newPin }),
    };
  };
  /** @returns whether one of the fields is to blame */
  const complain = (error: unknown): boolean => {
    const code = codeOf(error) ?? '';
    if (code === 'attempt_failed' && has('pin')) {
      old.input.value = '';
      return old.complain(attemptText(error as DeviceError, 'settings.pin.wrong'));
    }
    if ((code === 'pin_unchanged' || code === 'key_reused') && has('newPin'))
      return made.first.complain(t('settings.pin.same'));
    if (code in NEW_PIN_PROBLEMS && has('newPin')) {
      return made.first.complain(t(NEW_PIN_PROBLEMS[code] as TextKey, { length: pinLength }));
    }
    if (code.startsWith('ticket_') && has('ticket')) return link.complain(t('settings.ticket.bad'));
    return false;
  };
  return { elements, read, complain };
}
