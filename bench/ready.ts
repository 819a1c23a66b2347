/** From the start of the process to ready, with the embedded store. */
import { startAssent } from './assent.ts';
import type { Options } from './options.ts';
import { most, type Report } from './report.ts';
import { percentile } from './statistics.ts';

export async function measureReady({ size }: Options, report: Report): Promise<void> {
  {
    // what the first start of all keeps for the others: stripped sources (bin/setup.js)
    await using _first = await startAssent();
  }
  const times: number[] = [];
  const cpu: number[] = [];
  for (let i = 0; i < size.readyStarts; i++) {
    await using assent = await startAssent();
    times.push(assent.readyMs);
    cpu.push(assent.process.cpuMicroseconds() / 1000);
  }
  const [p50, worst] = [percentile(times, 50), Math.max(...times)];
  report({
    section: 'ready',
    what: 'ready: new embedded store, keys made',
    value: p50,
    text: `p50 ${Math.round(p50)} ms, slowest ${Math.round(worst)} ms of ${times.length}; ${Math.round(percentile(cpu, 50))} ms of CPU`,
    budget: most(1_000, ' ms'),
    details: { times, cpu },
  });
}
