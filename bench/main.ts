/** `npm run bench`: Assent against a peer, against its own cryptography, and against its budgets (README.md). */
import { againstPeer } from './against-peer.ts';
import { measureBadJwts } from './bad-jwts.ts';
import { measureBadReceivers } from './bad-receivers.ts';
import { measureFlow } from './flow.ts';
import { measureGuessing } from './guessing.ts';
import { measureHeld } from './held.ts';
import { describeMachine, type Machine, requirePrograms } from './machine.ts';
import { measureMemory } from './memory.ts';
import { type Options, readOptions, type Section } from './options.ts';
import { leaveServerCore } from './processes.ts';
import { measureReady } from './ready.ts';
import { isMet, type Line, type Report, written } from './report.ts';
import { measureRolling } from './rolling/index.ts';
import { measureRotation } from './rotation.ts';
import { countRoundTrips } from './round-trips.ts';
import { measureStore } from './store/slow-disk.ts';
import { measureAlgorithms, measureSenderConstraint } from './variants.ts';
import { measureWakeUp } from './wake-up.ts';
import { measureWhoExists } from './who-exists.ts';

try {
  await run(readOptions(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}

async function run(options: Options): Promise<void> {
  const { only, json } = options;
  requirePrograms(only.some((section) => section !== 'store' && section !== 'ready'));
  const machine = describeMachine();
  const print = (text: string) => void (json || process.stdout.write(`${text}\n`));
  print(`\n${sentence(machine)}\n`);
  leaveServerCore();
  const startedAt = performance.now();
  const lines: Line[] = [];
  await measure(options, (line) => {
    lines.push(line);
    print(written(line));
  });
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const missed = lines.filter((line) => isMet(line) === false);
  print(`\n${seconds} s. ${missed.length === 0 ? 'Every budget is met.' : `${missed.length} missed.`}`);
  const result = { machine, seconds, lines: lines.map((line) => ({ ...line, met: isMet(line) })) };
  if (json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}

async function measure(options: Options, report: Report): Promise<void> {
  const asked = (...sections: Section[]) => sections.some((section) => options.only.includes(section));
  if (asked('start', 'poll', 'assertions', 'redeem')) await againstPeer(options, report);
  if (asked('sender')) await measureSenderConstraint(options, report);
  if (asked('algorithms')) await measureAlgorithms(options, report);
  if (asked('flow')) await measureFlow(options, report);
  if (asked('wake-up')) await measureWakeUp(options, report);
  if (asked('held')) await measureHeld(options, report);
  if (asked('rotation')) await measureRotation(options, report);
  if (asked('rolling')) await measureRolling(options, report);
  if (asked('store')) await measureStore(options, report);
  if (asked('round-trips')) await countRoundTrips(report);
  if (asked('memory')) await measureMemory(options, report);
  if (asked('ready')) await measureReady(options, report);
  if (asked('who-exists')) await measureWhoExists(options, report);
  if (asked('bad-receivers')) await measureBadReceivers(options, report);
  if (asked('guessing')) await measureGuessing(options, report);
  if (asked('bad-jwts')) await measureBadJwts(options, report);
}

function sentence(machine: Machine): string {
  const { cpu, cores, memoryGiB, kernel, node, openssl, redis, oidcProvider, loadAverage, pinned } = machine;
  const pinning = pinned
    ? 'servers on core 0, everything else on the others'
    : 'not pinned (taskset is missing, or there is one core): rates depend on the scheduler';
  return [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}`,
    `Node ${node}, OpenSSL ${openssl}, Redis ${redis}, oidc-provider ${oidcProvider}`,
    `${pinning}; load average ${loadAverage.toFixed(1)}`,
    'Ratios: median of the rounds (least–greatest).',
  ].join('\n');
}
