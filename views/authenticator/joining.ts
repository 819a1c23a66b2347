import { h, svg } from '../shared/dom.ts';
import { t } from './frame.ts';

/** A device that asks to be added, as it describes itself. */
export interface Joining {
  name?: string;
  model?: string;
  os?: string;
  application?: string;
  /** Host of the server that asks. */
  server: string;
}

/**
 * The server itself asks, and it must not look like a client's request: no letter, no client name; and a client's
 * request never looks like this, since only the server writes that an operation is an enrollment.
 */
export function joining(device: Joining): HTMLElement[] {
  const head = h(
    'div',
    { class: 'who' },
    h('span', { class: 'mark server', 'aria-hidden': 'true' }, deviceSign()),
    h('h1', {}, t('join.title', { device: nameOf(device) })),
  );
  return [
    head,
    h('p', { class: 'what' }, t('join.from', { server: device.server })),
    says(device),
    h('p', { class: 'notice warn' }, t('join.check')),
  ];
}

export function nameOf({ name, model }: { name?: string; model?: string }): string {
  return name || model || t('device.unnamed');
}

function says({ name, model, os, application }: Joining): HTMLElement {
  const fact = (label: 'fact.model' | 'fact.system' | 'fact.application', value: string | undefined) =>
    value ? [h('dt', {}, t(label)), h('dd', { dir: 'auto' }, value)] : [];
  return h(
    'figure',
    { class: 'quote' },
    h('figcaption', {}, t('join.says')),
    h(
      'dl',
      { class: 'facts' },
      // without a name the heading says the model
      ...fact('fact.model', name ? model : undefined),
      ...fact('fact.system', os),
      ...fact('fact.application', application),
    ),
  );
}

/** A phone with a plus. */
function deviceSign(): SVGElement {
  const line = { fill: 'none', stroke: 'currentColor', 'stroke-width': 2, 'stroke-linecap': 'round' };
  return svg(
    'svg',
    { viewBox: '0 0 24 24', width: 28, height: 28 },
    svg('rect', { x: 6, y: 2, width: 12, height: 20, rx: 2, ...line }),
    svg('path', { d: 'M12 8v6M9 11h6', ...line }),
  );
}
