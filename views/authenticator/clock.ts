import { h, svg } from '../shared/dom.ts';
import { t } from './frame.ts';

/**
 * How much time is left, as a quiet ring; said to nobody every second.
 *
 * @param from, until epoch milliseconds
 * @param over called once, when nothing is left
 */
export function timeLeft(from: number, until: number, over: () => void): { element: HTMLElement; stop: () => void } {
  const length = 2 * Math.PI * 9;
  const ring = svg('circle', { cx: 12, cy: 12, r: 9, class: 'left', 'stroke-dasharray': length });
  const text = h('span');
  let timer: ReturnType<typeof setInterval> | undefined;
  const stop = () => clearInterval(timer);
  const tick = () => {
    const left = Math.max(0, until - Date.now());
    const seconds = Math.ceil(left / 1000);
    text.textContent = t('prompt.left', {
      time: `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`,
    });
    ring.setAttribute('stroke-dashoffset', String(length * (1 - left / Math.max(1, until - from))));
    if (left > 0) return;
    stop();
    over();
  };
  timer = setInterval(tick, 1000);
  tick();
  const picture = svg(
    'svg',
    { viewBox: '0 0 24 24', width: 24, height: 24 },
    svg('circle', { cx: 12, cy: 12, r: 9 }),
    ring,
  );
  return { element: h('span', { class: 'time', 'aria-hidden': 'true' }, picture, text), stop };
}
