/** Calls of the management API, for the pieces of this repository that reach it over HTTP like everybody else. */

export interface ManagementAccess {
  /** Of the management listener, without path. */
  url: string;
  key: string;
}

/** The API refused. `code` and `message` are those of its problem document. */
export class ManagementError extends Error {
  readonly code: string;
  readonly status: number;
  readonly traceId: string | undefined;
  /** `code_wrong`: how often the digits may still be typed. */
  readonly attemptsLeft: number | undefined;

  constructor(status: number, problem: Record<string, unknown>) {
    const { code, detail, title, trace_id: traceId, attempts_left: left } = problem;
    super(String(detail ?? title ?? `the management API answered ${status}`));
    this.name = 'ManagementError';
    this.status = status;
    this.code = typeof code === 'string' ? code : 'unexpected_answer';
    this.traceId = typeof traceId === 'string' ? traceId : undefined;
    this.attemptsLeft = typeof left === 'number' ? left : undefined;
  }
}

export interface ManagementUser {
  id: string;
  state: 'active' | 'locked' | 'deactivated';
  username: string | null;
  external_ref: string | null;
  email: string | null;
  phone: string | null;
  name: string | null;
  language: string | null;
  attributes: Record<string, string | number | boolean>;
  created_at: string;
  updated_at: string;
}

export interface ManagementDevice {
  id: string;
  user_id: string;
  application: string;
  state: string;
  lock_reason: string | null;
  methods: string[];
  name: string | null;
  model: string | null;
  os: string | null;
  created_at: string;
  activated_at: string | null;
  last_used_at: string | null;
  attestation: { kind: string; verdict: string; level: string | null } | null;
}

export interface ManagementTicket {
  operation_id: string;
  ticket_uri: string;
  activation_code: string;
  expires_at: string;
  /** `code`: the new device will show six digits. */
  confirm: 'off' | 'code';
}

/** What became of one. */
export interface ManagementTicketStatus {
  operation_id: string;
  state: string;
  device_id: string | null;
  confirmed_at: string | null;
}

export interface ManagementClient {
  /**
   * @param body present: POST, unless `method` says otherwise
   * @throws ManagementError; TypeError where nobody answers
   */
  call<T>(path: string, options?: { method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'; body?: object }): Promise<T>;
  /** All pages of a list. */
  list<T>(path: string): Promise<T[]>;
  /** By id, user name, e-mail, phone or external reference, in this order. */
  findUser(named: string): Promise<ManagementUser | undefined>;
}

// 10 s: the API answers within 5 s or with 503, and a command that hangs is worse than one that says so.
const deadlineMs = 10_000;
const userId = /^[0-9a-f]{2}[A-Za-z0-9_-]{22}$/;
const pageSize = 200;

export function createManagementClient(access: ManagementAccess): ManagementClient {
  async function call<T>(path: string, { method, body }: { method?: string; body?: object } = {}): Promise<T> {
    const response = await fetch(new URL(`/management/v1${path}`, access.url), {
      method: method ?? (body ? 'POST' : 'GET'),
      headers: { authorization: `Bearer ${access.key}`, ...(body && { 'content-type': 'application/json' }) },
      body: body ? JSON.stringify(body) : null,
      redirect: 'error',
      signal: AbortSignal.timeout(deadlineMs),
    });
    const answer: unknown = await response.json().catch(() => ({}));
    if (!response.ok) throw new ManagementError(response.status, (answer ?? {}) as Record<string, unknown>);
    return answer as T;
  }

  async function getUser(id: string): Promise<ManagementUser | undefined> {
    return call<ManagementUser>(`/users/${id}`).catch((error: unknown) => {
      if (error instanceof ManagementError && error.status === 404) return undefined;
      throw error;
    });
  }

  return {
    call,

    async list<T>(path: string) {
      const items: T[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const query = `limit=${pageSize}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
        const page: { items: T[]; next_cursor: string | null } = await call(`${path}?${query}`);
        items.push(...page.items);
        cursor = page.next_cursor;
      }
      return items;
    },

    async findUser(named) {
      const byId = userId.test(named) ? await getUser(named) : undefined;
      if (byId) return byId;
      for (const kind of kindsOf(named)) {
        const { items } = await call<{ items: ManagementUser[] }>(`/users?${kind}=${encodeURIComponent(named)}`);
        if (items[0]) return items[0];
      }
      return undefined;
    },
  };
}

function kindsOf(named: string): string[] {
  const kind = named.includes('@') ? 'email' : named.startsWith('+') ? 'phone' : 'username';
  return [kind, 'external_ref'];
}
