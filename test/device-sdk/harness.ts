/**
 * A device server of two screens: the functions of domain/device-messages, maps for a store, and a `fetch` in front that
 * keeps what a proxy which ends TLS would see. No rules of the domain beyond what the messages need.
 */
import '../support/pin-derivations.ts';
import { randomBytes } from 'node:crypto';
import {
  type Act,
  acts,
  buildChallenge,
  buildContext,
  challengeHash,
  checkFits,
  confirmValue,
  contextHash,
  elementsOf,
  evaluateApproval,
  evaluateProofs,
  issueSession,
  type NewPinKey,
  type OpenedUp,
  openSession,
  openUp,
  readClaim,
  readDecision,
  readEnroll,
  readMethods,
  readRedeem,
  readRotate,
  readStatus,
  readTickets,
  type ServerKeyPair,
  sealChallenge,
  sealConfirm,
  sealContext,
  sealDocumentPart,
  sealDown,
  sealEvent,
  sealProblem,
  serverKeyPair,
  signedKeySets,
  textOf,
  type VerifiedRequest,
  verifyRedeem,
  verifyRequest,
} from '../../src/domain/device-messages/index.ts';
import type { Document } from '../../src/domain/document.ts';
import { DomainError } from '../../src/domain/errors.ts';
import { newId } from '../../src/support/ids.ts';
import { type EcPublicJwk, jwkThumbprint, newEcKey, privateJwkOf } from '../../src/support/jose/index.ts';
import { createSecrets } from '../../src/support/secrets.ts';
import { createClock } from '../support/clock.ts';

export const issuer = 'https://id.example.test';
export const base = 'https://authenticator.example.test';

type TestMethod = 'device' | 'pin';

interface TestDevice {
  id: string;
  state: 'pending' | 'active' | 'locked';
  sig: EcPublicJwk;
  enc?: EcPublicJwk;
  pin?: NewPinKey;
  /** keys that were rotated to and that wait */
  next?: { sig: EcPublicJwk; enc: EcPublicJwk };
  /** of every message that counted, in order */
  counters?: number[];
  failures: number;
}

export interface TestOperation {
  op: string;
  ctx: string;
  methods: TestMethod[];
  number?: string;
  options?: string[];
  /** what is served; a test may put another content in its place */
  document?: Document;
  createdAt: number;
  answerBy: number;
  state: 'pending' | 'approved' | 'denied';
  /** what the last decision was judged by */
  decision?: { jws: string; proved: readonly string[] };
}

/** One request and its answer, as seen on the wire. */
export interface Seen {
  path: string;
  status: number;
  up: string;
  down: string;
}

export interface TestServer {
  fetch: typeof fetch;
  clock: ReturnType<typeof createClock>;
  seen: Seen[];
  devices: Map<string, TestDevice>;
  operations: Map<string, TestOperation>;
  /** Which operation a code leads to. */
  offers: Map<string, string>;
  seal: ServerKeyPair[];
  box: ServerKeyPair[];
  /** of `GET keys`; a test may put a liar in its place */
  keySets(): { sets: string[] };
  newTicket(): { uri: string };
  start(
    shown?: Partial<Pick<TestOperation, 'methods' | 'number' | 'options' | 'document'>> & { bindingMessage?: string },
  ): string;
  rotate(use: 'seal' | 'box'): void;
  /** runs once, before the next answer leaves: to lose it, for example */
  onceBeforeAnswer: ((path: string) => void) | undefined;
  streams: { push(event: object): void; end(): void }[];
  /** told with the first event; undefined: a server that says nothing of it */
  streamSeconds: number | undefined;
}

const newServerKey = (): ServerKeyPair => {
  const privateKey = newEcKey();
  return serverKeyPair({ kid: randomBytes(8).toString('hex'), privateJwk: { ...privateJwkOf(privateKey) } });
};

