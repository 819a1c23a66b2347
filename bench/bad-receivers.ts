/**
 * RL-11: pings by the hundred are due to receivers that hang, some of them all at once, fail, redirect or cannot be trusted, beside a
 * client whose receiver is well: how long its pings take from the answer to the device, and whether everybody can go on polling.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchAssent, startAssent } from './assent.ts';
import { type BenchDevice, enrollDevice } from './bench-device.ts';
import { newAuthority } from './callers.ts';
import {
  benchClient,
  inParallel,
  paths,
  post,
  start,
  startMany,
  type Target,
  tokenForm,
  withSecret,
} from './client.ts';
import { type OperationIds, operationIds } from './operation-ids.ts';
import type { Options } from './options.ts';
import {
  arrivalOf,
  type Bad,
  inCrowd,
  type Receiver,
  redirecting,
  startBadReceivers,
  startGoodReceiver,
} from './receivers.ts';
import { startRedis } from './redis.ts';
import { most, type Report } from './report.ts';
import { type Seeded, seed } from './seed.ts';
import { percentile } from './statistics.ts';

const section = 'bad-receivers';
/** Beside one of each fault. */
const crowd = 20;
const phones = 8;
/** Of each phone: twenty sign-ins a second of all. */
const everyMs = 400;
const warmUpSeconds = 3;

/** Milliseconds of what a client that is well waits for. */
interface Waited {
  pings: number[];
  polls: number[];
}

/** A client, its receiver, and its requests. */
interface Owed extends Bad {
  target: Target;
  ids: string[];
}

export async function measureBadReceivers({ size, profile }: Options, report: Report): Promise<void> {
  await using redis = await startRedis();
  const store = `redis://127.0.0.1:${redis.port}`;
  const authority = newAuthority();
  await using good = await startGoodReceiver(authority);
  await using elsewhere = await startGoodReceiver(authority);
  const bad = await startBadReceivers(authority, elsewhere.endpoint, crowd);
  await using closing = new AsyncDisposableStack();
  for (const { receiver } of bad) closing.use(receiver);
  const well = pingedAt(good, 'well');
  const badClients = bad.map(({ receiver }, i) => pingedAt(receiver, `bad-${i}`));
  const clients = [well, ...badClients];
  await using assent = await startAssent({ store, profile, clients, receiversBy: authority });
  await using seeded = await seed(store, assent, 100);
  const names = Array.from({ length: phones }, (_, i) => `phone-${i}`);
  const enrolled = await inParallel(names, 2, (name) => enrollDevice(assent, name));
  await Promise.all(enrolled.map((phone) => phone.begin()));
  const target = calledBy(assent, well);
  const operationIdOf = await operationIds(store, assent);
  const signIns = (seconds: number) => signInFor(seconds, { target, good, enrolled, operationIdOf });

  const owed: Owed[] = [];
  for (const [i, each] of bad.entries()) {
    const at = calledBy(assent, badClients[i]!);
    const due = each.fault === inCrowd ? size.pingsToEachBad / 10 : size.pingsToEachBad;
    owed.push({ ...each, target: at, ids: await startMany(at, seeded.names, due) });
  }
  await signIns(warmUpSeconds);
  const calm = await signIns(size.badReceiverSeconds / 2);
  const [beside] = await Promise.all([
    signIns(size.badReceiverSeconds),
    approveAll(seeded, owed, size.badReceiverSeconds),
  ]);
  tell(report, calm, beside);
  tellCalls(report, owed);
  await pollAll(report, owed);
  await healAll(report, owed);
  const misled = elsewhere.calls();
  report({ section, what: 'redirects followed', value: misled, text: String(misled), budget: most(0) });
}

const pingedAt = ({ endpoint }: Receiver, id: string) => ({
  ...benchClient,
  client_id: `bench-${id}`,
  backchannel_token_delivery_mode: 'ping',
  backchannel_client_notification_endpoint: endpoint,
});

/** What the server shows at the receiver; other calls have no such parameter, and ignore it. */
const params = () => ({ client_notification_token: 'bench-notification-token-0123456789' });

function calledBy({ url }: BenchAssent, client: typeof benchClient): Target {
  return { url, caller: { ...withSecret(client), params } };
}

interface SignIns {
  target: Target;
  good: Receiver;
  enrolled: BenchDevice[];
  operationIdOf: OperationIds;
}

