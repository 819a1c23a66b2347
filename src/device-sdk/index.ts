export type { ChallengeView, DocumentView, Match, PostContext } from './challenge.ts';
export { type Answer, type DecideResult, type Device, type DeviceOptions, openDevice } from './device.ts';
export {
  abandonEnrollment,
  beginEnrollment,
  type DeviceInfo,
  type Enrollment,
  type EnrollmentProgress,
  type EnrollmentSource,
  type FinishChoice,
  parseTicket,
  resumeEnrollment,
  type Waiting,
} from './enrollment.ts';
export { codeOf, DeviceError, type DeviceErrorOptions, type LocalErrorCode, localErrors } from './errors.ts';
export type { InboxEvent } from './events.ts';
export { type IndexedDbOptions, indexedDbStorage } from './indexed-db.ts';
export { type KeyHealth, keyHealth } from './key-health.ts';
export { checkNewPin } from './pin-policy.ts';
export {
  type DeviceStorage,
  type DeviceTrace,
  memoryStorage,
  type Slot,
  type StoredDevice,
  type StoredEnrollment,
  type StoredNotices,
  type StoredRecords,
} from './storage.ts';
export type { EnrollmentTicket } from './upkeep.ts';
export type { InboxAnswer, MatchMode, Method, Notice, StatusAnswer } from './wire.ts';
