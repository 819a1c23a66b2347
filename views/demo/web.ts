import { h } from '../shared/dom.ts';
import { chooseLanguage, chooseLocale, type TextKey, translator } from '../texts/index.ts';

interface Visit {
  state: 'out' | 'in' | 'failed';
  claims?: Record<string, unknown>;
  userinfo?: Record<string, unknown>;
  error?: string;
}

const language = chooseLanguage(navigator.languages);
const t = translator(language);
document.documentElement.lang = language;
document.title = `${t('web.title')} · ${t('app.name')}`;
document.querySelector('header.top span')?.replaceChildren(t('web.title'));

const link = (href: string, text: string, isMain = true) =>
  h('a', { class: isMain ? 'button main' : 'button', href }, text);

function signedOut(): Node[] {
  const [before = '', after = ''] = t('web.hint', { link: '\0' }).split('\0');
  const enroll = h('a', { href: '/demo/enroll?user=alice', target: '_blank', rel: 'noopener' }, t('web.hint.link'));
  return [
    h('h1', {}, t('web.title')),
    h('p', {}, t('web.intro')),
    link('/demo/web/sign-in', t('web.sign_in')),
    h('p', { class: 'quiet' }, before, enroll, after),
  ];
}

const facts: [TextKey, string][] = [
  ['desk.fact.name', 'name'],
  ['desk.fact.username', 'preferred_username'],
  ['desk.fact.email', 'email'],
  ['desk.fact.subject', 'sub'],
  ['desk.fact.when', 'auth_time'],
  ['desk.fact.how', 'amr'],
  ['desk.fact.level', 'acr'],
];

function signedIn({ claims = {}, userinfo = {} }: Visit): Node[] {
  const all: Record<string, unknown> = { ...claims, ...userinfo };
  const rows = facts.flatMap(([text, claim]) =>
    all[claim] === undefined ? [] : [h('dt', {}, t(text)), h('dd', {}, textOf(claim, all[claim]))],
  );
  return [
    h('h1', {}, t('web.hello', { user: String(all.name ?? all.preferred_username ?? all.sub) })),
    h('p', {}, t('web.body')),
    h('dl', { class: 'facts' }, ...rows),
    h('details', {}, h('summary', {}, t('desk.claims')), h('pre', { tabindex: 0 }, JSON.stringify(claims, null, 2))),
    link('/demo/web/sign-out', t('web.sign_out'), false),
  ];
}

function textOf(claim: string, value: unknown): string {
  if (claim === 'auth_time') return new Date(Number(value) * 1000).toLocaleString(chooseLocale(navigator.languages));
  return Array.isArray(value) ? value.join(', ') : String(value);
}

function failed({ error = '' }: Visit): Node[] {
  const why =
    error === 'access_denied'
      ? t('web.failed.access_denied')
      : error === 'offline'
        ? t('web.offline')
        : t('web.failed.other', { error });
  return [
    h('h1', {}, t('web.failed')),
    h('p', { class: 'notice bad', role: 'alert' }, why),
    link('/demo/web/sign-in', t('web.again')),
  ];
}

async function state(): Promise<Visit> {
  try {
    return (await (await fetch('/demo/web/state')).json()) as Visit;
  } catch {
    return { state: 'failed', error: 'offline' };
  }
}

async function show(): Promise<void> {
  const visit = await state();
  const content = visit.state === 'in' ? signedIn(visit) : visit.state === 'failed' ? failed(visit) : signedOut();
  document.querySelector('main')?.replaceChildren(h('section', { class: 'card stack' }, ...content));
}

await show();
// a page that the browser kept, shown again by the back button
addEventListener('pageshow', (event) => {
  if ((event as PageTransitionEvent).persisted) void show();
});
