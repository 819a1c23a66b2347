import { h } from '../shared/dom.ts';
import type { TextKey } from '../texts/index.ts';
import { timeLeft } from './clock.ts';
import type { DocumentCard } from './document.ts';
import { digitsField, field, moneyText, PIN_FIELD, show, t } from './frame.ts';
import { type Joining, joining, nameOf } from './joining.ts';

/** What a prompt shows: all of it from the signed context, the number options, and the time. */
export interface Prompt {
  client: { id: string; name: string };
  kind: 'authentication' | 'authorization' | 'signature' | 'registration';
  bindingMessage?: string;
  transaction?: Record<string, unknown>;
  context?: { title?: string; text: string };
  /** What is agreed to; the card knows whether it has been fetched. */
  document?: DocumentCard;
  /** It came of a code that the person took from another screen. */
  isClaimed?: boolean;
  origin?: { browser?: string; os?: string; place?: string };
  /** The server itself asks: a new device wants to be added. Nothing of a client is shown then. */
  joining?: Joining;
  match: { mode: 'none' | 'choose' | 'type2' | 'type6'; options?: string[] };
  /** Approval needs the PIN. */
  needsPin: boolean;
  /** Epoch milliseconds. */
  expiresAt: number;
  createdAt: number;
}

export interface PromptAnswer {
  decision: 'approve' | 'deny';
  pin?: string;
  match?: string;
  reason?: 'not_me' | 'incorrect_data' | 'cancelled';
}

export interface PromptHandlers {
  answer(answer: PromptAnswer): void;
  expired(): void;
  /** How many others wait behind this one. */
  waiting: number;
}

/** What is there already when the prompt is shown again. */
interface Again {
  notice?: string;
  /** The number that was chosen or typed before. */
  chosen?: string;
}

/** Who, what, where from, the number, the answer; in that order, on one screen. */
export function showPrompt(prompt: Prompt, handlers: PromptHandlers, { notice = '', chosen }: Again = {}): void {
  const number = numberField(prompt, chosen);
  const complaint = h('p', { class: 'notice bad', role: 'alert', hidden: notice === '' }, notice);
  const missing = t(missingNumber(prompt));
  number?.element.addEventListener('input', () => {
    if (complaint.textContent === missing) complaint.hidden = true;
  });
  const complain = (text: string) => {
    complaint.textContent = text;
    complaint.hidden = false;
  };
  const approve = () => {
    const unread = prompt.document?.missing();
    if (unread !== undefined) return complain(unread);
    const match = number?.value();
    if (number && !match) {
      complain(missing);
      number.element.querySelector('input')?.focus();
      return;
    }
    if (prompt.needsPin) showPin(prompt, handlers, match);
    else once(approveButton, t('pin.checking'), () => handlers.answer({ decision: 'approve', match }));
  };
  const approveButton = h('button', { class: 'button main', id: 'approve', onclick: approve }, t('prompt.approve'));
  holdBack(approveButton, complaint, prompt.document);
  const notStarted = h('button', { class: 'link', id: 'not-me' }, t('prompt.not_started'));
  const notMe = () => handlers.answer({ decision: 'deny', reason: 'not_me' });
  notStarted.addEventListener('click', () => once(notStarted, t('deny.working'), notMe));
  const { element: clock, stop } = timeLeft(prompt.createdAt, prompt.expiresAt, handlers.expired);

  show(
    [
      h(
        'section',
        { class: 'card stack', 'aria-label': prompt.joining ? t('join.label') : prompt.client.name },
        ...(prompt.joining ? joining(prompt.joining) : [who(prompt), what(prompt), origin(prompt), check(prompt)]),
        number?.element,
      ),
      h(
        'div',
        { class: 'answer' },
        complaint,
        h(
          'div',
          { class: 'buttons' },
          h(
            'button',
            { class: 'button', id: 'deny', onclick: () => showReasons(prompt, handlers, number?.value()) },
            t('prompt.deny'),
          ),
          approveButton,
        ),
        h('div', { class: 'foot' }, notStarted, clock),
        handlers.waiting > 0 &&
          h(
            'p',
            { class: 'quiet' },
            handlers.waiting === 1 ? t('inbox.more.one') : t('inbox.more.many', { count: handlers.waiting }),
          ),
      ),
    ],
    stop,
  );
}

