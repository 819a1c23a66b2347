/** `assent store check`: what each kind of store says of itself. */
import { inspectStore } from '../../adapters/embedded/inspect.ts';
import { markerText, refusalOf, type SchemaMarker } from '../support/schema-marker.ts';

export interface Finding {
  what: string;
  ok: boolean;
  found: string;
}

export async function checkEmbedded(file: string): Promise<Finding[]> {
  try {
    return embeddedFindings(inspectStore(file));
  } catch (error) {
    return [{ what: 'file', ok: false, found: messageOf(error) }];
  }
}

function embeddedFindings(store: ReturnType<typeof inspectStore>): Finding[] {
  const { exists, ours, owner, marker, own, integrity, settings = {} } = store;
  if (!exists) return [{ what: 'file', ok: true, found: 'not made yet; the first start makes it' }];
  if (!ours || !marker) return [{ what: 'file', ok: false, found: 'a database of another program' }];
  return [
    { what: 'file', ok: true, found: `${store.bytes} bytes` },
    { what: 'in use by', ok: true, found: owner ?? 'nobody' },
    schemaFinding(marker, own),
    { what: 'integrity', ok: integrity === 'ok', found: String(integrity) },
    ...Object.entries(settings).map(([what, found]) => ({ what, ok: isDurable(what, found), found: String(found) })),
  ];
}

function schemaFinding(marker: SchemaMarker, own: SchemaMarker): Finding {
  const refusal = refusalOf(marker, own.version);
  return { what: 'schema version', ok: refusal === undefined, found: refusal ?? schemaText(marker, own) };
}

function schemaText(marker: SchemaMarker, own: SchemaMarker): string {
  const text = markerText(marker);
  if (marker.version < own.version) return `${text}; the next start makes it ${markerText(own)}`;
  return marker.version > own.version ? `${text}; this program is of ${own.version}` : text;
}

// what a restart or a power cut must not undo rests on these two
const durable: Record<string, unknown> = { journal_mode: 'wal', synchronous: 2 };
const isDurable = (name: string, value: unknown) => !(name in durable) || durable[name] === value;

// Redis may be starting; a person waits for longer than this only without being told.
const openWithinMs = 2_000;

export async function checkRedis(url: string): Promise<Finding[]> {
  const { inspectStore } = await import('../../adapters/redis/check.ts');
  const findings: Finding[] = [];
  const warn = (event: string, { because, ...said }: Record<string, unknown> = {}) => {
    const reason = because === undefined ? '' : `: ${because}`;
    const found = Object.entries(said).map(([name, value]) => `${name} ${value}`);
    findings.push({
      what: event.replace('store.', ''),
      ok: event === 'store.redis_may_lose_seconds',
      found: found.join(', ') + reason,
    });
  };
  try {
    const { marker, own } = await inspectStore(url, { info() {}, warn }, openWithinMs);
    findings.unshift(
      { what: 'reachable', ok: true, found: 'every master answers and takes writes' },
      marker
        ? schemaFinding(marker, own)
        : { what: 'schema version', ok: true, found: `none yet; the first start makes it ${markerText(own)}` },
    );
  } catch (error) {
    findings.push({ what: 'store', ok: false, found: messageOf(error) });
  }
  return findings;
}

function messageOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
