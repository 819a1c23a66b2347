import { codeOf, type Device } from '../../src/device-sdk/index.ts';
import { h } from '../shared/dom.ts';
import { show, sign, t } from './frame.ts';

/** Between two questions, while the server does not answer. */
const pauseMs = 3_000;

/** What went out may have arrived all the same, so nothing is said of it that the server has not said. */
export function mayHaveArrived(error: unknown): boolean {
  return ['network', 'server_unexpected', 'unavailable'].includes(codeOf(error) ?? '');
}

/**
 * An answer of which nothing came back: says so, and asks until the server tells the state of the operation.
 *
 * @returns undefined where the server no longer knows it, or `signal` was aborted
 * @throws  DeviceError that says more about this device than about the operation
 */
export async function whatBecameOf(device: Device, op: string, signal: AbortSignal): Promise<string | undefined> {
  show([
    h(
      'div',
      { class: 'outcome', role: 'status' },
      sign('time'),
      h('h1', {}, t('answer.unknown.title')),
      h('p', {}, t('answer.unknown.body')),
    ),
  ]);
  while (!signal.aborted) {
    try {
      const { operation } = await device.status(op);
      return operation?.state;
    } catch (error) {
      if (!mayHaveArrived(error)) throw error;
    }
    await connectionOrPause(signal);
  }
  return undefined;
}

function connectionOrPause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      removeEventListener('online', go);
      signal.removeEventListener('abort', go);
      resolve();
    };
    const timer = setTimeout(go, pauseMs);
    addEventListener('online', go);
    signal.addEventListener('abort', go);
  });
}
