/** How a person proves presence on a device. `custom:<name>` is served by a verifier plug-in. */
export type Method = 'device' | 'pin' | 'biometric' | 'face' | `custom:${string}` | 'sms' | 'otp';

/** What happens when a user enrolls a second device of the same application. */
export type EnrollmentMode = 'single' | 'override' | 'multiple';

/** A mobile or web authenticator app. Comes from the configuration. */
export interface Application {
  id: string;
  name: string;
  /** An inactive application can neither enroll nor decide; its devices keep their state. */
  active: boolean;
  /** Methods that its devices may activate. */
  methods: Method[];
  enrollmentMode: EnrollmentMode;
  pin: {
    /** Least number of digits. */
    length: number;
    /** Wrong PINs in a row after which the device is locked; the last one is still evaluated. */
    maxFailures: number;
    /** Wrong PINs in the life of one PIN key (NIST 800-63B-4, 3.2.2: at most 100). */
    lifetimeFailures: number;
  };
}
