import type { DeviceError } from '../../src/device-sdk/index.ts';
import type { TextKey } from '../texts/index.ts';
import { t } from './frame.ts';
import type { PromptAnswer } from './prompt.ts';

type Words = [title: TextKey, body: TextKey];

/** @param kind of the operation: what was approved is not always that it is them */
export function answeredWords(state: 'approved' | 'denied', { reason }: PromptAnswer, kind: string): Words {
  if (state === 'denied') return ['done.denied.title', reason ? `done.${reason}.body` : 'done.denied.body'];
  const isMore = kind === 'authorization' || kind === 'signature';
  return ['done.approved.title', isMore ? `done.approved.${kind}` : 'done.approved.body'];
}

export function joinedWords(state: 'approved' | 'denied', { reason }: PromptAnswer): Words {
  if (state === 'approved') return ['join.approved.title', 'join.approved.body'];
  return ['join.denied.title', reason === 'not_me' ? 'join.not_me.body' : 'join.denied.body'];
}

/** What was wrong is not told; how many tries are left is, and that the next one locks the device. */
export function attemptText(error: DeviceError, what: TextKey = 'attempt.failed'): string {
  const { attemptsLeft: left, lockIsImminent } = error;
  if (lockIsImminent) return `${t(what)} ${t('attempt.lock_imminent')}`;
  if (left === undefined) return t(what);
  return `${t(what)} ${left === 1 ? t('attempt.left.one') : t('attempt.left.many', { count: left })}`;
}
