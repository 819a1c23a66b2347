import {
  type ChallengeView,
  codeOf,
  type DecideResult,
  type Device,
  type DeviceError,
  type InboxEvent,
} from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import type { TextKey } from '../texts/index.ts';
import { claimFailure } from './claim-words.ts';
import { type DocumentCard, documentCard } from './document.ts';
import { type Contact, showEmpty } from './empty.ts';
import { outcome, type SignKind, setBanner, show, sign, t } from './frame.ts';
import { nameOf } from './joining.ts';
import { createNoticeBoard } from './notices.ts';
import { answeredWords, attemptText, joinedWords } from './outcome-words.ts';
import { isDeviceOver, showDeviceOver } from './over.ts';
import { type PromptAnswer, showPrompt } from './prompt.ts';
import { saidAfter } from './said-after.ts';
import { type Settings, showSettings } from './settings.ts';
import { createTabs } from './tabs.ts';
import { mayHaveArrived, whatBecameOf } from './unanswered.ts';

/**
 * One decision at a time: the newest request comes up first, because its service is waiting for it now; what is on the
 * screen stays there, and older ones wait behind it. One that arrives meanwhile is told above it, one tap away.
 *
 *     empty ──a request arrives──> prompt ──answered──> outcome ──Done──> the next one, or empty
 *       │                           │  └ ended elsewhere (expired, withdrawn, another device): a state of its own
 *       │                           └ no answer came back: the server is asked what became of it
 *       ├ opened with the code of another screen: its request comes up first, also where others wait
 *       └ This device ──> settings: a request that arrives is told above them, and waits until they are left
 */
