import { chooseLanguage, type TextKey, type Translate, translator } from '../../../views/texts/index.ts';
import { sharedTexts } from './consent-text.ts';
import { type Html, html, raw } from './html.ts';
import { qrCode } from './qr.ts';
import type { SignInRequest, SignInView } from './sign-in.ts';

/** A page as it leaves, with the policy that it needs. */
export interface Page {
  html: string;
  csp: string;
}

/** Why what was typed does not lead on. */
export type InputError = 'empty' | 'long' | 'busy' | 'often' | 'codes';

export interface SignInPages {
  view(page: {
    languages: string[];
    view: Exclude<SignInView, { step: 'continue' }>;
    error?: InputError;
    /** Until it may be tried again. */
    waitSeconds?: number;
  }): Page;
  notice(page: { languages: string[]; notice: 'over' | 'csrf' | 'often' }): Page;
  // what the engine shows
  error(page: { languages: string[]; status: number; error: string; isSignOut?: boolean }): Page;
  logout(page: { languages: string[]; action: string; xsrf: string; client?: string; returnTo?: string }): Page;
  loggedOut(page: { languages: string[] }): Page;
}

export interface SignInPagesOptions {
  issuer: string;
  authenticatorOrigin: string;
  /** For who prefers nothing that we have. */
  language: string;
  /** `limits.backOff.firstSeconds`: until then a request after a refusal reaches nobody, and must not tell so. */
  againSeconds?: number;
  /** False where `limits` lets the client ask again at once after “I did not start this”, as in development. */
  isSilentAfterNotMe?: boolean;
}

/** Pages work without a script; the one that there is spares the reload. Nothing inline, nothing from elsewhere. */
export function createSignInPages(options: SignInPagesOptions): SignInPages {
  const base = `${new URL(options.issuer).pathname.replace(/\/$/, '')}/sign-in`;
  const authenticator = authenticatorLink(options.authenticatorOrigin);
  const textsFor = (languages: string[]) => {
    const language = chooseLanguage([...languages, options.language]);
    return { language, t: translator(language) };
  };
  const page = (languages: string[], make: (t: Translate) => Content, formsLeadTo?: string): Page => {
    const { language, t } = textsFor(languages);
    return { html: documentOf({ base, language, t, ...make(t) }), csp: policy(formsLeadTo) };
  };

  return {
    view: ({ languages, view, error, waitSeconds = 0 }) => {
      const preferred = [...view.uiLocales, ...languages];
      const make = (t: Translate): Content => {
        const minutes = String(Math.ceil(waitSeconds / 60));
        if (view.step === 'identify') return identify(t, view, error && t(`signin.who.${error}`, { minutes }));
        if (view.step === 'scan') return scan(t, view, authenticator);
        return view.step === 'waiting' ? waiting(t, view, authenticator) : ended(t, view, options);
      };
      return page(preferred, make, view.returnTo);
    },
    notice: ({ languages, notice }) => page(languages, (t) => message(t, `signin.${notice}`)),
    error: ({ languages, status, error, isSignOut = false }) => {
      const refused = isSignOut ? 'signout.error' : 'signin.error';
      return page(languages, (t) => message(t, status >= 500 ? 'signin.unavailable' : refused, { error }));
    },
    logout: ({ languages, returnTo, ...form }) =>
      page(languages, (t) => logout(t, form), returnTo && originOf(returnTo)),
    loggedOut: ({ languages }) => page(languages, (t) => message(t, 'signout.done')),
  };
}

interface Content {
  title: string;
  body: Html;
  /** Look again by itself: at once where there is a script, every few seconds where there is none. What it shows until then. */
  live?: 'scan' | 'waiting';
}

const lookAgainSeconds = 5;

