import {
  abandonEnrollment,
  beginEnrollment,
  codeOf,
  type Device,
  type DeviceOptions,
  type DeviceStorage,
  type Enrollment,
  type EnrollmentProgress,
  type EnrollmentSource,
  openDevice,
  type PostContext,
  resumeEnrollment,
} from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import type { TextKey } from '../texts/index.ts';
import { newPinFields } from './change-form.ts';
import { CONFIRMED_STEPS, waitingScreen } from './enroll-wait.ts';
import { field, outcome, setPerson, show, sign, t } from './frame.ts';
import { guessBrowser, guessName, guessSystem } from './guess.ts';
import { saidAfter } from './said-after.ts';
import { type Step, steps } from './steps.ts';

export interface EnrollDeps {
  storage: DeviceStorage;
  options: DeviceOptions;
  /** What this browser is enrolled as already: it keeps working until the new enrollment is done, which replaces it. */
  present?: Device;
  ready(device: Device): void;
  welcome(): void;
}

/** Three steps with their reason: this device, your PIN, done; a fourth where the new device is to be confirmed elsewhere. */
export async function enrollByLink(link: string, deps: EnrollDeps): Promise<void> {
  show([h('div', { class: 'outcome', role: 'status' }, sign('time'), h('h1', {}, t('enroll.checking')))]);
  try {
    await redeem(link, deps);
  } catch (error) {
    failed(error, await reopened(deps), () => void enrollByLink(link, deps));
  }
}

/** Where an enrollment that was interrupted is finished by this, that is what is shown: a second device is not wanted then. */
async function redeem(source: EnrollmentSource, deps: EnrollDeps): Promise<void> {
  let said: PostContext | undefined;
  const onPostContext = (context: PostContext) => {
    said = context;
  };
  try {
    const enrollment = await beginEnrollment(deps.storage, source, { ...deps.options, onPostContext });
    setPerson(enrollment.display.masked_user);
    const now = await reopened(deps);
    if (enrollment.isSent) return await finish(enrollment, guessed(), undefined, now);
    stepDevice(enrollment, now);
  } catch (error) {
    const { present } = await reopened(deps);
    const isNew = present !== undefined && present.deviceId !== deps.present?.deviceId;
    if (!isNew || !['already_enrolled', 'enrollment_conflict'].includes(codeOf(error) ?? '')) throw error;
    stepDone(present, deps, said);
  }
}

/** What this browser is enrolled as may have changed since the page was opened. */
async function reopened(deps: EnrollDeps): Promise<EnrollDeps> {
  const { present: _before, ...rest } = deps;
  const present = await openDevice(deps.storage, deps.options).catch(() => undefined);
  return { ...rest, ...(present && { present }) };
}

/**
 * A reload in the middle of an enrollment: its keys are at the server, so it goes on without the link and without the PIN.
 * Where nothing was under way, or it has come to nothing, what was here before.
 */
export async function goOnEnrolling(deps: EnrollDeps): Promise<void> {
  const waiting = wait(deps, () => abandonEnrollment(deps.storage, deps.options));
  try {
    const device = await resumeEnrollment(deps.storage, { ...deps.options, ...waiting });
    stepDone(device, deps, waiting.said(), waiting.steps());
  } catch (error) {
    if (waiting.isOver(error)) waiting.tell(error);
    else if (deps.present) deps.ready(deps.present);
    else if (codeOf(error) === 'network') failed(error, deps, () => void goOnEnrolling(deps));
    else deps.welcome();
  }
}

