import { h } from '../shared/dom.ts';
import { chooseLanguage, chooseLocale, translator } from '../texts/index.ts';
import { cancelRequest, type DeskRequest, StartError, startRequest, timeLeft, watchRequest } from './request.ts';

const language = chooseLanguage(navigator.languages);
const t = translator(language);
document.documentElement.lang = language;
document.title = `${t('desk.title')} · ${t('app.name')}`;
document.querySelector('header.top span')?.replaceChildren(t('desk.header'));

const card = h('section', { class: 'card idle', 'aria-live': 'polite' });
let stopWatching = () => {};
let ticking: ReturnType<typeof setInterval> | undefined;
/** The one that the card shows while it waits. */
let open: string | undefined;

function form(): HTMLElement {
  const who = h('input', {
    id: 'who',
    name: 'user',
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    'aria-describedby': 'who-hint',
    maxlength: 256,
  });
  const whoError = h('p', { class: 'error', id: 'who-error', hidden: true });
  const text = h('textarea', {
    id: 'text',
    name: 'text',
    rows: 2,
    'aria-describedby': 'text-hint',
    placeholder: t('desk.reason.example'),
  });
  const textError = h('p', { class: 'error', id: 'text-error', hidden: true });
  const button = h('button', { class: 'button main', type: 'submit' }, t('desk.start'));
  const problem = h('div', { role: 'alert' });

  const show = (input: HTMLElement, error: HTMLElement, hint: string, message: string) => {
    error.textContent = message;
    error.hidden = message === '';
    input.setAttribute('aria-invalid', String(message !== ''));
    input.setAttribute('aria-describedby', message ? `${error.id} ${hint}` : hint);
    if (message) input.focus();
  };

  const submit = async (event: Event) => {
    event.preventDefault();
    if (button.getAttribute('aria-disabled')) return;
    problem.replaceChildren();
    show(text, textError, 'text-hint', '');
    show(who, whoError, 'who-hint', who.value.trim() ? '' : t('desk.error.who'));
    if (!who.value.trim()) return;
    button.setAttribute('aria-disabled', 'true');
    button.textContent = t('desk.starting');
    try {
      // one question at a time: nobody is left with one that no agent waits for
      if (open !== undefined) await cancelRequest('helpdesk', open);
      const request = await startRequest('helpdesk', who.value.trim(), text.value.trim());
      render(request);
      // on a small screen the card lies below the form, and the number is what is needed now
      card.scrollIntoView({ block: 'nearest' });
      stopWatching();
      stopWatching = watchRequest('helpdesk', request.id, render);
    } catch (error) {
      const code = error instanceof StartError ? error.code : 'other';
      if (code === 'unknown_user_id') show(who, whoError, 'who-hint', t('desk.error.unknown_user_id'));
      else if (code === 'invalid_binding_message')
        show(text, textError, 'text-hint', t('desk.error.invalid_binding_message'));
      else {
        const message =
          code === 'access_denied' || code === 'offline' || code === 'often'
            ? t(`desk.error.${code}`, { time: (error as StartError).retryAfter })
            : t('desk.error.other', { error: (error as Error).message });
        problem.replaceChildren(
          h('p', { class: 'notice bad' }, h('strong', {}, t('desk.error.title')), h('br'), message),
        );
      }
    } finally {
      button.removeAttribute('aria-disabled');
      button.textContent = t('desk.start');
    }
  };

  return h(
    'form',
    { class: 'stack', novalidate: true, onsubmit: (event) => void submit(event) },
    h('h1', {}, t('desk.title')),
    h('p', { class: 'quiet' }, t('desk.intro')),
    problem,
    h(
      'div',
      { class: 'field' },
      h('label', { for: 'who' }, t('desk.who')),
      h('span', { class: 'hint', id: 'who-hint' }, t('desk.who.hint')),
      whoError,
      who,
    ),
    h(
      'div',
      { class: 'field' },
      h('label', { for: 'text' }, t('desk.reason')),
      h('span', { class: 'hint', id: 'text-hint' }, t('desk.reason.hint')),
      textError,
      text,
    ),
    button,
  );
}

function render(request: DeskRequest): void {
  clearInterval(ticking);
  open = request.state === 'waiting' ? request.id : undefined;
  card.className = 'card';
  card.replaceChildren(...views[request.state](request));
}

const views: Record<DeskRequest['state'], (request: DeskRequest) => Node[]> = {
  waiting,
  verified,
  cancelled,
  refused,
  expired,
  broken,
};

function idle(): void {
  const link = h(
    'a',
    { href: '/demo/enroll?user=alice', target: '_blank', rel: 'noopener' },
    t('desk.idle.enroll.link'),
  );
  const [before = '', after = ''] = t('desk.idle.enroll').split('{link}');
  card.replaceChildren(
    h('h2', {}, t('desk.idle.title')),
    h('p', { class: 'quiet' }, t('desk.idle.body')),
    h('p', { class: 'quiet' }, before, link, after),
  );
}

function heading(sign: '' | 'good' | 'bad', text: string): HTMLElement {
  return h('div', { class: 'state' }, h('span', { class: `dot ${sign}`, 'aria-hidden': 'true' }), h('h2', {}, text));
}

