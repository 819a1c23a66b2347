import { median } from './statistics.ts';

/** One figure. */
export interface Line {
  section: string;
  what: string;
  /** What is held against the budget, where there is one. */
  value: number;
  /** The value in words, with whatever belongs to it. */
  text: string;
  budget?: Budget;
  /** The parts that the figure was made of, for `--json`. */
  details?: Record<string, unknown>;
}

export interface Budget {
  most?: number;
  least?: number;
  text: string;
}

export type Report = (line: Line) => void;

export const least = (value: number, unit = ''): Budget => ({ least: value, text: `≥ ${value}${unit}` });
export const most = (value: number, unit = ''): Budget => ({ most: value, text: `≤ ${value}${unit}` });

export function isMet({ value, budget }: Line): boolean | undefined {
  if (!budget) return undefined;
  return value <= (budget.most ?? Number.POSITIVE_INFINITY) && value >= (budget.least ?? Number.NEGATIVE_INFINITY);
}

/** `what` in 44 columns, the figure, the budget and what became of it. */
export function written(line: Line): string {
  const met = isMet(line);
  const verdict = met === undefined ? '' : `   ${line.budget!.text}  ${met ? 'met' : 'MISSED'}`;
  return `  ${line.what.padEnd(44)} ${line.text}${verdict}`;
}

/** Median of ratios that were measured side by side, with the least and the greatest. */
export function ratio(values: number[], unit = '×'): { value: number; text: string } {
  const value = median(values);
  const span = `${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)}`;
  return { value, text: `${value.toFixed(2)} ${unit} (${span})` };
}
