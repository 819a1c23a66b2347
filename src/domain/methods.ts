/** Which methods may answer an operation (device-protocol, section 4, "Method rules"). */
import type { Application, Method } from './application.ts';
import type { Applications } from './applications.ts';
import type { Device } from './device.ts';
import { DomainError } from './errors.ts';

export interface Asked {
  /** Only devices of this application. */
  applicationId?: string;
  /** Only this device. */
  deviceId?: string;
  /** Named by the request. */
  method?: Method;
  /** Possession alone is enough where nothing is named. */
  possessionOnly?: boolean;
}

export interface UsableDevice {
  device: Device;
  application: Application;
  methods: Method[];
}

/** The devices that can answer now: active, of an active application, and of the one that was asked for. */
export function usableDevices(
  devices: Device[],
  applications: Applications,
  { applicationId, deviceId }: Asked,
): UsableDevice[] {
  return devices.flatMap((device) => {
    const application = applications.find(device.applicationId);
    const isAsked =
      (applicationId ?? device.applicationId) === device.applicationId && (deviceId ?? device.id) === device.id;
    if (!isAsked || device.state !== 'active' || !application?.active) return [];
    return [{ device, application, methods: activatedMethods(device, application) }];
  });
}

/** What the device activated and its application still allows. A PIN whose key was erased (too many failures) is not there. */
export function activatedMethods(device: Device, application: Application): Method[] {
  return device.methods.filter(
    (method) => application.methods.includes(method) && (method !== 'pin' || device.keys.pin !== undefined),
  );
}

/**
 * Methods that may answer, preferred first. A named method must be activated on a usable device; where it proves
 * presence by anything but a PIN, the PIN works in its place. Nothing named: biometric, else PIN, and `device` last,
 * only where possession alone is enough. Naming `device` says that it is.
 *
 * @throws DomainError no_usable_device | method_not_available
 */
export function chooseMethods(usable: UsableDevice[], { method, possessionOnly = false }: Asked): Method[] {
  if (usable.length === 0) throw new DomainError('no_usable_device');
  const activated = new Set(usable.flatMap(({ methods }) => methods));
  if (method !== undefined) {
    if (!activated.has(method)) throw new DomainError('method_not_available', { detail: method });
    return isReplaceable(method) && activated.has('pin') ? [method, 'pin'] : [method];
  }
  const order: Method[] = possessionOnly ? ['biometric', 'pin', 'device'] : ['biometric', 'pin'];
  const methods = order.filter((each) => activated.has(each));
  if (methods.length === 0) throw new DomainError('no_usable_device');
  return methods;
}

const isReplaceable = (method: Method) => method === 'biometric' || method.startsWith('custom:');
