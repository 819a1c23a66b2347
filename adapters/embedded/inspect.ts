import { existsSync, statSync } from 'node:fs';
import type { SchemaMarker } from '../../src/support/schema-marker.ts';
import { openDb } from './db.ts';
import { ownerOf } from './owner.ts';
import { isOurs, markerOf, schema } from './schema.ts';
import { applySettings, readSetting, settingsOf } from './settings.ts';

/** What `assent store check` reports. Nothing is changed by looking, and a running server is not disturbed. */
export interface Inspection {
  file: string;
  /** False, also for an empty file: it is made at the first start, and nothing else is known. */
  exists: boolean;
  bytes?: number;
  /** The process that has it open, if one has. */
  owner?: string;
  /** Whether it is a store of this program at all. */
  ours?: boolean;
  marker?: SchemaMarker;
  /** What this program would make of it. */
  own: SchemaMarker;
  /** `ok`, or what is damaged. */
  integrity?: string;
  /** As SQLite says them back, to the server's connections. Without those of the writer while a server writes. */
  settings?: Record<string, unknown>;
}

/** @throws StoreUnavailable the file cannot be read; StoreRefused SQLite does not take a setting */
export function inspectStore(file: string): Inspection {
  const base = { file, own: schema };
  if (!existsSync(file) || statSync(file).size === 0) return { ...base, exists: false };
  const owner = ownerOf(file);
  const db = openDb(file, { readOnly: true });
  try {
    const found = { ...base, exists: true, bytes: statSync(file).size, ...(owner !== undefined && { owner }) };
    if (!isOurs(db)) return { ...found, ours: false };
    applySettings(db, 'reader');
    return {
      ...found,
      ours: true,
      marker: markerOf(db),
      integrity: String(readSetting(db, 'integrity_check')),
      settings: { journal_mode: readSetting(db, 'journal_mode'), ...(owner === undefined && writerSettings(file)) },
    };
  } finally {
    db.close();
  }
}

/** Durability is a property of the connection that writes: one is opened as the server would, and asked. */
function writerSettings(file: string): Record<string, unknown> {
  const db = openDb(file, { readOnly: false });
  try {
    applySettings(db, 'writer');
    return Object.fromEntries(settingsOf.writer.map(([name]) => [name, readSetting(db, name)]));
  } finally {
    db.close();
  }
}
