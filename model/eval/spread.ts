/** @file A few numbers of one kind in short: their median, the least and the greatest. */

export type Spread = { median: number; least: number; greatest: number };

/** Null: there is none. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const [least, greatest] = [sorted[0], sorted.at(-1)];
  if (least === undefined || greatest === undefined) return null;
  const upper = sorted[sorted.length >> 1] ?? greatest;
  const lower = sorted[(sorted.length - 1) >> 1] ?? least;
  return { median: (lower + upper) / 2, least, greatest };
}