/** No approving before the document is there; a press says why. */
function holdBack(approve: HTMLElement, complaint: HTMLElement, document: DocumentCard | undefined): void {
  const missing = document?.missing();
  if (!document || missing === undefined) return;
  approve.setAttribute('aria-disabled', 'true');
  void document.ready.then(() => {
    approve.removeAttribute('aria-disabled');
    if (complaint.textContent === missing) complaint.hidden = true;
  });
}

function missingNumber({ match, joining: isJoining }: Prompt): TextKey {
  if (match.mode === 'choose') return 'prompt.choose_first';
  return isJoining ? 'join.type_first' : 'prompt.type_first';
}

/** Until the answer is there the button says so, and takes no second press. */
function once(button: HTMLElement, working: string, run: () => void): void {
  if (button.getAttribute('aria-disabled')) return;
  button.setAttribute('aria-disabled', 'true');
  button.textContent = working;
  run();
}

function who({ client, kind }: Prompt): HTMLElement {
  const asks = t(
    kind === 'authorization'
      ? 'prompt.authorization'
      : kind === 'signature'
        ? 'prompt.signature'
        : 'prompt.authentication',
  );
  // The registered name stands above all text from the client.
  return h(
    'div',
    { class: 'who' },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, [...client.name][0] ?? '?'),
    h(
      'div',
      {},
      h('h1', {}, client.name),
      h('p', { class: 'what' }, asks),
      h('p', { class: 'registered' }, t('prompt.registered', { client: client.id })),
    ),
  );
}

/** What is approved, in the server's words: the amount and who gets it, then the sentence of each detail. */
function terms({ transaction = {} }: Pick<Prompt, 'transaction'>): HTMLElement[] {
  const { amount, currency, payee, texts } = transaction;
  const sum = moneyText(amount, currency);
  const sentences = Array.isArray(texts) ? texts.filter((text) => typeof text === 'string') : [];
  return [
    ...(sum ? [h('p', { class: 'amount' }, sum)] : []),
    ...(typeof payee === 'string'
      ? [h('p', { class: 'amount payee', dir: 'auto' }, t('prompt.payee', { payee }))]
      : []),
    ...sentences.map((text) => h('p', { class: 'terms', dir: 'auto' }, text)),
  ];
}

function what(prompt: Prompt): HTMLElement | undefined {
  const { client, bindingMessage, document } = prompt;
  const agreed = [...terms(prompt), ...shared(prompt)];
  if (agreed.length === 0 && !bindingMessage && !document) return undefined;
  const quote =
    bindingMessage !== undefined &&
    bindingMessage !== '' &&
    h(
      'figure',
      { class: 'quote' },
      h('figcaption', {}, t('prompt.quote', { client: client.name })),
      h('blockquote', { dir: 'auto' }, bindingMessage),
    );
  return h('div', { class: 'stack' }, ...agreed, quote, document?.element);
}

/** What the client gets, in the server's words. */
function shared({ context }: Pick<Prompt, 'context'>): HTMLElement[] {
  return context?.text ? [h('p', { class: 'terms shared', dir: 'auto' }, context.text)] : [];
}

function origin({ origin: from }: Prompt): HTMLElement | undefined {
  const parts = from ? [from.browser, from.os, from.place].filter((part): part is string => Boolean(part)) : [];
  return parts.length > 0 ? h('p', { class: 'origin' }, t('prompt.origin', { parts: parts.join(', ') })) : undefined;
}

/** Whoever shows a code may have it from somebody else's screen (S-09): the number is on the one that really asks. */
function check({ isClaimed }: Prompt): HTMLElement | undefined {
  return isClaimed ? h('p', { class: 'notice warn', id: 'check' }, t('claim.check')) : undefined;
}