function documentOf(page: Content & { base: string; language: string; t: Translate }): string {
  const { base, language, t, title, body, live } = page;
  return html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · ${t('app.name')}</title>
<link rel="icon" href="${base}/assets/icon.svg">
<link rel="stylesheet" href="${base}/assets/tokens.css">
<link rel="stylesheet" href="${base}/assets/components.css">
<link rel="stylesheet" href="${base}/assets/sign-in.css">
<script type="module" src="${base}/assets/sign-in.js"></script>
${live && html`<noscript><meta http-equiv="refresh" content="${lookAgainSeconds}"></noscript>`}
</head>
<body>
<header><img src="${base}/assets/icon.svg" alt="" width="28" height="28"><strong>${t('app.name')}</strong></header>
<main class="card"${live && html` data-live="${live}"`}>${body}</main>
</body>
</html>
`.markup;
}

type Identify = Extract<SignInView, { step: 'identify' }>;
type Scan = Extract<SignInView, { step: 'scan' }>;
type Waiting = Extract<SignInView, { step: 'waiting' }>;
type Ended = Extract<SignInView, { step: 'ended' }>;

function identify(t: Translate, view: Identify, error: string | undefined): Content {
  const { client, hint, account } = view;
  const field = html`
<form method="post" class="stack" novalidate>
<div class="field">
<label for="who">${account ? t('signin.other') : t('signin.who')}</label>
<p class="hint" id="who-hint">${t('signin.who.hint')}</p>
${error && html`<p class="error" id="who-error" role="alert">${error}</p>`}
<input id="who" name="who" value="${hint}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="256"
 aria-describedby="who-hint${error && ' who-error'}"${error && raw(' aria-invalid="true"')}${!account && raw(' autofocus')}>
</div>
<button class="button${!account && ' main'}" name="do" value="ask">${t('signin.next')}</button>
</form>`;
  return {
    title: t('signin.title'),
    body: html`
<div class="who"><h1>${t('signin.title')}</h1><p class="quiet">${t('signin.to', { client: client.name })}</p></div>
${
  account &&
  html`<form method="post" class="stack"><p>${t('signin.as.body', { client: client.name })}</p>
<button class="button main" name="do" value="ask-account" autofocus>${t('signin.as', { user: account })}</button></form><hr>`
}
${field}
${view.scan && html`<form method="post" class="stack"><p class="quiet">${t('signin.scan.hint')}</p><button class="button" name="do" value="scan">${t('signin.scan')}</button></form>`}
${shares(t, view)}
${leave(t, view)}`,
  };
}

/** Nobody is named: whoever's authenticator claims the code is asked. */
function scan(t: Translate, view: Scan, { isLoopback }: AuthenticatorLink): Content {
  const { link, client } = view;
  const title = t(isLoopback ? 'signin.scan.title.link' : 'signin.scan.title');
  const open = t(isLoopback ? 'signin.open' : 'signin.scan.open');
  return {
    title,
    live: 'scan',
    body: html`
<div class="who"><h1>${title}</h1><p>${t(isLoopback ? 'signin.scan.body.link' : 'signin.scan.body', { client: client.name })}</p></div>
${!isLoopback && html`<figure class="qr large">${qrCode(link, t('signin.scan.alt'))}</figure>`}
<p class="open"><a class="button${isLoopback && ' main'}" id="open" href="${link}" target="_blank" rel="noopener noreferrer">${open}</a></p>
${left(t, view)}
<noscript><p class="quiet">${t('signin.noscript')}</p></noscript>
<form method="post"><button class="link" name="do" value="again">${t('signin.scan.name')}</button></form>
${leave(t, view)}`,
  };
}

const left = (t: Translate, { startedAt, expiresAt }: Scan | Waiting) => html`
<p class="left quiet" data-left="${t('signin.left')}" hidden><progress max="${expiresAt - startedAt}" data-until="${expiresAt}" aria-hidden="true"></progress><span></span></p>`;

function waiting(t: Translate, view: Waiting, authenticator: AuthenticatorLink): Content {
  const { who, matchCode } = view;
  const body = who === undefined ? t('signin.claimed.body') : t('signin.waiting.body', { user: who });
  return {
    title: t('signin.waiting'),
    live: 'waiting',
    body: html`
<div class="who"><h1>${t('signin.waiting')}</h1><p>${body}</p></div>
${
  matchCode !== undefined &&
  html`<div class="numberbox"><p>${t(who === undefined ? 'signin.claimed.number' : 'signin.number')}</p>
<p class="number" id="number">${matchCode}</p></div>`
}
${left(t, view)}
${who !== undefined && wayThere(t, who, authenticator)}
<noscript><p class="quiet">${t('signin.noscript')}</p></noscript>
${again(t, false)}
${leave(t, view)}`,
  };
}

/** Whoever has claimed the request is there already. */
const wayThere = (t: Translate, user: string, { href, qr }: AuthenticatorLink) => html`
<p class="open"><a class="button" href="${href}" target="_blank" rel="noopener noreferrer">${t('signin.open')}</a></p>
${
  qr &&
  html`<figure class="qr">${qr(t('signin.open.alt'))}
<figcaption class="quiet">${t('signin.open.qr')}</figcaption></figure>`
}
<details><summary>${t('signin.nothing')}</summary><p class="quiet">${t('signin.nothing.body', { user })}</p></details>`;

function ended(
  t: Translate,
  view: Ended,
  { againSeconds = 0, isSilentAfterNotMe = true }: SignInPagesOptions,
): Content {
  const { who: user } = view;
  const isNobody = user === undefined && (view.why === 'not_me' || view.why === 'replaced');
  const key = isNobody ? (`signin.claimed.${view.why}` as 'signin.claimed.not_me') : (`signin.${view.why}` as const);
  const title = t(key, { user: user ?? '' });
  const isAskedOn = key === 'signin.not_me' && !isSilentAfterNotMe;
  const body = t(isAskedOn ? 'signin.claimed.not_me.body' : `${key}.body`, { user: user ?? '' });
  return {
    title,
    body: html`
<div class="who"><h1>${title}</h1></div>
<p class="notice ${view.why === 'expired' || view.why === 'replaced' ? 'warn' : 'bad'}">${body}</p>
${again(t, view.why !== 'not_me', view.why === 'denied' && user !== undefined ? againSeconds : 0)}
${leave(t, view)}`,
  };
}

function message(t: Translate, key: TextKey, values: Record<string, string> = {}): Content {
  return {
    title: t(key, values),
    body: html`<div class="who"><h1>${t(key, values)}</h1></div><p>${t(`${key}.body` as TextKey, values)}</p>`,
  };
}

function logout(t: Translate, { action, xsrf, client }: { action: string; xsrf: string; client?: string }): Content {
  return {
    title: t('signout.title'),
    body: html`
<div class="who"><h1>${t('signout.title')}</h1></div>
<p>${client === undefined ? t('signout.body') : t('signout.body.client', { client })}</p>
<form method="post" action="${action}" class="stack"><input type="hidden" name="xsrf" value="${xsrf}">
<button class="button main" name="logout" value="yes" autofocus>${t('signout.confirm')}</button></form>
<p class="quiet">${t('signout.stay')}</p>`,
  };
}

function shares(t: Translate, request: SignInRequest): Html {
  const { client } = request;
  return html`<section class="shares" aria-labelledby="shares"><h2 id="shares">${t('signin.shares', { client: client.name })}</h2>
<ul>${sharedTexts(t, request).map((each) => html`<li>${each}</li>`)}</ul></section>`;
}

/** `waitSeconds`: where there is a script, it counts them down before the button does anything. */
const again = (t: Translate, isMain: boolean, waitSeconds = 0) => html`
<form method="post"><button class="${isMain ? 'button main' : 'link'}" name="do" value="again"${isMain && raw(' autofocus')}${
  waitSeconds > 0 && html` data-wait="${waitSeconds}" data-waiting="${t('signin.again.in')}"`
}>${t('signin.again')}</button></form>`;

const leave = (t: Translate, { client }: SignInRequest) => html`
<form method="post"><button class="link" name="do" value="leave">${t('signin.cancel', { client: client.name })}</button></form>`;

interface AuthenticatorLink {
  href: string;
  isLoopback: boolean;
  qr: ((label: string) => Html) | undefined;
}

/** Ruling 20: a phone cannot open our loopback address, so there a second window must do. */
function authenticatorLink(origin: string): AuthenticatorLink {
  const { hostname, href } = new URL(origin);
  const isLoopback = hostname === 'localhost' || hostname.endsWith('.localhost') || /^(127\.|\[::1\])/.test(hostname);
  return { href, isLoopback, qr: isLoopback ? undefined : (label) => qrCode(href, label) };
}

/** Chromium also holds redirects that follow a form against `form-action`: the way back to the relying party is one. */
function policy(formsLeadTo: string | undefined): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    `form-action 'self'${formsLeadTo ? ` ${formsLeadTo}` : ''}`,
  ].join('; ');
}

/** An app's own scheme has no origin. */
function originOf(uri: string): string {
  const { origin, protocol } = new URL(uri);
  return origin === 'null' ? protocol : origin;
}
