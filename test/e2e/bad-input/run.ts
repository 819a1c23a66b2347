import { inParallel } from '../../support/reliability/concurrency.ts';
import type { TestServer } from '../../support/server.ts';
import { type Case, materialize } from './case.ts';
import { violations } from './oracles.ts';
import { createSender, type Outcome } from './wire.ts';
import type { World } from './world.ts';

export interface Failure {
  case: Case;
  wrong: string[];
}

export interface Report {
  sent: number;
  failures: Failure[];
  /** How often each status came. */
  statuses: Record<number, number>;
  /** Answers by the row of routes.ts. */
  byRoute: Record<string, number>;
}

const width = 12;

/** Sends every case and holds every answer against the oracles. */
export async function runCases(cases: readonly Case[], world: World): Promise<Report> {
  const sender = createSender();
  const report: Report = { sent: cases.length, failures: [], statuses: {}, byRoute: {} };
  let turn = 0;
  await inParallel(cases, width, async (each) => {
    const server = world.servers[turn++ % world.servers.length]!;
    const outcome = await sender.send(materialize(each, world), portOf(each, server));
    count(report, each, outcome);
    const wrong = violations(each, outcome, world);
    if (wrong.length > 0) report.failures.push({ case: each, wrong });
  });
  sender.close();
  return report;
}

function portOf({ listener }: Case, server: TestServer): number {
  const urls = { public: server.issuer, management: server.management, authenticator: server.authenticator };
  return Number(new URL(urls[listener]).port);
}

function count({ statuses, byRoute }: Report, { route }: Case, { answers }: Outcome): void {
  byRoute[route] = (byRoute[route] ?? 0) + 1;
  for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
}
