import { h } from '../shared/dom.ts';
import { t } from './frame.ts';

export type Step = 'device' | 'pin' | 'confirm' | 'done';

/** Where one is in an enrollment. */
export function steps(all: readonly Step[], current: Step): HTMLElement {
  const at = all.indexOf(current);
  const item = (step: Step, i: number) =>
    h('li', { class: i < at ? 'done' : undefined, 'aria-current': i === at && 'step' }, t(`enroll.step.${step}`));
  return h('ol', { class: 'steps' }, ...all.map(item));
}