async function signInFor(seconds: number, { target, good, enrolled, operationIdOf }: SignIns): Promise<Waited> {
  const waited: Waited = { pings: [], polls: [] };
  const endsAt = performance.now() + seconds * 1000;
  const poll = async (authReqId: string, answered: string) => {
    const sentAt = performance.now();
    const { status, body } = await post(target, paths.token, tokenForm(authReqId));
    waited.polls.push(performance.now() - sentAt);
    if ((body['error'] ?? String(status)) !== answered) throw new Error(`polled: ${status} ${JSON.stringify(body)}`);
  };
  const signIn = async (phone: BenchDevice) => {
    const authReqId = await start(target, phone.user);
    await poll(authReqId, 'authorization_pending');
    await phone.approve(await phone.present(operationIdOf(authReqId)));
    const decidedAt = performance.now();
    waited.pings.push((await arrivalOf(authReqId, good)) - decidedAt);
    await poll(authReqId, '200');
  };
  await Promise.all(
    enrolled.map(async (phone, i) => {
      await sleep((i * everyMs) / enrolled.length);
      while (performance.now() < endsAt) await Promise.all([signIn(phone), sleep(everyMs)]);
    }),
  );
  return waited;
}

/** A half at once, the rest bit by bit while the others sign in. */
async function approveAll(seeded: Seeded, owed: Owed[], badReceiverSeconds: number): Promise<void> {
  const part = (ids: string[], from: number, to: number) =>
    ids.slice(Math.floor(ids.length * from), Math.floor(ids.length * to));
  await seeded.approve(owed.flatMap(({ ids }) => part(ids, 0, 0.5)));
  const seconds = Math.max(1, Math.floor(badReceiverSeconds * 0.8));
  for (let second = 0; second < seconds; second++) {
    const [from, to] = [second, second + 1].map((until) => 0.5 + (0.5 * until) / seconds) as [number, number];
    await Promise.all([seeded.approve(owed.flatMap(({ ids }) => part(ids, from, to))), sleep(1000)]);
  }
}

function tell(report: Report, calm: Waited, beside: Waited): void {
  const span = (times: number[]) =>
    `p50 ${percentile(times, 50).toFixed(1)} ms, p99 ${percentile(times, 99).toFixed(1)} ms, longest ${Math.max(...times).toFixed(1)} ms`;
  const lines = [
    ['pings to the receiver that is well, p99', calm.pings, beside.pings],
    ['polls of its client meanwhile, p99', calm.polls, beside.polls],
  ] as const;
  for (const [what, before, times] of lines) {
    const text = `${span(times)} (n = ${times.length}); before the bad ones ${span(before)}`;
    report({
      section,
      what,
      value: percentile(times, 99),
      text,
      budget: most(1000, ' ms'),
      details: { before, times },
    });
  }
}

function tellCalls(report: Report, owed: Owed[]): void {
  const byFault = [...Map.groupBy(owed, ({ fault }) => fault)].map(([fault, some]) => {
    const calls = some.reduce((sum, { receiver }) => sum + receiver.calls(), 0);
    const due = some.reduce((sum, { ids }) => sum + ids.length, 0);
    return { calls, text: `${fault} ${calls} (${due} due${some.length > 1 ? ` to ${some.length}` : ''})` };
  });
  const value = byFault.reduce((sum, { calls }) => sum + calls, 0);
  report({ section, what: 'calls of bad receivers', value, text: byFault.map(({ text }) => text).join(', ') });
}

/** Of every other request: the client need not wait for its ping. */
async function pollAll(report: Report, owed: Owed[]): Promise<void> {
  const asked = owed.flatMap(({ target, ids }) => ids.filter((_, i) => i % 2 === 0).map((id) => ({ target, id })));
  const statuses = await inParallel(asked, 8, async ({ target, id }) => {
    return (await post(target, paths.token, tokenForm(id))).status;
  });
  const missed = statuses.filter((status) => status !== 200).length;
  const text = `${missed} of ${statuses.length} that clients of bad receivers asked for`;
  report({ section, what: 'tokens not had by polling', value: missed, text, budget: most(0) });
}

/** Those that failed are well again: every ping that is owed must come, also what was told before. */
async function healAll(report: Report, owed: Owed[]): Promise<void> {
  const again = owed.filter(({ fault }) => fault !== redirecting);
  for (const { receiver } of again) receiver.heal();
  const healedAt = performance.now();
  const count = () => again.reduce((sum, { receiver }) => sum + receiver.arrived.size, 0);
  const due = again.reduce((sum, { ids }) => sum + ids.length, 0);
  while (count() < due && performance.now() - healedAt < 180_000) await sleep(20);
  const last = Math.max(0, ...again.flatMap(({ receiver }) => [...receiver.arrived.values()]));
  const missing = due - count();
  const text = `${missing} of ${due} that were owed; the last came ${((last - healedAt) / 1000).toFixed(1)} s after its receiver was well`;
  report({ section, what: 'pings lost', value: missing, text, budget: most(0) });
}
