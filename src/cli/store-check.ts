/** `assent store check`: what each kind of store says of itself. */
import { inspectStore } from '../../adapters/embedded/inspect.ts';

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
  const { exists, ours, owner, schemaVersion = 0, knownVersion, integrity, settings = {} } = store;
  if (!exists) return [{ what: 'file', ok: true, found: 'not made yet; the first start makes it' }];
  if (!ours) return [{ what: 'file', ok: false, found: 'a database of another program' }];
  return [
    { what: 'file', ok: true, found: `${store.bytes} bytes` },
    { what: 'in use by', ok: true, found: owner ?? 'nobody' },
    { what: 'schema version', ok: schemaVersion <= knownVersion, found: versionText(schemaVersion, knownVersion) },
    { what: 'integrity', ok: integrity === 'ok', found: String(integrity) },
    ...Object.entries(settings).map(([what, found]) => ({ what, ok: isDurable(what, found), found: String(found) })),
  ];
}

function versionText(version: number, known: number): string {
  if (version > known) return `${version}, newer than this program, which knows up to ${known}`;
  return version < known ? `${version}; the next start brings it to ${known}` : String(version);
}

// what a restart or a power cut must not undo rests on these two
const durable: Record<string, unknown> = { journal_mode: 'wal', synchronous: 2 };
const isDurable = (name: string, value: unknown) => !(name in durable) || durable[name] === value;

// Redis may be starting; a person waits for longer than this only without being told.
const openWithinMs = 5_000;

export async function checkRedis(url: string): Promise<Finding[]> {
  const { openRedisStore } = await import('../../adapters/redis/index.ts');
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
    const store = await openRedisStore({ url, log: { info() {}, warn }, openWithinMs });
    await store.check().finally(() => store.close());
    findings.unshift(
      { what: 'reachable', ok: true, found: 'every master answers and takes writes' },
      { what: 'schema version', ok: true, found: 'the one of this program' },
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
