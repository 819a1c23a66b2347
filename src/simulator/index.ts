import type { IncomingMessage, ServerResponse } from 'node:http';
import { DeviceError } from '../device-sdk/index.ts';
import { createManagementClient, type ManagementAccess, ManagementError } from '../support/management-client.ts';
import { systemTimers, type Timers } from '../support/timers.ts';
import { readNewDevice } from './behaviour.ts';
import { createDevicePool, type SimulatedDevice } from './devices.ts';
import { type Answer, invalid, Refusal, readJson, send, sendRefusal } from './http.ts';

/** Of an operation, what choosing a device needs. */
export interface SimulatedOperation {
  id: string;
  userId: string;
  state: string;
  /** Methods that may answer. */
  methods: readonly string[];
  applicationId?: string;
  deviceId?: string;
}

export interface SimulatorOptions {
  /** Base of the device API: `http://localhost:3002`. */
  authenticator: string;
  /** Of the development configuration; makes tickets. */
  management: ManagementAccess;
  /** From the composition root (ruling 18). Undefined, or rejects, where there is none. */
  operationOf(authReqId: string): Promise<SimulatedOperation | undefined>;
  /** From the composition root: the number that a person would read on the consumption device. */
  matchCodeOf(operationId: string): Promise<string | undefined>;
  /** Simulated devices belong to this application; it must allow several devices of a user. */
  applicationId?: string;
  timers?: Timers;
  /** Told when a device that answers by itself could not. */
  onTrouble?(deviceId: string, error: unknown): void;
}

export interface Simulator {
  readonly paths: readonly string[];
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>;
  stop(): void;
}

/**
 * `/simulator`: devices without a person, for development. Everything that they do goes over HTTP, as a phone's would;
 * only what a person reads from another screen comes from the composition root.
 */
export function createSimulator(options: SimulatorOptions): Simulator {
  const { operationOf, matchCodeOf, applicationId = 'assent-simulator', timers = systemTimers } = options;
  const management = createManagementClient(options.management);
  const onTrouble = options.onTrouble ?? (() => {});
  const pool = createDevicePool({
    authenticator: options.authenticator,
    applicationId,
    management,
    matchCodeOf,
    timers,
    onTrouble,
  });

  async function decide(query: URLSearchParams): Promise<Answer> {
    const { authReqId, action } = readDecide(query);
    const operation = await operationOf(authReqId);
    if (!operation) throw new Refusal(404, 'operation_not_found', 'No such operation.');
    await pool.inTurn(operation.userId, async () => {
      // its own refusal must not leave a new device behind
      if (operation.state !== 'pending') throw refusedIn(operation.state);
      await pool.answer(await deviceFor(operation), operation.id, action);
    });
    return { status: 204 };
  }

  async function deviceFor(operation: SimulatedOperation): Promise<SimulatedDevice> {
    const fits = pool.of(operation.userId).find((simulated) => isFor(simulated, operation));
    if (fits) return fits;
    if (operation.deviceId !== undefined || (operation.applicationId ?? applicationId) !== applicationId) {
      throw new Refusal(409, 'no_usable_device', 'Only a device that is not simulated may answer this operation.');
    }
    // Ruling 17
    const behaviour = { decide: 'ignore', after_ms: 0 } as const;
    return pool.enroll({ userId: operation.userId, methods: ['device', 'pin'], behaviour });
  }

  function isFor({ device, methods }: SimulatedDevice, operation: SimulatedOperation): boolean {
    const isNamed = operation.deviceId === undefined || operation.deviceId === device.deviceId;
    const isItsApplication = (operation.applicationId ?? applicationId) === applicationId;
    return isNamed && isItsApplication && methods.some((method) => operation.methods.includes(method));
  }

  async function addDevice(req: IncomingMessage): Promise<Answer> {
    const { user: named, methods, behaviour, pin: chosen } = readNewDevice(await readJson(req));
    const user = await management.findUser(named);
    if (!user) throw new Refusal(404, 'user_not_found', 'No such user.');
    const wanted = { userId: user.id, methods, behaviour, pin: chosen };
    const { device, pin } = await pool.inTurn(user.id, () => pool.enroll(wanted));
    const body = { device_id: device.deviceId, user_id: user.id, application: applicationId, methods, pin, behaviour };
    return { status: 201, body };
  }

  async function answer(req: IncomingMessage): Promise<Answer> {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://simulator');
    const isDecide = pathname === '/simulator/decide';
    if (!isDecide && pathname !== '/simulator/devices') throw new Refusal(404, 'not_found', 'There is nothing here.');
    if (req.method !== 'POST') {
      throw new Refusal(405, 'method_not_allowed', 'Use POST.', { headers: { allow: 'POST' } });
    }
    return isDecide ? decide(searchParams) : addDevice(req);
  }

  return {
    paths: ['/simulator'],
    async handle(req, res) {
      try {
        send(res, await answer(req));
      } catch (error) {
        sendRefusal(res, refusalOf(error));
      }
    },
    stop: () => pool.stop(),
  };
}

function readDecide(query: URLSearchParams): { authReqId: string; action: 'allow' | 'deny' } {
  const [authReqId, ...otherIds] = query.getAll('auth_req_id');
  const [action, ...otherActions] = query.getAll('action');
  const problems = [
    ...(authReqId && otherIds.length === 0 ? [] : [{ name: 'auth_req_id', reason: 'is required, once' }]),
    ...((action === 'allow' || action === 'deny') && otherActions.length === 0
      ? []
      : [{ name: 'action', reason: 'must be allow or deny' }]),
  ];
  if (problems.length > 0) throw invalid(...problems);
  return { authReqId: authReqId as string, action: action as 'allow' | 'deny' };
}

const closed: Record<string, [code: string, text: string]> = {
  approved: ['operation_decided', 'The operation was answered before.'],
  denied: ['operation_decided', 'The operation was answered before.'],
  expired: ['operation_expired', 'The operation has expired.'],
  cancelled: ['operation_cancelled', 'The operation was cancelled.'],
  failed: ['operation_failed', 'The operation has failed.'],
};

function refusedIn(state: string): Refusal {
  const [code, text] = closed[state] ?? ['state_conflict', 'This is not possible in the current state.'];
  return new Refusal(409, code, text);
}

/** What the device API or the management API refused is this call's refusal, under the same code; all else is a fault. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof DeviceError) return refusalOfDevice(error);
  if (error instanceof ManagementError && error.status < 500) return new Refusal(409, error.code, error.message);
  throw error;
}

function refusalOfDevice({ code, message }: DeviceError): Refusal {
  if (code.startsWith('pin_')) return invalid({ name: 'behaviour.pin', reason: message });
  if (code === 'network' || code === 'unavailable') {
    return new Refusal(503, 'unavailable', message, { headers: { 'retry-after': '2' } });
  }
  return new Refusal(409, code, message);
}