/** What was typed stays where it did not lead on: the mistake may be one letter. */
export function enrollByCode(deps: EnrollDeps): void {
  const words = { autocapitalize: 'none', spellcheck: 'false' };
  const user = field('user', t('enroll.code.user'), { ...words, autocomplete: 'username' });
  const code = field('code', t('enroll.code.code'), {
    ...words,
    autocapitalize: 'characters',
    autocomplete: 'one-time-code',
  });
  const button = h('button', { class: 'button main wide', type: 'submit' }, t('enroll.code.continue'));
  const busy = (isBusy: boolean) => {
    button.textContent = t(isBusy ? 'enroll.checking' : 'enroll.code.continue');
    if (isBusy) button.setAttribute('aria-disabled', 'true');
    else button.removeAttribute('aria-disabled');
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled')) return;
    const [name, typed] = [user.input.value.trim(), code.input.value.trim()];
    if (user.complain(name ? '' : t('signin.who.empty')) || code.complain(typed ? '' : t('enroll.code.empty'))) return;
    busy(true);
    try {
      await redeem({ authenticatorUrl: location.origin, user: name, activationCode: typed }, deps);
    } catch (error) {
      busy(false);
      const isOffline = codeOf(error) === 'network';
      code.complain(t(isOffline ? 'error.offline' : (CODE_FAILURES[codeOf(error) ?? ''] ?? 'enroll.code.wrong')));
    }
  };
  const back = h('button', { class: 'link', type: 'button', id: 'back', onclick: deps.welcome }, t('pin.back'));
  show([
    h(
      'form',
      { class: 'stack', novalidate: true, onsubmit: (event) => void submit(event) },
      h('h1', {}, t('enroll.code.title')),
      h('p', {}, t('enroll.code.body')),
      user.element,
      code.element,
      h('div', { class: 'answer' }, button, back),
    ),
  ]);
}

/** Anything else is said as a wrong code: the server does not tell more, and neither do we. */
const CODE_FAILURES: Record<string, TextKey> = {
  enrollment_conflict: 'enroll.failed.enrollment_conflict',
  keys_untrusted: 'enroll.failed.key_mismatch',
  no_approving_device: 'wait.nobody',
  rate_limited: 'enroll.failed.often',
  server_unexpected: 'enroll.failed.other',
  unavailable: 'enroll.failed.other',
};

const STEPS: Step[] = ['device', 'pin', 'done'];
const stepsOf = ({ policy }: Enrollment): Step[] => (policy.confirm === 'code' ? CONFIRMED_STEPS : STEPS);

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
    const device = { ...guessed(), ...(name.input.value.trim() && { name: name.input.value.trim() }) };
    if (enrollment.policy.methods.includes('pin')) stepPin(enrollment, device, deps);
    else void finish(enrollment, device, undefined, deps);
  };
  const body = h('p', {}, t('enroll.device.body', { issuer: new URL(issuer).host, user: masked_user }));
  const notMe = () =>
    void enrollment.abandon().then(() => {
      setPerson(deps.present?.display.masked_user ?? '');
      outcome('quiet', t('enroll.not_me.title'), t('enroll.not_me.body'), wayOn(deps));
    });
  const present = deps.present
    ? h('p', { class: 'notice warn' }, t('enroll.replaces', { user: deps.present.display.masked_user }))
    : undefined;
  const buttons = h(
    'div',
    { class: 'answer' },
    h('button', { class: 'button main wide', type: 'submit', id: 'continue' }, t('enroll.device.continue')),
    h('button', { class: 'link', type: 'button', onclick: notMe }, t('enroll.device.not_me')),
  );
  show([
    steps(stepsOf(enrollment), 'device'),
    h(
      'form',
      { class: 'stack', novalidate: true, onsubmit: submit },
      h('h1', {}, t('enroll.device.title')),
      body,
      present,
      name.element,
      buttons,
    ),
  ]);
}

type DeviceInfo = { name: string; model: string; os: string };

const guessed = (): DeviceInfo => ({ name: guessName(), model: guessBrowser(), os: guessSystem() });

