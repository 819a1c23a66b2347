/** How a person proves presence on a device. `custom:<name>` is served by a verifier plug-in. */
export type Method = 'device' | 'pin' | 'biometric' | 'face' | `custom:${string}` | 'sms' | 'otp';

/** What happens when a user enrolls a second device of the same application. */
export type EnrollmentMode = 'single' | 'override' | 'multiple';

/** What a new device must bring beside its ticket and its keys (device-protocol, section 3.4). */
export interface EnrollmentPolicy {
  /** `code`: six digits that the device shows are typed where the ticket was shown, or on the approving device. */
  confirm: 'off' | 'code';
  /**
   * A device that the user has says yes, with its PIN. `if_any`: where there is one that can; `required`: without one,
   * nothing is enrolled, so the user's first device must be of another application.
   */
  approveByExistingDevice: 'off' | 'if_any' | 'required';
  /** What a platform says of the device's key. `record`: kept, whatever it is; `require`: only a trusted one enrolls. */
  attestation: 'off' | 'record' | 'require';
}

/** A mobile or web authenticator app. Comes from the configuration. */
export interface Application {
  id: string;
  name: string;
  /** An inactive application can neither enroll nor decide; its devices keep their state. */
  active: boolean;
  /** Methods that its devices may activate. */
  methods: Method[];
  enrollmentMode: EnrollmentMode;
  /** Absent: nothing more. */
  enrollment?: EnrollmentPolicy;
  pin: {
    /** Least number of digits. */
    length: number;
    /** Wrong PINs in a row after which the device is locked; the last one is still evaluated. */
    maxFailures: number;
    /** Wrong PINs in the life of one PIN key (NIST 800-63B-4, 3.2.2: at most 100). */
    lifetimeFailures: number;
    /** What stays of a right PIN's proof: nothing, or a sealed copy for a dispute (pin-proofs.ts). Absent: nothing. */
    proofRetention?: 'none' | 'sealed';
  };
}
