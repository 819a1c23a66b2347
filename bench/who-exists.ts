/**
 * TH-04: a client that must not learn who exists asks for a person, for one without a device and for nobody, in turn. The
 * answers are the same (the suite checks that); here their times are held against each other.
 */
import { startAssent } from './assent.ts';
import { enrollDevice } from './bench-device.ts';
import { start } from './client.ts';
import type { Size } from './options.ts';
import { startRedis } from './redis.ts';
import { least, most, type Report } from './report.ts';
import { differenceByChance, median } from './statistics.ts';

const warmUp = 300;

export async function measureWhoExists({ size }: { size: Size }, report: Report): Promise<void> {
  await using redis = await startRedis();
  await using assent = await startAssent({ store: `redis://127.0.0.1:${redis.port}`, isDiscreet: true });
  const { user } = await enrollDevice(assent, 'somebody');
  await assent.management.call('/users', { body: { username: 'deviceless' } });
  const hints = [user, 'deviceless', 'nobody'];
  const times = new Map(hints.map((hint) => [hint, [] as number[]]));
  for (let round = -warmUp; round < size.requestsPerHint; round++) {
    // each is first, second and last equally often
    for (let i = 0; i < hints.length; i++) {
      const hint = hints[(i + round + warmUp) % hints.length]!;
      const startedAt = performance.now();
      await start(assent, hint);
      if (round >= 0) times.get(hint)!.push(performance.now() - startedAt);
    }
  }
  const somebody = times.get(user)!;
  for (const hint of hints.slice(1)) {
    const other = times.get(hint)!;
    const apart = Math.abs(median(somebody) - median(other));
    const chance = differenceByChance(somebody, other);
    const section = 'who-exists';
    const text = `${apart.toFixed(3)} ms (${median(somebody).toFixed(3)} and ${median(other).toFixed(3)}, n = ${other.length})`;
    report({ section, what: `medians apart: somebody, ${hint}`, value: apart, text, budget: most(1, ' ms') });
    report({
      section,
      what: `p (Mann-Whitney): somebody, ${hint}`,
      value: chance,
      text: chance.toFixed(3),
      budget: least(0.01),
    });
  }
}