export function followInbox(
  device: Device,
  { startAgain, claimLink }: { startAgain(): void; claimLink?: string | undefined },
): void {
  /** Waiting operations in the order of their arrival. */
  const waiting = new Set<string>();
  let shown: ChallengeView | undefined;
  /** What waited when it came up, and how many were told of since. */
  let known = new Set<string>();
  let told = 0;
  /** Of the request on the screen, if it has one. */
  let card: { op: string; document: DocumentCard } | undefined;
  /** Its answer is under way: what the server says of it elsewhere is this answer's own doing. */
  let answering: string | undefined;
  /** An outcome stays until the person has read it. */
  let reading = false;
  /** Nothing to answer is on the screen; shown again, it would take the focus from whoever reads it. */
  let atRest = false;
  /** In the settings: what to do when a request arrives. */
  let away: (() => void) | undefined;
  let settings: Settings | undefined;
  const stopped = new AbortController();
  const contact: Contact = { at: 0, isLost: false };

  const over = (error: unknown): void => {
    // who is being removed by the person themselves says so in its own words
    if (settings?.isLeaving()) return;
    stopped.abort();
    setBanner(undefined);
    showDeviceOver(error, startAgain);
  };
  /** For screens that call the server themselves. */
  const gone = (error: unknown): boolean => {
    if (!isDeviceOver(error)) return false;
    over(error);
    return true;
  };
  const notices = createNoticeBoard(device, { gone, dismissed: (id) => tabs.dismissed(id) });

  const next = async (): Promise<void> => {
    if (reading || stopped.signal.aborted) return;
    if (shown) return tellArrivals(shown);
    if (away) return away();
    const op = [...waiting].at(-1);
    if (op === undefined) return rest();
    try {
      const view = await device.present(op);
      if (shown || reading || away) return;
      if (!waiting.has(op)) return next();
      comeUp(view);
    } catch (error) {
      waiting.delete(op);
      if (!gone(error)) return next();
    }
  };

  const comeUp = (view: ChallengeView): void => {
    shown = view;
    known = new Set(waiting);
    prompt(view);
  };

  /** Nothing else comes up until it is clear what becomes of the code. */
  const claim = async (link: string): Promise<void> => {
    reading = true;
    show([h('div', { class: 'outcome', role: 'status' }, sign('time'), h('h1', {}, t('enroll.checking')))]);
    try {
      const view = await device.claim(link);
      waiting.add(view.op);
      reading = false;
      comeUp(view);
    } catch (error) {
      if (gone(error)) return;
      const { kind, title, body, again } = claimFailure(error);
      const goOn = () => {
        reading = false;
        void next();
      };
      const wayOn = again
        ? { label: t('tv.again'), run: () => void claim(link) }
        : { label: t('done.continue'), run: goOn };
      outcome(kind, t(title), t(body), wayOn);
    }
  };

  /** What has come since stands above what is on the screen, and does not take its place. */
  const tellArrivals = ({ op }: ChallengeView): void => {
    const count = [...waiting].filter((each) => each !== op && !known.has(each)).length;
    if (count === told || answering !== undefined) return;
    told = count;
    const text = count === 1 ? t('inbox.another') : t('inbox.more.many', { count });
    setBanner(count > 0 ? requestWaits(text, swap) : undefined);
  };

  /** The newest comes up; what was on the screen goes to the back of the queue. */
  const swap = (): void => {
    if (!shown) return;
    const rest = [...waiting].filter((each) => each !== shown?.op);
    const order = [shown.op, ...rest];
    waiting.clear();
    for (const op of order) waiting.add(op);
    leaveScreen();
    void next();
  };

  const leaveScreen = (): void => {
    shown = undefined;
    told = 0;
    setBanner(undefined);
  };

  const rest = (): void => {
    if (atRest) return;
    showEmpty({ notices: notices.element, look, openSettings, left: () => (atRest = false) });
    atRest = true;
  };

  /** The stream brings a word of its own about once a minute; a server that was silent for longer is asked. */
  const look = async (): Promise<Contact> => {
    if (!navigator.onLine) return { ...contact, isLost: true };
    if (Date.now() - contact.at < heardLatelyMs) return contact;
    await device.inbox().then(
      () => heard(),
      (error) => {
        contact.isLost = !gone(error);
      },
    );
    return contact;
  };
  const heard = (at = Date.now()) => {
    if (at <= contact.at) return;
    contact.at = at;
    contact.isLost = false;
  };

  const openSettings = (): void => {
    const home = () => {
      away = undefined;
      settings = undefined;
      setBanner(undefined);
      void next();
    };
    let told = 0;
    const banner = () => {
      if (waiting.size === told) return;
      told = waiting.size;
      const text = told === 1 ? t('inbox.waits.one') : t('inbox.waits.many', { count: told });
      setBanner(told > 0 ? requestWaits(text, home) : undefined);
    };
    settings = showSettings(device, { home, gone, startAgain });
    away = () => (settings?.expectsRequest() && waiting.size > 0 ? home() : banner());
  };

  const documentOf = (view: ChallengeView): DocumentCard | undefined => {
    if (!view.document) return undefined;
    if (card?.op !== view.op) {
      card?.document.end();
      card = { op: view.op, document: documentCard(view.document, () => device.document(view)) };
    }
    return card.document;
  };

  const prompt = (view: ChallengeView, { notice, chosen }: { notice?: string; chosen?: string } = {}) => {
    const shownPrompt = {
      ...view,
      kind: view.kind as 'authentication',
      needsPin: !view.methods.includes('device'),
      expiresAt: view.expiresAt * 1000,
      createdAt: view.issuedAt * 1000,
      isClaimed: view.claimed === true,
      document: documentOf(view),
      ...(isEnrollment(view) && { joining: { ...view.enrolling, server: new URL(device.issuer).host } }),
    };
    const handlers = {
      answer: (answer: PromptAnswer) => void decide(view, answer),
      expired: () => ended(view, 'expired'),
      waiting: [...waiting].filter((op) => op !== view.op && known.has(op)).length,
    };
    showPrompt(shownPrompt, handlers, { notice, chosen });
  };

  const decide = async (view: ChallengeView, answer: PromptAnswer): Promise<void> => {
    answering = view.op;
    try {
      answered(view, answer, await device.decide(view, answer));
    } catch (error) {
      await refused(view, answer, error);
    } finally {
      answering = undefined;
      void next();
    }
  };

  const answered = (view: ChallengeView, answer: PromptAnswer, { state, postContext }: DecideResult) => {
    const [title, body] = isEnrollment(view) ? joinedWords(state, answer) : answeredWords(state, answer, view.kind);
    const values = { client: view.client.name, device: nameOf(view.enrolling ?? {}) };
    const said = postContext && saidAfter(postContext, view.client.name);
    finish(view, state === 'approved' ? 'good' : 'bad', t(title, values), t(body, values), said);
  };

  const refused = async (view: ChallengeView, answer: PromptAnswer, error: unknown): Promise<void> => {
    if (gone(error)) return;
    if (mayHaveArrived(error)) return settle(view, answer);
    const code = codeOf(error) ?? '';
    if (code in ENDED) return ended(view, ENDED[code] as EndState);
    if (code === 'attempt_failed') return tryAgain(view, error as DeviceError);
    // shown anew when the answer is over
    if (code === 'challenge_stale') return leaveScreen();
    prompt(view, { notice: t('error.other'), chosen: answer.match });
  };

  /** The answer may be recorded although nothing came back: only the server knows. */
  const settle = async (view: ChallengeView, answer: PromptAnswer): Promise<void> => {
    setBanner(undefined);
    told = 0;
    try {
      const state = await whatBecameOf(device, view.op, stopped.signal);
      if (stopped.signal.aborted || shown?.op !== view.op) return;
      if (state === 'pending') return prompt(view, { notice: t('answer.unrecorded'), chosen: answer.match });
      if (state === undefined) {
        return finish(view, 'quiet', t('answer.over.title'), t('answer.over.body', { client: view.client.name }));
      }
      if (state !== (answer.decision === 'approve' ? 'approved' : 'denied')) return ended(view, endStateOf(state));
      // the same answer again is answered alike, with what the service has to say afterwards
      const again = await device.decide(view, answer).catch(() => undefined);
      answered(view, answer, again ?? { op: view.op, state });
    } catch (error) {
      if (!gone(error)) prompt(view, { notice: t('error.other'), chosen: answer.match });
    }
  };

  const tryAgain = (view: ChallengeView, error: DeviceError) => {
    if (error.attemptsLeft !== 0) return prompt(view, { notice: attemptText(error) });
    ended(view, 'failed', error.lockIsImminent ? t('attempt.lock_imminent') : '');
  };

  const ended = (view: ChallengeView, state: EndState, more = '') => {
    if (shown?.op !== view.op) return;
    const body: TextKey = isEnrollment(view) ? `join.${state}.body` : `ended.${state}.body`;
    const kind = state === 'failed' ? 'bad' : state === 'expired' ? 'time' : 'quiet';
    finish(view, kind, t(`ended.${state}.title`), `${t(body, { client: view.client.name })} ${more}`.trim());
  };

  const finish = (view: ChallengeView, kind: SignKind, title: string, body: string, said?: HTMLElement) => {
    waiting.delete(view.op);
    card?.document.end();
    card = undefined;
    leaveScreen();
    reading = true;
    const run = () => {
      reading = false;
      void next();
    };
    outcome(kind, title, body, { label: t('done.continue'), run }, said);
  };

  const hear = (event: InboxEvent, at: number) => {
    heard(at);
    if (event.event === 'notice') {
      notices.add(event.notice);
      settings?.told(event.notice);
      return;
    }
    if (event.event === 'inbox') {
      notices.set(event.notices ?? []);
      const now = new Set(event.operations.map(({ op }) => op));
      for (const op of waiting) if (!now.has(op) && op !== shown?.op) waiting.delete(op);
      for (const op of now) waiting.add(op);
      if (shown && !now.has(shown.op) && shown.op !== answering) void lookUp(shown);
    }
    if (event.event === 'operation') waiting.add(event.op);
    if (event.event === 'closed') {
      waiting.delete(event.op);
      if (shown?.op === event.op && answering !== event.op) ended(shown, endStateOf(event.state));
    }
    void next();
  };

  /** The stream was opened anew and the request on the screen is gone: how did it end? */
  const lookUp = async (view: ChallengeView): Promise<void> => {
    const { operation } = await device.status(view.op).catch(() => ({ operation: undefined }));
    if (operation && operation.state !== 'pending') ended(view, endStateOf(operation.state));
  };

  const tabs = createTabs(device, { hear, dismissed: notices.hide }, stopped.signal);
  if (claimLink) void claim(claimLink);
  else void next();
  tabs.follow().catch(over);
}

const heardLatelyMs = 60_000;

/** Only the server writes this into what it signs: no client can ask for it, or look like it. */
function isEnrollment({ purpose, enrolling }: ChallengeView): boolean {
  return purpose === 'enrollment' && enrolling !== undefined;
}

function requestWaits(text: string, show: () => void): HTMLElement {
  const button = h('button', { class: 'button small', type: 'button', id: 'show-request', onclick: show });
  button.textContent = t('inbox.waits.show');
  return h('div', { class: 'notice warn banner', role: 'status' }, h('span', {}, text), button);
}

type EndState = 'expired' | 'decided' | 'cancelled' | 'failed';

const ENDED: Record<string, EndState> = {
  operation_expired: 'expired',
  operation_decided: 'decided',
  operation_cancelled: 'cancelled',
  operation_failed: 'failed',
  operation_not_found: 'cancelled',
};

function endStateOf(state: string): EndState {
  return state === 'expired' || state === 'cancelled' || state === 'failed' ? state : 'decided';
}
