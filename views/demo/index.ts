import { h } from '../shared/dom.ts';
import { chooseLanguage, type TextKey, translator } from '../texts/index.ts';

/** Where to begin; also what a person gets who comes to an address of the demo that leads nowhere. */
const language = chooseLanguage(navigator.languages);
const t = translator(language);
document.documentElement.lang = language;
document.title = `${t('demo.title')} · ${t('app.name')}`;

const STEPS = [
  ['demo.enroll', '/demo/enroll?user=alice'],
  ['demo.desk', '/demo/helpdesk'],
  ['demo.tv', '/demo/tv'],
  ['demo.web', '/demo/web'],
] as const satisfies readonly (readonly [TextKey, string])[];

/** The address says what was asked for: the page itself has none of its own but these two. */
function problem(): HTMLElement | undefined {
  const { pathname } = location;
  if (pathname === '/' || pathname === '/demo' || pathname === '/demo/') return undefined;
  const text = t(pathname === '/demo/enroll' ? 'demo.unknown_user' : 'demo.nothing');
  return h('p', { class: 'notice bad', role: 'alert' }, text);
}

const step = ([text, href]: (typeof STEPS)[number]) =>
  h(
    'li',
    {},
    h('a', { href, target: '_blank', rel: 'noopener' }, t(text)),
    h('p', { class: 'quiet' }, t(`${text}.body`)),
  );

document
  .querySelector('main')
  ?.append(
    h(
      'section',
      { class: 'card stack' },
      h('h1', {}, t('demo.title')),
      problem() ?? false,
      h('p', {}, t('demo.intro')),
      h('ol', { class: 'begin' }, ...STEPS.map(step)),
    ),
  );