interface NumberField {
  element: HTMLElement;
  value(): string | undefined;
}

function numberField({ match, joining: isJoining, isClaimed }: Prompt, chosen = ''): NumberField | undefined {
  if (match.mode === 'none') return undefined;
  if (match.mode === 'choose') return chooseField(match.options ?? [], chosen);
  const digits = match.mode === 'type6' ? 6 : 2;
  const label = isJoining ? 'join.match' : isClaimed ? 'claim.match' : 'prompt.match.type';
  const { element, input, value } = digitsField('match', t(label), digits);
  input.value = chosen;
  return { element, value };
}

function chooseField(options: string[], chosen: string): NumberField {
  const choice = (value: string) =>
    h('label', {}, h('input', { type: 'radio', name: 'match', value, checked: value === chosen }), value);
  const element = h(
    'fieldset',
    {},
    h('legend', {}, t('prompt.match.choose')),
    h('div', { class: 'choices' }, ...options.map(choice)),
  );
  return { element, value: () => element.querySelector<HTMLInputElement>('input:checked')?.value };
}

/** The PIN, with who it is for still in sight. */
function showPin(prompt: Prompt, handlers: PromptHandlers, match: string | undefined): void {
  const pin = field('pin', t('pin.label'), PIN_FIELD);
  const button = h('button', { class: 'button main', id: 'confirm', type: 'submit' }, t('pin.confirm'));
  const submit = (event: Event) => {
    event.preventDefault();
    if (pin.complain(pin.input.value ? '' : t('pin.empty'))) return;
    once(button, t('pin.checking'), () => handlers.answer({ decision: 'approve', pin: pin.input.value, match }));
  };
  const { element: clock, stop } = timeLeft(prompt.createdAt, prompt.expiresAt, handlers.expired);
  const back = h(
    'button',
    { class: 'button', type: 'button', onclick: () => showPrompt(prompt, handlers, { chosen: match }) },
    t('pin.back'),
  );
  const forWhom = h('p', { class: 'quiet' }, subjectOf(prompt));
  const text =
    prompt.bindingMessage && !prompt.joining
      ? h('figure', { class: 'quote' }, h('blockquote', { dir: 'auto' }, prompt.bindingMessage))
      : undefined;
  const buttons = h('div', { class: 'buttons' }, back, button);
  const form = h(
    'form',
    { class: 'stack', novalidate: true, onsubmit: submit },
    h('h1', {}, t('pin.title')),
    forWhom,
    ...terms(prompt),
    text,
    prompt.document && h('p', { class: 'terms', dir: 'auto' }, t('document.agreed', { title: prompt.document.title })),
    pin.element,
    buttons,
    clock,
  );
  show([form], stop);
  pin.input.focus();
}

const subjectOf = ({ client, joining: device }: Prompt): string =>
  device ? t('join.pin', { device: nameOf(device) }) : t('pin.for', { client: client.name });

const REASONS = ['not_me', 'incorrect_data', 'cancelled'] as const;

function showReasons(prompt: Prompt, handlers: PromptHandlers, chosen: string | undefined): void {
  const reasons = REASONS.filter((reason) => reason !== 'incorrect_data' || !prompt.joining);
  const buttons = reasons.map((reason) => {
    const button = h('button', { class: 'button wide', id: `reason-${reason}` }, t(`deny.${reason}`));
    const answer = () => handlers.answer({ decision: 'deny', reason });
    button.addEventListener('click', () => once(button, t('deny.working'), answer));
    return button;
  });
  const back = h('button', { class: 'link', onclick: () => showPrompt(prompt, handlers, { chosen }) }, t('pin.back'));
  const { element: clock, stop } = timeLeft(prompt.createdAt, prompt.expiresAt, handlers.expired);
  show(
    [
      h('h1', {}, t('deny.title')),
      h('p', { class: 'quiet' }, subjectOf(prompt)),
      h('div', { class: 'answer' }, ...buttons, h('div', { class: 'foot' }, back, clock)),
    ],
    stop,
  );
}
