import type { Case } from '../case.ts';
import { decisions, envelopes, signatures } from './device.ts';
import { duplicates, forms } from './forms.ts';
import { hints } from './hints.ts';
import { contentTypes, headers, methods, paths, preferences, wires } from './http.ts';
import { ids } from './ids.ts';
import { claims, joseGrid } from './jose.ts';
import { jsonBodies } from './json.ts';

/** Numbers that come again with the same seed. */
export interface Random {
  below(limit: number): number;
}

/** The corpus: every generator, in an order that the seed decides. */
export function corpus(random: Random): Case[] {
  const families: [cases: Case[], atMost: number][] = [
    [methods(), 260],
    [paths(), 180],
    [headers(), 240],
    [preferences(), 70],
    [contentTypes(), 200],
    [wires(random), 300],
    [forms(), 220],
    [duplicates(), 100],
    [hints(), 300],
    [jsonBodies(), 300],
    [ids(random), 320],
    [joseGrid(), 100],
    [claims(), 280],
    [envelopes(), 260],
    [signatures(), 160],
    [decisions(), 100],
  ];
  return shuffled(
    families.flatMap(([cases, atMost]) => fairly(shuffled(cases, random)).slice(0, atMost)),
    random,
  );
}

/** One for each route, then another one for each: none is left out for those with many. */
function fairly(cases: readonly Case[]): Case[] {
  const seen = new Map<string, number>();
  const ranked = cases.map((each) => {
    const rank = seen.get(each.route) ?? 0;
    seen.set(each.route, rank + 1);
    return { each, rank };
  });
  return ranked.sort((a, b) => a.rank - b.rank).map(({ each }) => each);
}

export function shuffled<T>(items: readonly T[], { below }: Random): T[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!];
  }
  return mixed;
}
