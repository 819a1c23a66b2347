// Each reason is declared once: whether the same call can succeed later (N-07: the outbox retries only then).
const reasons = {
  /** Not a URL that we call at all: scheme, userinfo, fragment, spelling. */
  url: { retry: false },
  /** Not something that HTTP can carry: a method or a header with characters that it does not allow. */
  request: { retry: false },
  /** Not one of the hosts, or ports, that the configuration names. */
  refused_host: { retry: false },
  refused_port: { retry: false },
  /** Every address of the name is one that nobody outside may send us to. */
  refused_address: { retry: false },
  resolve: { retry: true },
  connect: { retry: true },
  tls: { retry: true },
  timeout: { retry: true },
  /** It answered, but not in HTTP, or not to the end. */
  answer: { retry: true },
  too_large: { retry: false },
  redirect: { retry: false },
  aborted: { retry: false },
} as const;

export type OutboundReason = keyof typeof reasons;

/** One sentence for all: whoever registers an address must not learn from us which ports are open, closed or filtered (TH-17). */
export const OUTBOUND_MESSAGE = 'The address could not be called.';

/** A call that brought no usable answer. `message` may be shown to whoever named the address; `reason` and `cause` are for logs and the outbox. */
export class OutboundError extends Error {
  override readonly name = 'OutboundError';
  readonly reason: OutboundReason;

  constructor(reason: OutboundReason, options?: { cause?: unknown }) {
    super(OUTBOUND_MESSAGE, options);
    this.reason = reason;
  }

  /** True where the same call can succeed later. */
  get mayRetry(): boolean {
    return reasons[this.reason].retry;
  }
}
