import type { Application, Method } from '../../src/domain/application.ts';
import { createApplications } from '../../src/domain/applications.ts';
import type { Device } from '../../src/domain/device.ts';
import { type Asked, chooseMethods, usableDevices } from '../../src/domain/methods.ts';
import { aDevice, aUser } from '../support/records.ts';

const user = aUser();

const application = (overrides: Partial<Application> = {}): Application => ({
  id: 'assent-web',
  name: 'Web authenticator',
  active: true,
  methods: ['device', 'pin', 'biometric', 'face'],
  enrollmentMode: 'multiple',
  pin: { length: 6, maxFailures: 3, lifetimeFailures: 100 },
  ...overrides,
});

const device = (methods: Method[], overrides: Partial<Device> = {}): Device => {
  const plain = aDevice(user, { state: 'active', methods });
  const keys = methods.includes('pin') ? { ...plain.keys, pin: 'sealed' } : plain.keys;
  return { ...plain, keys, ...overrides };
};

const methodsFor = (devices: Device[], asked: Asked = {}, applications = [application()]) =>
  chooseMethods(usableDevices(devices, createApplications(applications), asked), asked);

const refusal = (devices: Device[], asked: Asked = {}, applications = [application()]) => {
  try {
    return methodsFor(devices, asked, applications);
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('which devices can answer', () => {
  test('F041 a device is not listed as able until it is active', () => {
    for (const state of ['pending', 'locked', 'deactivated'] as const) {
      expect(refusal([device(['device', 'pin'], { state })])).toBe('no_usable_device');
    }
    expect(methodsFor([device(['device', 'pin'])])).toEqual(['pin']);
  });

  test('a device of an application that is switched off, or that is not known any more, cannot answer', () => {
    const phone = device(['device', 'pin']);
    expect(refusal([phone], {}, [application({ active: false })])).toBe('no_usable_device');
    expect(refusal([phone], {}, [application({ id: 'another' })])).toBe('no_usable_device');
  });

  test('a request for one application or one device leaves the others out', () => {
    const phone = device(['device', 'pin']);
    const tablet = device(['device', 'pin'], { applicationId: 'tablet' });
    const both = [application(), application({ id: 'tablet' })];
    const usable = (asked: Asked) =>
      usableDevices([phone, tablet], createApplications(both), asked).map((each) => each.device.id);
    expect(usable({})).toEqual([phone.id, tablet.id]);
    expect(usable({ applicationId: 'tablet' })).toEqual([tablet.id]);
    expect(usable({ deviceId: phone.id })).toEqual([phone.id]);
    expect(usable({ deviceId: phone.id, applicationId: 'tablet' })).toEqual([]);
  });
});

describe('which methods may answer', () => {
  test('no method named: biometric where a device has it, and PIN in its place', () => {
    expect(methodsFor([device(['device', 'pin', 'biometric'])])).toEqual(['biometric', 'pin']);
    expect(methodsFor([device(['device', 'biometric'])])).toEqual(['biometric']);
  });

  test('no method named, no biometric: PIN', () => {
    expect(methodsFor([device(['device', 'pin'])])).toEqual(['pin']);
  });

  test('possession alone answers only where it suffices', () => {
    const bare = [device(['device'])];
    expect(refusal(bare)).toBe('no_usable_device');
    expect(methodsFor(bare, { possessionOnly: true })).toEqual(['device']);
    expect(methodsFor([device(['device', 'pin'])], { possessionOnly: true })).toEqual(['pin', 'device']);
  });

  test('naming `device` says that possession suffices', () => {
    expect(methodsFor([device(['device', 'pin'])], { method: 'device' })).toEqual(['device']);
  });

  test('F054 a named method that no usable device has activated is refused at the start', () => {
    expect(refusal([device(['device'])], { method: 'pin' })).toBe('method_not_available');
    expect(refusal([device(['device', 'pin'])], { method: 'biometric' })).toBe('method_not_available');
    expect(refusal([device(['device', 'pin'])], { method: 'sms' })).toBe('method_not_available');
    expect(refusal([], { method: 'pin' })).toBe('no_usable_device');
    const locked = device(['device', 'pin'], { state: 'locked' });
    expect(refusal([device(['device']), locked], { method: 'pin' })).toBe('method_not_available');
  });

  test('a named PIN is answered by PIN and nothing else', () => {
    expect(methodsFor([device(['device', 'pin', 'biometric'])], { method: 'pin' })).toEqual(['pin']);
  });

  test('a PIN works in place of biometric and custom methods', () => {
    expect(methodsFor([device(['device', 'pin', 'biometric'])], { method: 'biometric' })).toEqual(['biometric', 'pin']);
    const custom = application({ methods: ['device', 'pin', 'custom:voice'] });
    const phone = device(['device', 'pin', 'custom:voice']);
    expect(methodsFor([phone], { method: 'custom:voice' }, [custom])).toEqual(['custom:voice', 'pin']);
  });

  test('face is never chosen by default, and no PIN stands in for it', () => {
    expect(methodsFor([device(['device', 'pin', 'face'])])).toEqual(['pin']);
    expect(methodsFor([device(['device', 'pin', 'face'])], { method: 'face' })).toEqual(['face']);
  });

  test('a method that the application does not allow any longer is not there', () => {
    expect(refusal([device(['device', 'pin'])], { method: 'pin' }, [application({ methods: ['device'] })])).toBe(
      'method_not_available',
    );
  });

  test('a PIN whose key was erased after too many failures does not come back with an unlock', () => {
    const phone = device(['device', 'pin']);
    const { pin: _erased, ...keys } = phone.keys;
    expect(refusal([{ ...phone, keys }], { method: 'pin' })).toBe('method_not_available');
  });
});
