/**
 * For people who came to an address that nothing answers: where `Accept` prefers HTML, a small page with one way on. What asks for
 * anything else, and everything below an API's prefix, gets its problem document.
 */
import { chooseLanguage, type TextKey, translator } from '../../../views/texts/index.ts';
import type { Middleware } from '../middleware/context.ts';
import { html } from './html.ts';
import { languagesOf } from './languages.ts';

export interface Nowhere {
  /** For who prefers nothing that we have. */
  language: string;
  /** Where the sheets and the icon of the listener are; undefined: it has none, and the page looks as the browser likes. */
  look?: { sheets: readonly string[]; icon: string };
  /** The one way on. */
  link: { href: string; text: TextKey };
}

const csp =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function nowhere(options: Nowhere): Middleware {
  return async (ctx, next) => {
    const isRead = ctx.method === 'GET' || ctx.method === 'HEAD';
    if (!isRead || ctx.accepts('application/problem+json', 'text/html') !== 'text/html') return next();
    ctx.status = 404;
    ctx.set('content-security-policy', csp);
    ctx.set('vary', 'accept, accept-language');
    ctx.body = documentOf(options, languagesOf(ctx.get('accept-language')));
    ctx.set('content-type', 'text/html; charset=utf-8');
  };
}

function documentOf({ look, link, language: otherwise }: Nowhere, languages: string[]): string {
  const language = chooseLanguage([...languages, otherwise]);
  const t = translator(language);
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>${t('nowhere.title')} · ${t('app.name')}</title>
${look && html`<link rel="icon" href="${look.icon}">`}
${look?.sheets.map((sheet) => html`<link rel="stylesheet" href="${sheet}">\n`)}
</head>
<body>
<header>${look && html`<img src="${look.icon}" alt="" width="28" height="28">`}<strong>${t('app.name')}</strong></header>
<main class="card stack"><h1>${t('nowhere.title')}</h1><p>${t('nowhere.body')}</p>
<p><a class="button" href="${link.href}">${t(link.text)}</a></p></main>
</body>
</html>
`.markup;
}
