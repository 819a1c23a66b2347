/** The demo server's own small API, as both pages use it. */
export interface DeskRequest {
  id: string;
  state: 'waiting' | 'verified' | 'cancelled' | 'refused' | 'expired' | 'broken';
  user: string;
  text: string;
  startedAt: number;
  expiresAt: number;
  matchCode?: string;
  claims?: Record<string, unknown>;
  userinfo?: Record<string, unknown>;
  tokens?: { id_token?: string; access_token: string };
  error?: { code: string; description?: string };
}

export class StartError extends Error {
  readonly code: string;
  /** `often`: `10 s`, `12 min` */
  readonly retryAfter: string;
  constructor(code: string, message: string, retryAfter = '') {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

export async function startRequest(page: 'helpdesk' | 'tv', user: string, text: string): Promise<DeskRequest> {
  const response = await reach(`/demo/${page}/requests`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user, text }),
  });
  const body = await response.json();
  if (response.ok) return body;
  const seconds = Number(response.headers.get('retry-after'));
  const retryAfter = seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
  throw new StartError(body.code ?? 'other', body.detail ?? response.statusText, retryAfter);
}

/** Takes it back from the device. What becomes of it is told by the events of the request. */
export async function cancelRequest(page: 'helpdesk' | 'tv', id: string): Promise<void> {
  await reach(`/demo/${page}/requests/${id}`, { method: 'DELETE' });
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, init);
  } catch (error) {
    throw new StartError('offline', (error as Error).message);
  }
}

/** Calls `onChange` with every state until the request is over. */
export function watchRequest(
  page: 'helpdesk' | 'tv',
  id: string,
  onChange: (request: DeskRequest) => void,
): () => void {
  const source = new EventSource(`/demo/${page}/requests/${id}/events`);
  source.onmessage = (event) => {
    const request = JSON.parse(event.data) as DeskRequest;
    if (request.state !== 'waiting') source.close();
    onChange(request);
  };
  return () => source.close();
}

/** `4:05`, never below zero. */
export function timeLeft(until: number, now = Date.now()): string {
  const seconds = Math.max(0, Math.ceil((until - now) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
