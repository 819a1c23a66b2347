import type { DocumentView } from '../../src/device-sdk/index.ts';
import { codeOf } from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import { sizeText, t } from './frame.ts';

/**
 * The document of a request: it is fetched as soon as the request is shown, and only what matches the request appears. Until then
 * `missing` says why there is no approving.
 *
 *     fetching ──matches──> there: a text stands on the screen, anything else is saved with one tap
 *        ↑  └──no answer──> failed: one tap tries again
 *        └──────────────────┘
 *           └──does not match──> wrong: for good
 */
export interface DocumentCard {
  element: HTMLElement;
  title: string;
  /** Why it cannot be approved yet, or undefined. */
  missing(): string | undefined;
  /** When nothing is missing. */
  ready: Promise<void>;
  /** The request is answered: lets go of what the browser holds for it. */
  end(): void;
}

/** One for each request, however often its prompt is shown. */
export function documentCard(document: DocumentView, fetchContent: () => Promise<Uint8Array>): DocumentCard {
  const { title, mime, size, sha256, display } = document;
  const body = h('div', { class: 'stack', 'aria-live': 'polite' });
  const kind = [kinds[mime] ?? mime, size !== undefined && sizeText(size)].filter(Boolean).join(', ');
  const element = h(
    'section',
    { class: 'document stack', 'aria-label': t('document.label') },
    h('div', {}, h('h2', { dir: 'auto' }, title), h('p', { class: 'quiet' }, kind)),
    body,
  );
  let missing: string | undefined = t('document.wait');
  const { promise: ready, resolve: isReady } = Promise.withResolvers<void>();
  let address: string | undefined;

  async function fetching(): Promise<void> {
    body.replaceChildren(h('p', { class: 'quiet' }, t('document.fetching')));
    try {
      const content = await fetchContent();
      missing = undefined;
      isReady();
      body.replaceChildren(display === 'text' ? textOf(content) : await saving(content));
    } catch (error) {
      const isWrong = codeOf(error) === 'document_changed';
      missing = t(isWrong ? 'document.wrong' : 'document.failed');
      body.replaceChildren(h('p', { class: 'notice bad', role: 'alert' }, missing), ...(isWrong ? [] : [again()]));
    }
  }

  const again = () =>
    h('button', { class: 'button', type: 'button', onclick: () => void fetching() }, t('document.again'));

  function textOf(content: Uint8Array): HTMLElement {
    // scrolled by keyboard as well
    const text = h('pre', { class: 'document-text', tabindex: 0, dir: 'auto', 'aria-label': title });
    text.textContent = new TextDecoder().decode(content);
    return text;
  }

  /** Opened by what the device has for it: nothing that came from elsewhere runs in this page. */
  async function saving(content: Uint8Array): Promise<HTMLElement> {
    address = URL.createObjectURL(new Blob([new Uint8Array(content)], { type: mime }));
    return h(
      'a',
      { class: 'button', id: 'document', href: address, download: fileName(title, mime) },
      t('document.save'),
    );
  }

  if (display === 'external') {
    missing = undefined;
    isReady();
    body.append(h('p', { class: 'notice warn' }, t('document.external')), h('pre', { class: 'hash' }, sha256));
  } else void fetching();
  return { element, title, missing: () => missing, ready, end: () => address && URL.revokeObjectURL(address) };
}

const kinds: Record<string, string> = {
  'text/plain': t('document.kind.text'),
  'application/pdf': 'PDF',
  'image/png': 'PNG',
  'image/jpeg': 'JPEG',
};
const endings: Record<string, string> = { 'application/pdf': '.pdf', 'image/png': '.png', 'image/jpeg': '.jpg' };

/** As the title says, in characters that every system takes; it always ends as its kind does. */
function fileName(title: string, mime: string): string {
  const ending = endings[mime] ?? '';
  const name = title.replace(/[^\p{L}\p{N} ._-]+/gu, '_').replace(/^[._ ]+/, '');
  return name.toLowerCase().endsWith(ending) ? name : `${name}${ending}`;
}
