import { claimSuite } from './claims.ts';
import { clientStoreSuite } from './clients.ts';
import { deviceEndsSuite } from './device-ends.ts';
import { deviceUpkeepSuite } from './device-upkeep.ts';
import { deviceStoreSuite } from './devices.ts';
import type { OpenStore, SuiteOptions } from './harness.ts';
import { noticeSuite } from './notices.ts';
import { notificationLogSuite } from './notification-log.ts';
import { notificationSuite } from './notifications.ts';
import { operationStoreSuite } from './operations.ts';
import { outboxSuite } from './outbox.ts';
import { recordStoreSuite } from './records.ts';
import { redemptionSuite } from './redemption.ts';
import { startLimitSuite } from './start-limits.ts';
import { triesSuite } from './tries.ts';
import { userStoreSuite } from './users.ts';

export type { ConformingStore, Opened, OpenStore, SuiteOptions } from './harness.ts';

/** Everything that a store promises, for a factory of an empty one. A store's own test is this call plus what only it has. */
export function storeConformance(name: string, open: OpenStore, options: SuiteOptions = {}): void {
  for (const suite of [
    userStoreSuite,
    deviceStoreSuite,
    deviceEndsSuite,
    triesSuite,
    deviceUpkeepSuite,
    operationStoreSuite,
    startLimitSuite,
    claimSuite,
    redemptionSuite,
    notificationSuite,
    outboxSuite,
    recordStoreSuite,
    clientStoreSuite,
    notificationLogSuite,
    noticeSuite,
  ])
    suite(name, open, options);
}
