/** Simulated devices: the device SDK over real HTTP, with keys that are gone when the process is. */
import { randomInt } from 'node:crypto';
import {
  beginEnrollment,
  type ChallengeView,
  checkNewPin,
  type Device,
  type InboxEvent,
  memoryStorage,
} from '../device-sdk/index.ts';
import type { ManagementClient, ManagementTicket } from '../support/management-client.ts';
import type { Timers } from '../support/timers.ts';
import type { Behaviour } from './behaviour.ts';

export interface SimulatedDevice {
  device: Device;
  userId: string;
  methods: string[];
  pin?: string;
  behaviour: Behaviour;
}

export interface PoolDeps {
  /** Base of the device API. */
  authenticator: string;
  applicationId: string;
  management: ManagementClient;
  matchCodeOf(operationId: string): Promise<string | undefined>;
  timers: Timers;
  /** A device could not answer, or was turned away; the code says why. */
  onTrouble(deviceId: string, error: unknown): void;
}

export interface DevicePool {
  /** @throws ManagementError | DeviceError */
  enroll(device: { userId: string; methods: string[]; pin?: string; behaviour: Behaviour }): Promise<SimulatedDevice>;
  of(userId: string): SimulatedDevice[];
  /** One at a time for each user: two requests at once enroll one device, not two. */
  inTurn<T>(userId: string, work: () => Promise<T>): Promise<T>;
  /** @throws DeviceError as the device API refused it */
  answer(simulated: SimulatedDevice, operationId: string, action: 'allow' | 'deny'): Promise<void>;
  /** Ends event streams and what waits for its time. */
  stop(): void;
}

export function createDevicePool(deps: PoolDeps): DevicePool {
  const { management, timers } = deps;
  const pool = new Map<string, SimulatedDevice[]>();
  const turns = new Map<string, Promise<unknown>>();
  const stopped = new AbortController();

  async function ticketFor(userId: string): Promise<string> {
    const path = `/users/${userId}/enrollment-tickets`;
    const { ticket_uri } = await management.call<ManagementTicket>(path, { body: { application: deps.applicationId } });
    // the same fragment at the address that this process reaches it by
    return `${deps.authenticator}/${new URL(ticket_uri).hash}`;
  }

  async function answer({ device, pin }: SimulatedDevice, operationId: string, action: 'allow' | 'deny') {
    const view = await device.present(operationId);
    if (action === 'allow' && view.document && view.document.display !== 'external') await device.document(view);
    if (action === 'deny') await device.decide(view, { decision: 'deny' });
    else await device.decide(view, { decision: 'approve', pin, match: await numberFor(view) });
  }

  async function numberFor({ op, match }: ChallengeView): Promise<string | undefined> {
    return match.mode === 'none' ? undefined : deps.matchCodeOf(op);
  }

  /** Answers by itself from now on, each operation once. */
  function live(simulated: SimulatedDevice): void {
    const { device, behaviour } = simulated;
    const { decide, after_ms } = behaviour;
    if (decide === 'ignore') return;
    const waiting = new Map<string, () => void>();
    const trouble = (error: unknown) => deps.onTrouble(device.deviceId, error);
    const hear = (op: string) => {
      if (waiting.has(op)) return;
      waiting.set(
        op,
        timers.after(after_ms, () => void answer(simulated, op, decide).catch(trouble)),
      );
    };
    const forget = (op: string) => {
      waiting.get(op)?.();
      waiting.delete(op);
    };
    const onEvent = (event: InboxEvent) => {
      if (event.event === 'inbox') for (const { op } of event.operations) hear(op);
      if (event.event === 'operation') hear(event.op);
      if (event.event === 'closed') forget(event.op);
    };
    stopped.signal.addEventListener('abort', () => {
      for (const giveUp of waiting.values()) giveUp();
    });
    device.events(onEvent, { signal: stopped.signal }).catch(trouble);
  }

  return {
    async enroll({ userId, methods, behaviour, pin: chosen }) {
      const enrollment = await beginEnrollment(memoryStorage(), await ticketFor(userId));
      const pin = methods.includes('pin') ? (chosen ?? newPin(enrollment.policy.pin_length)) : undefined;
      const device = await enrollment.finish({ device: { name: 'Simulated device', os: 'simulator' }, pin });
      const simulated: SimulatedDevice = { device, userId, methods, behaviour, ...(pin !== undefined && { pin }) };
      pool.set(userId, [...(pool.get(userId) ?? []), simulated]);
      live(simulated);
      return simulated;
    },

    of: (userId) => pool.get(userId) ?? [],

    inTurn<T>(userId: string, work: () => Promise<T>) {
      const turn = (turns.get(userId) ?? Promise.resolve()).then(work, work);
      turns.set(userId, turn);
      const leave = () => void (turns.get(userId) === turn && turns.delete(userId));
      turn.then(leave, leave);
      return turn;
    },

    answer,
    stop: () => stopped.abort(),
  };
}

/** Any that the policy takes. */
function newPin(length: number): string {
  for (;;) {
    const pin = Array.from({ length: Math.max(length, 6) }, () => randomInt(10)).join('');
    try {
      checkNewPin(pin, length);
      return pin;
    } catch {
      // easy to guess: the next one will not be
    }
  }
}