export function createTestServer(): TestServer {
  const clock = createClock('2030-01-01T00:00:00Z');
  const secrets = createSecrets(Buffer.alloc(32, 7));
  const tickets = new Map<string, { thumbprint?: string; deviceId?: string }>();
  const outcomes = new Map<string, object>();
  let keysChangedAt = clock.now();
  const server: TestServer = {
    fetch: (url, init) => handle(new URL(String(url)), init ?? {}),
    clock,
    seen: [],
    devices: new Map(),
    operations: new Map(),
    offers: new Map(),
    seal: [newServerKey()],
    box: [newServerKey()],
    keySets: () => {
      const box = server.box.map(({ jwk, kid }) => ({ ...jwk, kid }));
      return signedKeySets({ issuer, changedAt: keysChangedAt, seal: server.seal, box });
    },
    newTicket() {
      const ticket = `7f${randomBytes(32).toString('base64url')}`;
      tickets.set(ticket, {});
      return { uri: `${base}/#t=${ticket}&k=${jwkThumbprint(server.box[0]!.jwk)}` };
    },
    start({ methods = ['pin'] as TestMethod[], bindingMessage = 'Sign in to the till', document, ...match } = {}) {
      const op = newId('7f');
      const shown = { client: { id: 'demo', name: 'Demo Bank' }, purpose: 'authentication', bindingMessage };
      const ctx = buildContext({ op, kind: 'authentication', ...shown, ...(document && { document: document.shown }) });
      const times = { createdAt: clock.now(), answerBy: clock.now() + 295_000 };
      const operation = { op, ctx, methods, ...match, ...times, ...(document && { document: { ...document } }) };
      server.operations.set(op, { ...operation, state: 'pending' });
      return op;
    },
    rotate(use) {
      server[use].unshift(newServerKey());
      keysChangedAt = clock.now();
    },
    onceBeforeAnswer: undefined,
    streams: [],
    streamSeconds: undefined,
  };

  async function handle(url: URL, init: RequestInit): Promise<Response> {
    const path = url.pathname.replace('/device/v1/', '');
    const up = typeof init.body === 'string' ? init.body : '';
    const response = path === 'keys' ? Response.json(server.keySets()) : await post(path as Act, up);
    const isStream = response.headers.get('content-type') === 'text/event-stream';
    server.seen.push({ path, status: response.status, up, down: isStream ? '' : await response.clone().text() });
    const before = server.onceBeforeAnswer;
    server.onceBeforeAnswer = undefined;
    before?.(path);
    return response;
  }

  async function post(act: Act, body: string): Promise<Response> {
    let opened: OpenedUp;
    try {
      if (!acts.includes(act)) return new Response('', { status: 404 });
      opened = openUp(body, {
        boxKey: (kid) => server.box.find((key) => key.kid === kid),
        openSession: (id) => openSession(secrets, id, clock.now()),
      });
    } catch (error) {
      return Response.json({ code: (error as DomainError).code }, { status: 400 });
    }
    const { rk } = opened;
    try {
      if (act === 'redeem') return answer(rk, redeem(opened));
      const request = await verify(opened, act);
      if (act === 'events') return stream(rk);
      return answer(
        rk,
        once(request, () => calls[act](request)),
      );
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      const problem = { code: error.code, ...error.members };
      return new Response(sealProblem(rk, problem, clock.now()), { status: 403, headers: jose });
    }
  }

  const jose = { 'content-type': 'application/jose' };
  const answer = (rk: Buffer, payload: object) => new Response(sealDown(rk, payload, clock.now()), { headers: jose });

  async function verify(opened: OpenedUp, act: Act): Promise<VerifiedRequest<TestDevice>> {
    const request = await verifyRequest(opened, {
      issuer,
      act,
      now: clock.now(),
      findDevice: async (id) => server.devices.get(id),
      sigKey: (device) => device.sig,
      nextSigKey: (device) => (act === 'status' ? device.next?.sig : undefined),
    });
    if (request.device.state === 'locked') throw new DomainError('device_locked', { members: { reason: 'locked' } });
    return request;
  }

  /** The same signed message gets the same outcome and counts once. */
  function once({ signed, ctr, device }: VerifiedRequest<TestDevice>, run: () => object): object {
    const known = signed && outcomes.get(signed.jwsHash);
    if (known instanceof DomainError) throw known;
    if (known) return known;
    if (ctr !== undefined) (device.counters ??= []).push(ctr);
    try {
      const outcome = run();
      if (signed) outcomes.set(signed.jwsHash, outcome);
      return outcome;
    } catch (error) {
      if (signed) outcomes.set(signed.jwsHash, error as DomainError);
      throw error;
    }
  }

  function redeem(opened: OpenedUp): object {
    const { sig, thumbprint, payload } = verifyRedeem(opened, { issuer, now: clock.now() });
    const message = readRedeem(payload);
    const ticket = 'ticket' in message ? tickets.get(message.ticket) : undefined;
    if (!ticket) throw new DomainError('ticket_invalid');
    if ((ticket.thumbprint ??= thumbprint) !== thumbprint) throw new DomainError('ticket_bound');
    const id = (ticket.deviceId ??= newId('7f'));
    if (!server.devices.has(id)) server.devices.set(id, { id, state: 'pending', sig, failures: 0 });
    return {
      device_id: id,
      nonce: `nonce-${id}`,
      policy: {
        methods: ['device', 'pin'],
        pin_length: 6,
        attestation: 'off',
        modes: ['none', 'choose', 'type2', 'type6'],
      },
      display: { issuer: 'Example', application: 'Assent', masked_user: 'a***e' },
    };
  }

  const confirmOf = ({ id, enc }: TestDevice) => confirmValue(secrets, id, enc!);
  const sealedConfirm = (device: TestDevice) => confirmFor(device, device.enc!);
  const confirmFor = ({ id }: TestDevice, enc: EcPublicJwk) =>
    sealConfirm(enc, server.seal[0]!, {
      issuer,
      deviceId: id,
      confirm: confirmValue(secrets, id, enc),
      now: clock.now(),
    });

  function prove({ device }: VerifiedRequest<TestDevice>, proofs: Parameters<typeof evaluateProofs>[0]): void {
    const keys = device.pin ? [{ ...device.pin, method: 'pin' as const }] : [];
    if (evaluateProofs(proofs, keys).every(({ verified }) => verified)) return;
    device.failures += 1;
    throw new DomainError('attempt_failed', { members: { attempts_left: 3 - device.failures } });
  }

  const calls: Record<Exclude<Act, 'redeem' | 'events'>, (request: VerifiedRequest<TestDevice>) => object> = {
    enroll(request) {
      const { device } = request;
      const { enc, pin, nonce } = readEnroll(request, device.sig);
      if (nonce !== `nonce-${device.id}`) throw new DomainError('message_invalid');
      if (device.enc) throw new DomainError('state_conflict');
      Object.assign(device, { enc, pin });
      return { device_id: device.id, state: 'pending', confirm: sealedConfirm(device) };
    },
    status(request) {
      const { device } = request;
      const { confirm, op } = readStatus(request);
      const waits = request.byNextKey && device.next;
      if (waits && confirm === confirmValue(secrets, device.id, waits.enc)) {
        Object.assign(device, waits, { next: undefined });
      }
      if (!device.enc) throw new DomainError('device_refused');
      if (confirm !== undefined && confirm !== confirmOf(device)) throw new DomainError('confirm_invalid');
      if (confirm !== undefined) device.state = 'active';
      const operation = server.operations.get(op ?? '');
      return {
        device: {
          id: device.id,
          state: device.state,
          methods: device.pin ? ['device', 'pin'] : ['device'],
          ...(device.pin && { pin: { kid: device.pin.kid } }),
        },
        policy: { methods: ['device', 'pin'], pin_length: 6 },
        ...(waits && device.next && { confirm: confirmFor(device, waits.enc) }),
        ...(device.state === 'pending' && { confirm: sealedConfirm(device) }),
        ...(operation && { operation: { op, state: operation.state, exp: operation.answerBy / 1000 } }),
      };
    },
    session: ({ deviceId }) => issueSession(secrets, { deviceId, now: clock.now() }),
    inbox: () => inbox(),
    present({ device, payload }) {
      const operation = find(textOf(payload, 'op'));
      return { challenge: sealChallenge(device.enc!, server.seal[0]!, challengeOf(device, operation)) };
    },
    document({ device, payload }) {
      const { op, document } = find(textOf(payload, 'op'));
      if (!document?.content) throw new DomainError('document_not_found');
      const { shown, content } = document;
      const part = { issuer, deviceId: device.id, op, sha256: shown.sha256, content, offset: Number(payload.offset) };
      return { document: sealDocumentPart(device.enc!, server.seal[0]!, part) };
    },
    decide: (request) => decide(request),
    claim(request) {
      const { code } = readClaim(request);
      const op = server.offers.get(code);
      if (op === undefined) throw new DomainError('claim_not_found');
      return { op };
    },
    methods(request) {
      const { device } = request;
      const message = readMethods(request, device);
      prove(request, message.proofs);
      Object.assign(device, { pin: message.pin });
      return { methods: device.pin ? ['device', 'pin'] : ['device'] };
    },
    rotate(request) {
      const { sig, enc, proofs } = readRotate(request, request.device);
      prove(request, proofs);
      request.device.next = { sig, enc };
      return { confirm: confirmFor(request.device, enc) };
    },
    tickets(request) {
      prove(request, readTickets(request).proofs);
      const { uri } = server.newTicket();
      const rest = { activation_code: 'AAAA-AAAA-A', expires_at: '2030-01-01T00:05:00.000Z' };
      return { operation_id: newId('7f'), ticket_uri: uri, ...rest };
    },
    unenroll({ device }) {
      server.devices.delete(device.id);
      return { state: 'deactivated' };
    },
  };

  const inbox = () => {
    const pending = [...server.operations.values()].filter(({ state }) => state === 'pending');
    return { operations: pending.map(({ op, answerBy }) => ({ op, exp: answerBy / 1000 })), poll_seconds: 5 };
  };

  function find(op: string): TestOperation {
    const operation = server.operations.get(op);
    if (!operation) throw new DomainError('operation_not_found');
    if (clock.now() >= operation.answerBy) throw new DomainError('operation_expired');
    return operation;
  }

  function challengeOf(
    device: TestDevice,
    { op, ctx, methods, number, options, createdAt, answerBy }: TestOperation,
  ): string {
    const mode = options ? 'choose' : number ? (`type${number.length}` as 'type2' | 'type6') : 'none';
    const match = { mode, ...(options && { options }) } as const;
    return buildChallenge(secrets, { issuer, deviceId: device.id, op, createdAt, answerBy, ctx, methods, match });
  }

  function decide(request: VerifiedRequest<TestDevice>): object {
    const decision = readDecision(request);
    const { device } = request;
    const operation = find(decision.op);
    if (operation.state !== 'pending') throw new DomainError('operation_decided');
    const challenge = challengeHash(challengeOf(device, operation));
    checkFits(decision, {
      challengeHash: challenge,
      contextHash: contextHash(operation.ctx),
      methods: operation.methods,
    });
    const proved = decision.approved ? approve(device, operation, decision) : [];
    operation.state = decision.approved ? 'approved' : 'denied';
    operation.decision = { jws: decision.signed.jws, proved };
    const context = { issuer, deviceId: device.id, op: operation.op, now: clock.now(), text: 'Thank you, Alice' };
    return {
      op: operation.op,
      state: operation.state,
      post_context: sealContext(device.enc!, server.seal[0]!, context),
    };
  }

  function approve(
    device: TestDevice,
    { number }: TestOperation,
    decision: ReturnType<typeof readDecision>,
  ): readonly string[] {
    const keys = device.pin ? [{ ...device.pin, method: 'pin' as const }] : [];
    const counted = elementsOf(decision, { keys, asksNumber: number !== undefined });
    device.failures += counted.length > 0 ? 1 : 0;
    const { passed, proved } = evaluateApproval(decision, {
      keys,
      ...(number && { numberFits: (match) => match === number }),
    });
    if (!passed) throw new DomainError('attempt_failed', { members: { attempts_left: 3 - device.failures } });
    device.failures = 0;
    return proved;
  }

  function stream(rk: Buffer): Response {
    let seq = 0;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        const write = (text: string) => controller.enqueue(new TextEncoder().encode(text));
        const push = (event: object) => write(`data: ${sealEvent(rk, ++seq, event, clock.now())}\n\n: \n\n`);
        server.streams.push({ push, end: () => controller.close() });
        push({ event: 'inbox', ...inbox(), stream_seconds: server.streamSeconds });
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }

  return server;
}
