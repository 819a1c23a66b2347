import type { EnrollmentProgress } from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import { timeLeft } from './clock.ts';
import { show, t, timeText } from './frame.ts';
import { type Step, steps } from './steps.ts';

export const CONFIRMED_STEPS: Step[] = ['device', 'pin', 'confirm', 'done'];

/**
 * The keys are at the server, and something else is wanted before they count: digits that are typed elsewhere, or a yes
 * on another device. Shown once, then only the time of the last look changes.
 *
 * @param stop the person does not want to wait any longer
 * @returns    for `onProgress`
 */
export function waitingScreen(stop: () => void): (progress: EnrollmentProgress) => void {
  const checked = h('p', { class: 'quiet' });
  let shown = '';
  return (progress) => {
    checked.textContent = t('wait.checked', { time: timeText(Date.now()) });
    const what = `${progress.waiting} ${progress.code}`;
    if (what === shown) return;
    shown = what;
    render(progress, checked, stop);
  };
}

function render({ waiting, code, expiresAt }: EnrollmentProgress, checked: HTMLElement, stop: () => void): void {
  // What happens at the end is said by who waits: the server knows best when it is there.
  const { element: clock, stop: stopClock } = timeLeft(Date.now(), expiresAt * 1000, () => {});
  show(
    [
      steps(CONFIRMED_STEPS, 'confirm'),
      h('h1', {}, t(`wait.${waiting}.title`)),
      h('p', {}, t(`wait.${waiting}.body`)),
      code === undefined ? undefined : codeBox(code, waiting),
      h('p', { class: 'notice warn' }, t(`wait.${waiting}.care`)),
      checked,
      h(
        'div',
        { class: 'answer foot' },
        h('button', { class: 'link', id: 'stop', onclick: stop }, t('wait.stop')),
        clock,
      ),
    ],
    stopClock,
  );
}

/** Large, in two groups of three; read out digit by digit. */
export function codeBox(code: string, waiting: EnrollmentProgress['waiting'] = 'code'): HTMLElement {
  return h(
    'div',
    { class: 'numberbox' },
    waiting === 'approval' && h('strong', {}, t('wait.approval.code')),
    h(
      'p',
      { class: 'number code', id: 'code', 'data-code': code },
      h('span', { 'aria-hidden': 'true' }, `${code.slice(0, 3)} ${code.slice(3)}`),
      h('span', { class: 'unseen' }, [...code].join(' ')),
    ),
  );
}
