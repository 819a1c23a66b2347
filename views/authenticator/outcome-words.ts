import type { DeviceError } from '../../src/device-sdk/index.ts';
import type { TextKey } from '../texts/index.ts';
import { t } from './frame.ts';
import type { PromptAnswer } from './prompt.ts';

type Words = [title: TextKey, body: TextKey];

export function answeredWords(state: 'approved' | 'denied', { reason }: PromptAnswer): Words {
  if (state === 'approved') return ['done.approved.title', 'done.approved.body'];
  return ['done.denied.title', reason === 'not_me' ? 'done.not_me.body' : 'done.denied.body'];
}

export function joinedWords(state: 'approved' | 'denied', { reason }: PromptAnswer): Words {
  if (state === 'approved') return ['join.approved.title', 'join.approved.body'];
  return ['join.denied.title', reason === 'not_me' ? 'join.not_me.body' : 'join.denied.body'];
}

/** What was wrong is not told, how many tries are left is. */
export function attemptText({ attemptsLeft: left }: DeviceError, what: TextKey = 'attempt.failed'): string {
  if (left === undefined) return t(what);
  return `${t(what)} ${left === 1 ? t('attempt.left.one') : t('attempt.left.many', { count: left })}`;
}
