import {
  beginEnrollment,
  checkNewPin,
  codeOf,
  type Device,
  type DeviceOptions,
  type DeviceStorage,
  type Enrollment,
  type EnrollmentSource,
} from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import type { TextKey } from '../texts/index.ts';
import { field, outcome, PIN_FIELD, setPerson, show, t } from './frame.ts';

export interface EnrollDeps {
  storage: DeviceStorage;
  options: DeviceOptions;
  ready(device: Device): void;
}

/** Three steps with their reason: this device, your PIN, done. */
export async function enrollByLink(source: EnrollmentSource, deps: EnrollDeps): Promise<void> {
  try {
    const enrollment = await beginEnrollment(deps.storage, source, deps.options);
    setPerson(enrollment.display.masked_user);
    stepDevice(enrollment, deps);
  } catch (error) {
    failed(error, () => void enrollByLink(source, deps));
  }
}

export function enrollByCode(deps: EnrollDeps): void {
  const user = field('user', t('enroll.code.user'), {
    autocomplete: 'username',
    autocapitalize: 'none',
    spellcheck: 'false',
  });
  const code = field('code', t('enroll.code.code'), {
    autocomplete: 'one-time-code',
    autocapitalize: 'characters',
    spellcheck: 'false',
  });
  const submit = (event: Event) => {
    event.preventDefault();
    if (!user.input.value.trim()) return user.input.focus();
    if (!code.input.value.trim()) return code.input.focus();
    void enrollByLink(
      { authenticatorUrl: location.origin, user: user.input.value.trim(), activationCode: code.input.value.trim() },
      deps,
    );
  };
  const button = h('button', { class: 'button main wide', type: 'submit' }, t('enroll.code.continue'));
  show([
    h(
      'form',
      { class: 'stack', novalidate: true, onsubmit: submit },
      h('h1', {}, t('enroll.code.title')),
      h('p', {}, t('enroll.code.body')),
      user.element,
      code.element,
      button,
    ),
  ]);
}

const STEPS = ['device', 'pin', 'done'] as const;

function steps(current: (typeof STEPS)[number]): HTMLElement {
  const at = STEPS.indexOf(current);
  const item = (step: (typeof STEPS)[number], i: number) =>
    h('li', { class: i < at ? 'done' : undefined, 'aria-current': i === at && 'step' }, t(`enroll.step.${step}`));
  return h('ol', { class: 'steps' }, ...STEPS.map(item));
}

function stepDevice(enrollment: Enrollment, deps: EnrollDeps): void {
  const { issuer, masked_user } = enrollment.display;
  const name = field(
    'name',
    t('enroll.device.name'),
    { value: guessName(), maxlength: 60, autocomplete: 'off' },
    t('enroll.device.name.hint'),
  );
  const submit = (event: Event) => {
    event.preventDefault();
    const device = { name: name.input.value.trim() || guessName(), model: guessBrowser(), os: guessSystem() };
    if (enrollment.policy.methods.includes('pin')) stepPin(enrollment, device, deps);
    else void finish(enrollment, device, undefined, deps);
  };
  const body = h('p', {}, t('enroll.device.body', { issuer: new URL(issuer).host, user: masked_user }));
  const notMe = () =>
    void enrollment.abandon().then(() => outcome('quiet', t('enroll.not_me.title'), t('enroll.not_me.body')));
  const buttons = h(
    'div',
    { class: 'answer' },
    h('button', { class: 'button main wide', type: 'submit', id: 'continue' }, t('enroll.device.continue')),
    h('button', { class: 'link', type: 'button', onclick: notMe }, t('enroll.device.not_me')),
  );
  show([
    steps('device'),
    h(
      'form',
      { class: 'stack', novalidate: true, onsubmit: submit },
      h('h1', {}, t('enroll.device.title')),
      body,
      name.element,
      buttons,
    ),
  ]);
}

type DeviceInfo = { name: string; model: string; os: string };

const PIN_PROBLEMS: Record<string, TextKey> = {
  pin_not_digits: 'enroll.pin.digits',
  pin_too_short: 'enroll.pin.short',
  pin_too_long: 'enroll.pin.weak',
  pin_weak: 'enroll.pin.weak',
};