function waiting(request: DeskRequest): Node[] {
  const left = h('span', { class: 'quiet' });
  const bar = h('progress', { max: request.expiresAt - request.startedAt });
  // The countdown is not announced: a screen reader hears the state, not every second.
  const clock = h('div', { 'aria-hidden': 'true' }, bar, left);
  const tick = () => {
    left.textContent = t('desk.waiting.left', { time: timeLeft(request.expiresAt) });
    bar.value = Math.max(0, request.expiresAt - Date.now());
  };
  tick();
  ticking = setInterval(tick, 1000);
  const number = request.matchCode
    ? [
        h(
          'div',
          { class: 'numberbox' },
          h('strong', {}, t('desk.waiting.number')),
          h('span', { class: 'number', id: 'number' }, request.matchCode),
          h('span', { class: 'quiet' }, t('desk.waiting.number.body')),
        ),
      ]
    : [];
  const said = request.text
    ? [
        h(
          'div',
          { class: 'field' },
          h('span', { class: 'hint' }, t('desk.waiting.reason')),
          h('blockquote', { class: 'quote' }, request.text),
        ),
      ]
    : [];
  return [heading('', t('desk.waiting', { user: request.user })), ...number, ...said, clock, cancelButton(request)];
}

function cancelButton({ id }: DeskRequest): HTMLElement {
  const button = h('button', { class: 'button', type: 'button', id: 'cancel' }, t('desk.cancel'));
  const done = () => {
    button.removeAttribute('aria-disabled');
    button.textContent = t('desk.cancel');
  };
  button.addEventListener('click', () => {
    if (button.getAttribute('aria-disabled')) return;
    button.setAttribute('aria-disabled', 'true');
    button.textContent = t('desk.cancelling');
    cancelRequest('helpdesk', id).catch(done);
  });
  return button;
}

function cancelled(request: DeskRequest): Node[] {
  return [
    heading('', t('desk.cancelled')),
    h('p', { class: 'quiet' }, t('desk.cancelled.body', { user: request.user })),
  ];
}

const FACTS = [
  ['name', 'desk.fact.name'],
  ['preferred_username', 'desk.fact.username'],
  ['email', 'desk.fact.email'],
  ['phone_number', 'desk.fact.phone'],
] as const;

function verified(request: DeskRequest): Node[] {
  const claims = request.claims ?? {};
  const person = { ...claims, ...request.userinfo };
  const fact = (label: string, ...value: (Node | string)[]) => [h('dt', {}, label), h('dd', {}, ...value)];
  const at = new Date(Number(claims.auth_time) * 1000);
  const facts = FACTS.flatMap(([claim, label]) => (person[claim] ? fact(t(label), String(person[claim])) : []));
  return [
    heading('good', t('desk.verified', { user: String(person.name ?? request.user) })),
    h('p', { class: 'notice good' }, t('desk.verified.body')),
    h(
      'dl',
      { class: 'facts' },
      ...facts,
      ...fact(
        t('desk.fact.when'),
        h('time', { datetime: at.toISOString() }, at.toLocaleTimeString(chooseLocale(navigator.languages))),
      ),
      ...fact(t('desk.fact.how'), ((claims.amr as string[]) ?? []).join(', ')),
      ...fact(t('desk.fact.level'), String(claims.acr ?? '')),
      ...fact(t('desk.fact.subject'), String(claims.sub)),
    ),
    h(
      'details',
      {},
      h('summary', {}, t('desk.tokens')),
      token('desk.claims', JSON.stringify(claims, null, 2)),
      token('desk.id_token', request.tokens?.id_token ?? ''),
      token('desk.access_token', request.tokens?.access_token ?? ''),
    ),
  ];
}

function token(label: 'desk.claims' | 'desk.id_token' | 'desk.access_token', text: string): HTMLElement {
  const copy = h(
    'button',
    { class: 'button small', type: 'button', 'aria-label': `${t('desk.copy')}: ${t(label)}` },
    t('desk.copy'),
  );
  copy.addEventListener('click', () => {
    void navigator.clipboard.writeText(text).then(() => {
      copy.textContent = t('desk.copied');
    });
  });
  return h('div', { class: 'token' }, h('div', {}, h('span', {}, t(label)), copy), h('pre', { tabindex: 0 }, text));
}

/** OAuth has no member for it: the server tells the reason in the description of `access_denied`. */
const REASONS = [
  ['did not start', 'desk.refused.not_me'],
  ['not right', 'desk.refused.incorrect_data'],
  ['changed their mind', 'desk.refused.cancelled'],
  ['no tries are left', 'desk.refused.failed'],
] as const;

function refused(request: DeskRequest): Node[] {
  const [, reason] = REASONS.find(([words]) => request.error?.description?.includes(words)) ?? [];
  return [
    heading('bad', t('desk.refused')),
    h('p', { class: 'notice bad' }, t(reason ?? 'desk.refused.body', { user: request.user })),
  ];
}

function expired(): Node[] {
  return [heading('bad', t('desk.expired')), h('p', { class: 'quiet' }, t('desk.expired.body'))];
}

function broken(): Node[] {
  return [heading('bad', t('desk.broken')), h('p', { class: 'quiet' }, t('desk.broken.body'))];
}

idle();
document.querySelector('main')?.append(form(), card);
