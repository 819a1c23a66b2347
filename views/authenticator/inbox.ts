import {
  type ChallengeView,
  codeOf,
  type Device,
  type DeviceError,
  type InboxEvent,
} from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import type { TextKey } from '../texts/index.ts';
import { type Contact, showEmpty } from './empty.ts';
import { outcome, type SignKind, setBanner, t } from './frame.ts';
import { nameOf } from './joining.ts';
import { createNoticeBoard } from './notices.ts';
import { answeredWords, attemptText, joinedWords } from './outcome-words.ts';
import { isDeviceOver, showDeviceOver } from './over.ts';
import { type PromptAnswer, showPrompt } from './prompt.ts';
import { saidAfter } from './said-after.ts';
import { type Settings, showSettings } from './settings.ts';
import { createTabs } from './tabs.ts';

/**
 * One decision at a time: the newest request comes up first, because its service is waiting for it now; what is on the
 * screen stays there, and older ones wait behind it.
 *
 *     empty ──a request arrives──> prompt ──answered──> outcome ──Done──> the next one, or empty
 *       │                             └ ended elsewhere (expired, withdrawn, another device): a state of its own
 *       └ This device ──> settings: a request that arrives is told above them, and waits until they are left
 */
export function followInbox(device: Device, { startAgain }: { startAgain(): void }): void {
  /** Waiting operations in the order of their arrival. */
  const waiting = new Set<string>();
  let shown: ChallengeView | undefined;
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
    if (shown || reading || stopped.signal.aborted) return;
    if (away) return away();
    const op = [...waiting].at(-1);
    if (op === undefined) return rest();
    try {
      const view = await device.present(op);
      if (shown || reading || away) return;
      if (!waiting.has(op)) return next();
      shown = view;
      prompt(view);
    } catch (error) {
      waiting.delete(op);
      if (!gone(error)) return next();
    }
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
      setBanner(told > 0 ? requestWaits(told, home) : undefined);
    };
    settings = showSettings(device, { home, gone, startAgain });
    away = () => (settings?.expectsRequest() && waiting.size > 0 ? home() : banner());
  };

  const prompt = (view: ChallengeView, notice?: string) => {
    const shownPrompt = {
      ...view,
      kind: view.kind as 'authentication',
      needsPin: !view.methods.includes('device'),
      expiresAt: view.expiresAt * 1000,
      createdAt: view.issuedAt * 1000,
      ...(isEnrollment(view) && { joining: { ...view.enrolling, server: new URL(device.issuer).host } }),
    };
    const handlers = {
      answer: (answer: PromptAnswer) => void decide(view, answer),
      expired: () => ended(view, 'expired'),
      waiting: waiting.size - 1,
    };
    showPrompt(shownPrompt, handlers, notice);
  };

  const decide = async (view: ChallengeView, answer: PromptAnswer): Promise<void> => {
    try {
      const { state, postContext } = await device.decide(view, answer);
      const [title, body] = isEnrollment(view) ? joinedWords(state, answer) : answeredWords(state, answer);
      const values = { client: view.client.name, device: nameOf(view.enrolling ?? {}) };
      const said = postContext && saidAfter(postContext, view.client.name);
      finish(view, state === 'approved' ? 'good' : 'bad', t(title, values), t(body, values), said);
    } catch (error) {
      await refused(view, error);
    }
  };

  const refused = async (view: ChallengeView, error: unknown): Promise<void> => {
    if (gone(error)) return;
    const code = codeOf(error) ?? '';
    if (code in ENDED) return ended(view, ENDED[code] as EndState);
    if (code === 'attempt_failed') return tryAgain(view, error as DeviceError);
    if (code === 'challenge_stale') {
      shown = undefined;
      return next();
    }
    prompt(view, t(code === 'network' ? 'error.offline' : 'error.other'));
  };

  const tryAgain = (view: ChallengeView, error: DeviceError) => {
    if (error.attemptsLeft === 0) return ended(view, 'failed');
    prompt(view, attemptText(error));
  };

  const ended = (view: ChallengeView, state: EndState) => {
    if (shown?.op !== view.op) return;
    const body: TextKey = isEnrollment(view) ? `join.${state}.body` : `ended.${state}.body`;
    const kind = state === 'failed' ? 'bad' : state === 'expired' ? 'time' : 'quiet';
    finish(view, kind, t(`ended.${state}.title`), t(body, { client: view.client.name }));
  };

  const finish = (view: ChallengeView, kind: SignKind, title: string, body: string, said?: HTMLElement) => {
    waiting.delete(view.op);
    shown = undefined;
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
      if (shown && !now.has(shown.op)) void lookUp(shown);
    }
    if (event.event === 'operation') waiting.add(event.op);
    if (event.event === 'closed') {
      waiting.delete(event.op);
      if (shown?.op === event.op) ended(shown, endStateOf(event.state));
    }
    void next();
  };

  /** The stream was opened anew and the request on the screen is gone: how did it end? */
  const lookUp = async (view: ChallengeView): Promise<void> => {
    const { operation } = await device.status(view.op).catch(() => ({ operation: undefined }));
    if (operation && operation.state !== 'pending') ended(view, endStateOf(operation.state));
  };

  const tabs = createTabs(device, { hear, dismissed: notices.hide }, stopped.signal);
  void next();
  tabs.follow().catch(over);
}

const heardLatelyMs = 60_000;

/** Only the server writes this into what it signs: no client can ask for it, or look like it. */
function isEnrollment({ purpose, enrolling }: ChallengeView): boolean {
  return purpose === 'enrollment' && enrolling !== undefined;
}

function requestWaits(count: number, show: () => void): HTMLElement {
  const text = count === 1 ? t('inbox.waits.one') : t('inbox.waits.many', { count });
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