function stepPin(enrollment: Enrollment, device: DeviceInfo, deps: EnrollDeps): void {
  const length = enrollment.policy.pin_length;
  const attributes = { ...PIN_FIELD, autocomplete: 'new-password' };
  const first = field('pin', t('enroll.pin.first', { length }), attributes);
  const second = field('pin-again', t('enroll.pin.second'), attributes);
  const button = h('button', { class: 'button main wide', type: 'submit', id: 'save' }, t('enroll.pin.save'));
  const submit = (event: Event) => {
    event.preventDefault();
    first.complain('');
    second.complain('');
    const problem = pinProblem(first.input.value, length);
    if (problem && first.complain(t(problem, { length }))) return;
    if (first.input.value !== second.input.value && second.complain(t('enroll.pin.differs'))) return;
    if (button.getAttribute('aria-disabled')) return;
    button.setAttribute('aria-disabled', 'true');
    button.textContent = t('enroll.pin.working');
    void finish(enrollment, device, first.input.value, deps);
  };
  show([
    steps('pin'),
    h(
      'form',
      { class: 'stack', novalidate: true, onsubmit: submit },
      h('h1', {}, t('enroll.pin.title')),
      h('p', {}, t('enroll.pin.body')),
      first.element,
      second.element,
      button,
    ),
  ]);
  first.input.focus();
}

function pinProblem(pin: string, length: number): TextKey | undefined {
  try {
    checkNewPin(pin, length);
    return undefined;
  } catch (error) {
    return PIN_PROBLEMS[codeOf(error) ?? ''] ?? 'enroll.pin.weak';
  }
}

async function finish(
  enrollment: Enrollment,
  info: DeviceInfo,
  pin: string | undefined,
  deps: EnrollDeps,
): Promise<void> {
  try {
    const device = await enrollment.finish({ device: info, pin });
    stepDone(device, deps);
  } catch (error) {
    failed(error, () => void finish(enrollment, info, pin, deps));
  }
}

function stepDone(device: Device, { ready }: EnrollDeps): void {
  const button = h(
    'button',
    { class: 'button main wide', id: 'done', onclick: () => ready(device) },
    t('enroll.done.continue'),
  );
  const body = t('enroll.done.body', { user: device.display.masked_user });
  show([
    steps('done'),
    h('div', { class: 'outcome', role: 'status' }, h('h1', {}, t('enroll.done.title')), h('p', {}, body)),
    h('div', { class: 'answer' }, button),
  ]);
}

const FAILURES: Record<string, TextKey> = {
  ticket_invalid: 'enroll.failed.ticket_invalid',
  ticket_unreadable: 'enroll.failed.ticket_invalid',
  ticket_bound: 'enroll.failed.ticket_bound',
  enrollment_conflict: 'enroll.failed.enrollment_conflict',
  keys_untrusted: 'enroll.failed.key_mismatch',
  network: 'error.offline',
};

/** Says what happened and what was kept; only what may pass by itself is offered again. */
function failed(error: unknown, retry: () => void): void {
  const code = codeOf(error) ?? '';
  const again = code === 'network' || code === 'server_unexpected' || code === 'unavailable';
  outcome(
    'bad',
    t('enroll.failed.title'),
    t(FAILURES[code] ?? 'enroll.failed.other'),
    again ? { label: t('tv.again'), run: retry } : undefined,
  );
}

function guessSystem(): string {
  const agent = navigator.userAgent;
  const systems: [RegExp, string][] = [
    [/Android/, 'Android'],
    [/iPhone|iPad/, 'iOS'],
    [/Mac OS X/, 'macOS'],
    [/Windows/, 'Windows'],
    [/CrOS/, 'ChromeOS'],
    [/Linux/, 'Linux'],
  ];
  return systems.find(([pattern]) => pattern.test(agent))?.[1] ?? 'Unknown';
}

function guessBrowser(): string {
  const agent = navigator.userAgent;
  const browsers: [RegExp, string][] = [
    [/Edg\//, 'Edge'],
    [/Firefox\//, 'Firefox'],
    [/Chrome\//, 'Chrome'],
    [/Safari\//, 'Safari'],
  ];
  return browsers.find(([pattern]) => pattern.test(agent))?.[1] ?? 'Browser';
}

function guessName(): string {
  return `${guessBrowser()} · ${guessSystem()}`;
}