function stepPin(enrollment: Enrollment, device: DeviceInfo, deps: EnrollDeps): void {
  const length = enrollment.policy.pin_length;
  const { first, second, read } = newPinFields(length);
  const button = h('button', { class: 'button main wide', type: 'submit', id: 'save' }, t('enroll.pin.save'));
  const submit = (event: Event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled')) return;
    const pin = read();
    if (pin === undefined) return;
    button.setAttribute('aria-disabled', 'true');
    button.textContent = t('enroll.pin.working');
    void finish(enrollment, device, pin, deps);
  };
  show([
    steps(stepsOf(enrollment), 'pin'),
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

async function finish(
  enrollment: Enrollment,
  info: DeviceInfo,
  pin: string | undefined,
  deps: EnrollDeps,
): Promise<void> {
  const waiting = wait(deps, () => enrollment.abandon());
  try {
    const device = await enrollment.finish({ device: info, pin, ...waiting });
    stepDone(device, deps, waiting.said(), waiting.steps(stepsOf(enrollment)));
  } catch (error) {
    if (waiting.isOver(error)) waiting.tell(error);
    else failed(error, deps, () => void finish(enrollment, info, pin, deps));
  }
}

/** Until something else has been done elsewhere; and how it ends when it is not. */
function wait(deps: EnrollDeps, abandon: () => Promise<void>) {
  const stopped = new AbortController();
  let last: EnrollmentProgress | undefined;
  const render = waitingScreen(() => stopped.abort());
  const onProgress = (progress: EnrollmentProgress) => {
    last = progress;
    if (!stopped.signal.aborted) render(progress);
  };
  const isOver = (error: unknown) =>
    ['enrollment_waiting', 'enrollment_denied', 'no_approving_device'].includes(codeOf(error) ?? '') ||
    (last !== undefined && codeOf(error) === 'device_refused');
  const tell = (error: unknown) => {
    if (codeOf(error) === 'no_approving_device') {
      return outcome('bad', t('enroll.failed.title'), t('wait.nobody'), wayOn(deps));
    }
    if (codeOf(error) === 'enrollment_waiting') {
      return void abandon().then(() => outcome('quiet', t('wait.stopped.title'), t('wait.stopped.body'), wayOn(deps)));
    }
    const ranOut = last !== undefined && Date.now() >= last.expiresAt * 1000 - 1000;
    const why = ranOut ? 'expired' : last?.waiting === 'code' ? 'code' : 'denied';
    outcome(ranOut ? 'time' : 'bad', t('wait.over.title'), t(`wait.over.${why}`), wayOn(deps));
  };
  let after: PostContext | undefined;
  const onPostContext = (context: PostContext) => {
    after = context;
  };
  /** Those that were shown on the way. */
  const stepsTaken = (planned = STEPS) => (last === undefined ? planned : CONFIRMED_STEPS);
  return { onProgress, onPostContext, signal: stopped.signal, isOver, tell, steps: stepsTaken, said: () => after };
}

/** After an enrollment that came to nothing: what this browser was before, it still is. */
function wayOn({ present, ready, welcome }: EnrollDeps): { label: string; run: () => void } {
  return present
    ? { label: t('enroll.done.continue'), run: () => ready(present) }
    : { label: t('done.continue'), run: welcome };
}

function stepDone(device: Device, { ready }: EnrollDeps, after?: PostContext, taken = STEPS): void {
  setPerson(device.display.masked_user);
  const button = h(
    'button',
    { class: 'button main wide', id: 'done', onclick: () => ready(device) },
    t('enroll.done.continue'),
  );
  const body = t('enroll.done.body', { user: device.display.masked_user });
  show([
    steps(taken, 'done'),
    h(
      'div',
      { class: 'outcome', role: 'status' },
      sign('good'),
      h('h1', {}, t('enroll.done.title')),
      h('p', {}, body),
      after && saidAfter(after, new URL(device.issuer).host),
    ),
    h('div', { class: 'answer' }, button),
  ]);
}

const FAILURES: Record<string, TextKey> = {
  no_approving_device: 'wait.nobody',
  ticket_invalid: 'enroll.failed.ticket_invalid',
  ticket_unreadable: 'enroll.failed.ticket_invalid',
  ticket_bound: 'enroll.failed.ticket_bound',
  enrollment_conflict: 'enroll.failed.enrollment_conflict',
  keys_untrusted: 'enroll.failed.key_mismatch',
  attestation_refused: 'enroll.failed.attestation',
  rate_limited: 'enroll.failed.often',
  network: 'error.offline',
};

/** Says what happened and what was kept; only what may pass by itself is offered again. */
function failed(error: unknown, deps: EnrollDeps, retry: () => void): void {
  const code = codeOf(error) ?? '';
  const mayPass = code === 'network' || code === 'server_unexpected' || code === 'unavailable';
  const action = mayPass ? { label: t('tv.again'), run: retry } : wayOn(deps);
  outcome('bad', t('enroll.failed.title'), t(FAILURES[code] ?? 'enroll.failed.other'), action);
}
