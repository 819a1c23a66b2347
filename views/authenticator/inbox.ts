import { type ChallengeView, codeOf, type Device, DeviceError } from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import type { TextKey } from '../texts/index.ts';
import { language, outcome, show, sign, t } from './frame.ts';
import { type PromptAnswer, showPrompt } from './prompt.ts';

/**
 * One decision at a time: the newest request comes up first, because its service is waiting for it now; what is on the
 * screen stays there, and older ones wait behind it.
 *
 *     empty ──a request arrives──> prompt ──answered──> outcome ──Done──> the next one, or empty
 *                                     └ ended elsewhere (expired, withdrawn, another device): a state of its own
 */
export function followInbox(device: Device, { startAgain }: { startAgain(): void }): void {
  /** Waiting operations in the order of their arrival. */
  const waiting = new Set<string>();
  let shown: ChallengeView | undefined;
  /** An outcome stays until the person has read it. */
  let reading = false;
  const stopped = new AbortController();

  const next = async (): Promise<void> => {
    if (shown || reading || stopped.signal.aborted) return;
    const op = [...waiting].at(-1);
    if (op === undefined) return showEmpty(device);
    try {
      const view = await device.present(op);
      if (shown || reading) return;
      if (!waiting.has(op)) return next();
      shown = view;
      prompt(view);
    } catch (error) {
      waiting.delete(op);
      if (!isDeviceOver(error)) return next();
      over(error);
    }
  };

  const prompt = (view: ChallengeView, notice?: string) => {
    const shownPrompt = {
      ...view,
      kind: view.kind as 'authentication',
      needsPin: !view.methods.includes('device'),
      expiresAt: view.expiresAt * 1000,
      createdAt: view.issuedAt * 1000,
    };
    const handlers = {
      now: Date.now,
      answer: (answer: PromptAnswer) => void decide(view, answer),
      expired: () => ended(view, 'expired'),
      waiting: waiting.size - 1,
    };
    showPrompt(shownPrompt, handlers, notice);
  };

  const decide = async (view: ChallengeView, answer: PromptAnswer): Promise<void> => {
    try {
      const { state } = await device.decide(view, answer);
      const client = view.client.name;
      const body: TextKey =
        state === 'approved'
          ? 'done.approved.body'
          : answer.reason === 'not_me'
            ? 'done.not_me.body'
            : 'done.denied.body';
      finish(view, state === 'approved' ? 'good' : 'bad', t(`done.${state}.title`), t(body, { client }));
    } catch (error) {
      await refused(view, error);
    }
  };

  const refused = async (view: ChallengeView, error: unknown): Promise<void> => {
    if (isDeviceOver(error)) return over(error);
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
    const left = error.attemptsLeft;
    if (left === 0) return ended(view, 'failed');
    const tries =
      left === undefined ? '' : left === 1 ? t('attempt.left.one') : t('attempt.left.many', { count: left });
    prompt(view, `${t('attempt.failed')} ${tries}`.trim());
  };

  const ended = (view: ChallengeView, state: EndState) => {
    if (shown?.op !== view.op) return;
    finish(
      view,
      state === 'failed' ? 'bad' : 'quiet',
      t(`ended.${state}.title`),
      t(`ended.${state}.body`, { client: view.client.name }),
    );
  };

  const finish = (view: ChallengeView, kind: 'good' | 'bad' | 'quiet', title: string, body: string) => {
    waiting.delete(view.op);
    shown = undefined;
    reading = true;
    outcome(kind, title, body, {
      label: t('done.continue'),
      run: () => {
        reading = false;
        void next();
      },
    });
  };

  const over = (error: unknown) => {
    stopped.abort();
    const reason =
      error instanceof DeviceError && error.code === 'device_locked'
        ? error.reason === 'attempts'
          ? 'attempts'
          : 'admin'
        : undefined;
    if (reason === 'admin') outcome('bad', t('device.locked.title'), t('device.locked.admin'));
    else if (reason)
      outcome('bad', t('device.locked.title'), t('device.locked.attempts'), {
        label: t('device.again'),
        run: startAgain,
      });
    else
      outcome('bad', t('device.removed.title'), t('device.removed.body'), {
        label: t('device.again'),
        run: startAgain,
      });
  };

  void next();
  device
    .events(
      (event) => {
        if (event.event === 'inbox') {
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
      },
      { signal: stopped.signal },
    )
    .catch((error) => over(error));

  /** The stream was opened anew and the request on the screen is gone: how did it end? */
  const lookUp = async (view: ChallengeView): Promise<void> => {
    const { operation } = await device.status(view.op).catch(() => ({ operation: undefined }));
    if (operation && operation.state !== 'pending') ended(view, endStateOf(operation.state));
  };
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

/** Whoever gets one of these can answer nothing any more. */
function isDeviceOver(error: unknown): boolean {
  return ['device_locked', 'device_deactivated', 'device_refused', 'keys_untrusted'].includes(codeOf(error) ?? '');
}

/** Says when it was last checked and how to test it. */
function showEmpty(device: Device): void {
  const checked = () =>
    t('inbox.checked', { time: new Date().toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit' }) });
  const line = h('p', { class: 'quiet' }, navigator.onLine ? checked() : t('inbox.offline'));
  const refresh = () => {
    line.textContent = navigator.onLine ? checked() : t('inbox.offline');
  };
  const timer = setInterval(refresh, 15_000);
  addEventListener('online', refresh);
  addEventListener('offline', refresh);
  const stop = () => {
    clearInterval(timer);
    removeEventListener('online', refresh);
    removeEventListener('offline', refresh);
  };
  const test = h('p', { class: 'quiet' }, t('inbox.test', { user: device.display.masked_user }));
  show(
    [
      h(
        'div',
        { class: 'outcome', role: 'status' },
        sign('quiet'),
        h('h1', {}, t('inbox.empty.title')),
        h('p', {}, t('inbox.empty.body')),
        line,
        test,
      ),
    ],
    stop,
  );
}
