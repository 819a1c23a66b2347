import { h } from '../shared/dom.ts';
import { chooseLanguage, translator } from '../texts/index.ts';
import { type DeskRequest, StartError, startRequest, timeLeft, watchRequest } from './request.ts';

const language = chooseLanguage(navigator.languages);
const t = translator(language);
document.documentElement.lang = language;
document.title = `${t('tv.title')} · ${t('app.name')}`;

const main = document.querySelector('main') as HTMLElement;
let ticking: ReturnType<typeof setInterval> | undefined;

function show(...nodes: Node[]): void {
  clearInterval(ticking);
  main.replaceChildren(...nodes);
  // A remote has no pointer: the first thing that can be pressed has the focus.
  main.querySelector<HTMLElement>('input, button')?.focus();
}

function ask(message = ''): void {
  const user = h('input', {
    id: 'user',
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    maxlength: 64,
    'aria-describedby': 'problem',
  });
  const problem = h('p', { class: 'error', id: 'problem', role: 'alert' }, message);
  const button = h('button', { class: 'button main', type: 'submit' }, t('tv.start'));
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!user.value.trim() || button.getAttribute('aria-disabled')) return user.focus();
    button.setAttribute('aria-disabled', 'true');
    button.textContent = t('tv.starting');
    try {
      const request = await startRequest('tv', user.value.trim(), '');
      render(request);
      watchRequest('tv', request.id, render);
    } catch (error) {
      ask(reasonOf(error));
    }
  };
  show(
    h(
      'form',
      { novalidate: true, onsubmit: (event) => void submit(event) },
      h('h1', {}, t('tv.title')),
      h('label', { for: 'user' }, t('tv.who')),
      user,
      problem,
      button,
    ),
  );
}

function reasonOf(error: unknown): string {
  const code = error instanceof StartError ? error.code : 'other';
  if (code === 'often') return t('desk.error.often', { time: (error as StartError).retryAfter });
  if (code === 'unknown_user_id' || code === 'access_denied' || code === 'offline') return t(`desk.error.${code}`);
  return t('desk.error.other', { error: (error as Error).message });
}

function render(request: DeskRequest): void {
  if (request.state === 'waiting') waiting(request);
  else if (request.state === 'verified')
    show(h('h1', {}, t('tv.verified', { user: String(request.userinfo?.name ?? request.user) })));
  else ended(request.state);
}

function ended(state: 'cancelled' | 'refused' | 'expired' | 'broken'): void {
  const again = h('button', { class: 'button main', onclick: () => ask() }, t('tv.again'));
  const text = state === 'cancelled' ? 'refused' : state;
  show(h('h1', {}, t(`tv.${text}`)), h('p', {}, t(`tv.${text}.body`)), again);
}

function waiting(request: DeskRequest): void {
  const left = h('p', { class: 'quiet', 'aria-hidden': 'true' });
  const bar = h('progress', { max: request.expiresAt - request.startedAt, 'aria-hidden': 'true' });
  const tick = () => {
    left.textContent = t('tv.left', { time: timeLeft(request.expiresAt) });
    bar.value = Math.max(0, request.expiresAt - Date.now());
  };
  tick();
  const number = request.matchCode ? [h('p', { class: 'number', id: 'number' }, request.matchCode)] : [];
  show(h('h1', {}, t(request.matchCode ? 'tv.waiting' : 'tv.waiting.none')), ...number, bar, left);
  ticking = setInterval(tick, 1000);
}

ask();
