/** Requests as fast as they are answered, over a fixed number of connections: autocannon in this process. */
import autocannon from 'autocannon';
import { headers, type Target } from './client.ts';
import { percentile } from './statistics.ts';

export interface Load {
  target: Target;
  path: string;
  amount: number;
  /** Sent in turn, again and again; or one after the other, each once. */
  forms: { each: string[] } | { once: string[] };
  expectStatus: number;
}

export interface Driven {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** Enough that the server never waits for work, few enough that none waits long. */
const connections = 16;

export async function drive({ target, path, amount, forms, expectStatus }: Load): Promise<Driven> {
  const times: number[] = [];
  const statuses = new Map<number, number>();
  const startedAt = performance.now();
  let lastAt = startedAt;
  const finished = Promise.withResolvers<autocannon.Result>();
  const settings = {
    url: target.url + path,
    method: 'POST' as const,
    headers,
    connections,
    amount,
    requests: requestsOf(forms),
  };
  const run = autocannon(settings, (error, result) => (error ? finished.reject(error) : finished.resolve(result)));
  run.on('response', (_client: unknown, status: number, _bytes: number, ms: number) => {
    times.push(ms);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    lastAt = performance.now();
  });
  const { errors } = await finished.promise;
  if (errors > 0 || statuses.get(expectStatus) !== times.length) {
    throw new Error(`${path}: ${errors} errors, statuses ${JSON.stringify([...statuses])}`);
  }
  return {
    perSecond: (times.length * 1000) / (lastAt - startedAt),
    p50Ms: percentile(times, 50),
    p99Ms: percentile(times, 99),
  };
}

function requestsOf(forms: Load['forms']): autocannon.Request[] {
  // built before the first one is sent, so that it costs nothing afterwards
  if ('each' in forms) return forms.each.map((body) => ({ body }));
  let next = 0;
  return [{ setupRequest: (request) => ({ ...request, body: forms.once[next++]! }) }];
}
