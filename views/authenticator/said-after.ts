import type { PostContext } from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import { t } from './frame.ts';

/** What whoever asked has to say after success: an order number, what to do next. Their words, marked as theirs. */
export function saidAfter({ title, text }: PostContext, who: string): HTMLElement {
  return h(
    'figure',
    { class: 'quote', id: 'after' },
    h('figcaption', {}, t('prompt.quote', { client: who })),
    h('blockquote', { dir: 'auto' }, title !== undefined && h('p', {}, h('strong', {}, title)), h('p', {}, text)),
  );
}
