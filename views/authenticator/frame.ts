import { h, svg } from '../shared/dom.ts';
import { chooseLanguage, chooseLocale, translator } from '../texts/index.ts';

export const language = chooseLanguage(navigator.languages);
const locale = chooseLocale(navigator.languages);
export const t = translator(language);
document.documentElement.lang = language;

const app = document.getElementById('app') as HTMLElement;

/** What is said of the person in the corner: who this device is enrolled for. */
const person = h('span', { class: 'person' });
export function setPerson(name: string): void {
  person.textContent = name;
}

/** Stays where it is while screens change: made anew, its picture would flicker. */
const brand = h(
  'header',
  { class: 'brand' },
  h('img', { src: '/icon.svg', alt: '' }),
  h('span', {}, t('app.name')),
  person,
);
app.append(brand);

/** What stands above every screen until it is taken away: something waits elsewhere. */
let banner: HTMLElement | undefined;
export function setBanner(element: HTMLElement | undefined): void {
  banner?.remove();
  banner = element;
  if (element) brand.after(element);
}

/** Said politely to who does not see the screen; the screen shows the same. */
export function announce(text: string): void {
  const said = document.getElementById('said');
  if (said) said.textContent = text;
}

/** The time of day; with its day where it was not today. */
export function timeText(epochMs: number): string {
  const at = new Date(epochMs);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday
    ? at.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' })
    : at.toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
}

export function dayText(epochMs: number): string {
  return new Date(epochMs).toLocaleDateString(locale, { dateStyle: 'long' });
}

/** Of a file, rounded as people read it. */
export function sizeText(bytes: number): string {
  const [value, unit] = bytes < 1e6 ? [Math.max(bytes / 1000, 0.1), 'kilobyte'] : [bytes / 1e6, 'megabyte'];
  const style = { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: value < 10 ? 1 : 0 } as const;
  return new Intl.NumberFormat(locale, style).format(value);
}

/** No more digits than a double holds. */
const sum = /^-?\d{1,12}(?:\.(\d{1,3}))?$/;

/** An amount as the person's region writes it, with all its digits; as it came where it is no sum of money. */
export function moneyText(amount: unknown, currency: unknown): string {
  const [isSum, decimals = ''] = sum.exec(String(amount)) ?? [];
  if (!isSum || !/^[A-Z]{3}$/.test(String(currency))) {
    return [amount, currency].filter((part) => typeof part === 'string').join(' ');
  }
  const money = { style: 'currency', currency: String(currency) } as const;
  const { minimumFractionDigits: usual = 0 } = new Intl.NumberFormat(locale, money).resolvedOptions();
  const digits = Math.max(decimals.length, usual);
  const exactly = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale, { ...money, ...exactly }).format(Number(amount));
}

let leave: (() => void) | undefined;

/**
 * Shows one screen. Focus goes to its heading, so that a screen reader begins there.
 *
 * @param onLeave called when the next screen replaces this one
 */
export function show(screen: (Node | undefined)[], onLeave?: () => void): void {
  leave?.();
  leave = onLeave;
  for (const old of [...app.children]) if (old !== brand) old.remove();
  app.append(...[banner, ...screen].filter((node) => node !== undefined));
  const heading = app.querySelector<HTMLElement>('h1');
  document.title = heading?.textContent ? `${heading.textContent} · ${t('app.name')}` : t('app.name');
  heading?.setAttribute('tabindex', '-1');
  heading?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

const SIGNS = {
  good: ['M16 33l11 11 21-25'],
  bad: ['M20 20l24 24', 'M44 20L20 44'],
  quiet: ['M32 29v17', 'M32 19v.01'],
  time: ['M32 18v16l10 6'],
} as const;

export type SignKind = keyof typeof SIGNS;

/** Good, bad, quiet, or a matter of time, for the eye only: the heading beside it says the same. */
export function sign(kind: SignKind): SVGElement {
  const colour = { good: 'var(--good)', bad: 'var(--bad)', quiet: 'var(--text-quiet)', time: 'var(--text-quiet)' }[
    kind
  ];
  const stroke = {
    stroke: colour,
    'stroke-width': 5,
    fill: 'none',
    'stroke-linecap': 'round',
    'stroke-linejoin': 'round',
  };
  return svg(
    'svg',
    { viewBox: '0 0 64 64', class: 'sign', 'aria-hidden': 'true' },
    svg('circle', { cx: 32, cy: 32, r: 28, ...stroke, 'stroke-width': 3 }),
    ...SIGNS[kind].map((d) => svg('path', { d, ...stroke })),
  );
}

/** One line that says what happened, one that says what follows, what somebody else has to say, and at most one thing to do. */
export function outcome(
  kind: SignKind,
  title: string,
  body: string,
  action?: { label: string; run: () => void },
  said?: HTMLElement,
): void {
  const button = action && h('button', { class: 'button main wide', onclick: action.run }, action.label);
  show([
    h('div', { class: 'outcome', role: 'status' }, sign(kind), h('h1', {}, title), h('p', {}, body), said),
    button && h('div', { class: 'answer' }, button),
  ]);
}

/** An input with its label, its rule before the mistake, and its message. */
export function field(id: string, label: string, attributes: Record<string, string | number | boolean>, hint = '') {
  const error = h('p', { class: 'error', id: `${id}-error`, hidden: true });
  const input = h('input', { id, name: id, 'aria-describedby': `${id}-error ${id}-hint`, ...attributes });
  const element = h(
    'div',
    { class: 'field' },
    h('label', { for: id }, label),
    hint !== '' && h('span', { class: 'hint', id: `${id}-hint` }, hint),
    error,
    input,
  );
  const complain = (message: string) => {
    error.textContent = message;
    error.hidden = message === '';
    input.setAttribute('aria-invalid', String(message !== ''));
    if (message) input.focus();
    return message !== '';
  };
  return { element, input, complain };
}

/** Digits that are read somewhere else: spaces and the like are left out, also of what was pasted. */
export function digitsField(id: string, label: string, digits: number) {
  const attributes = { inputmode: 'numeric', autocomplete: 'one-time-code', class: 'digits' };
  const made = field(id, label, attributes);
  made.input.addEventListener('input', () => {
    made.input.value = made.input.value.replace(/\D/g, '').slice(0, digits);
  });
  return { ...made, value: () => (made.input.value.length === digits ? made.input.value : undefined) };
}

export const PIN_FIELD = {
  type: 'password',
  inputmode: 'numeric',
  autocomplete: 'off',
  maxlength: 32,
  class: 'digits',
};
