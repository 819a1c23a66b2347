/**
 * Tries under way: reserved, without an outcome yet, and no longer ago than a lease. They lie among the replay records,
 * which go by their end, one for each thing that the try counts on.
 */
import type { Device } from '../../src/domain/device.ts';
import type { Operation } from '../../src/domain/operation.ts';
import type { Tally } from '../../src/domain/ports/operations.ts';
import type { Tx } from './transaction.ts';

/** What a try counts on. */
export type On = `try-o:${string}` | `try-p:${string}` | `try-n:${string}`;

export const onOperation = (id: string): On => `try-o:${id}`;
export const onPin = (deviceId: string): On => `try-p:${deviceId}`;
export const onNumber = (deviceId: string): On => `try-n:${deviceId}`;

export function beginTry({ db }: Tx, on: On[], message: string, until: number): void {
  const sql = 'INSERT OR REPLACE INTO replays (scope, id, until) VALUES (?, ?, ?)';
  for (const one of on) db.run(sql, one, message, until);
}

/** Whether it was there, be it past its lease. */
export function endTry({ db }: Tx, on: On[], message: string): boolean {
  const ended = on.map((one) => db.run('DELETE FROM replays WHERE scope = ? AND id = ?', one, message));
  return ended.some((rows) => rows > 0);
}

/** For other messages than this one. */
export function othersUnderWay({ db }: Tx, on: On, message: string, now: number): number {
  const sql = 'SELECT count(*) AS others FROM replays WHERE scope = ? AND id <> ? AND until > ?';
  return db.get<{ others: number }>(sql, on, message, now)?.others ?? 0;
}

export function tallyOf(tx: Tx, { id, tries }: Operation, device: Device, message: string, now: number): Tally {
  const others = (on: On) => othersUnderWay(tx, on, message, now);
  const underWay = {
    operation: others(onOperation(id)),
    pin: others(onPin(device.id)),
    number: others(onNumber(device.id)),
  };
  return { used: tries.used, max: tries.max, failures: device.failures, underWay };
}

/**
 * What was right clears what was counted, but for tries that are under way: those count until they have ended. The lifetime
 * of a PIN key counts wrong PINs only, so the try that was right is taken back.
 */
export function cleared(
  tx: Tx,
  { id, failures }: Device,
  clear: readonly ('pin' | 'number')[],
  message: string,
  now: number,
): Device['failures'] {
  const others = (on: On) => othersUnderWay(tx, on, message, now);
  const { pin, number, pinLifetime } = failures;
  return {
    pin: clear.includes('pin') ? others(onPin(id)) : pin,
    number: clear.includes('number') ? others(onNumber(id)) : number,
    pinLifetime: clear.includes('pin') ? Math.max(0, pinLifetime - 1) : pinLifetime,
  };
}
