/**
 * @file Krippendorff's alpha: agreement beyond chance of any number of labelers, with missing values.
 *
 *   alpha = 1 - (n - 1) * sum_ck o_ck d_ck / sum_ck n_c n_k d_ck
 *
 * with o the coincidence matrix, n_c its margins and d the squared difference of the level of measurement (Krippendorff
 * 2011, "Computing Krippendorff's Alpha-Reliability", sections C to F; matches the Python package krippendorff 0.9.0).
 */
import { pairsOf, type Ranking } from "./ranking";

export type MeasurementLevel = "nominal" | "ordinal" | "interval";

/**
 * @param units what was judged: each the values of those who judged it, in any order, missing ones left out
 * @returns at most 1, which is perfect agreement; 0 is chance. null where nothing was judged twice or all values are
 *   equal: nothing can be told then
 */
export function krippendorffAlpha(
  units: Iterable<readonly number[]>,
  level: MeasurementLevel = "ordinal",
): number | null {
  const { values, coincidences } = coincidenceMatrix(units);
  const margins = coincidences.map((row) => row.reduce((sum, o) => sum + o, 0));
  const total = margins.reduce((sum, n) => sum + n, 0);
  const difference = squaredDifferences[level](values, margins);
  let observed = 0;
  let expected = 0;
  for (const [c, row] of coincidences.entries()) {
    for (const [k, o] of row.entries()) {
      observed += o * difference(c, k);
      expected += (margins[c] ?? 0) * (margins[k] ?? 0) * difference(c, k);
    }
  }
  return expected === 0 ? null : 1 - ((total - 1) * observed) / expected;
}

type Difference = (c: number, k: number) => number;

/** d_ck by level of measurement (section F), over the sorted values and how often each occurs. */
const squaredDifferences = {
  nominal: () => (c, k) => (c === k ? 0 : 1),
  // (n_c / 2 + all between + n_k / 2)²: ranks as far apart as there are values between them.
  ordinal: (_, margins) => (c, k) => {
    if (c === k) return 0;
    const between = margins.slice(Math.min(c, k), Math.max(c, k) + 1).reduce((sum, n) => sum + n, 0);
    return (between - ((margins[c] ?? 0) + (margins[k] ?? 0)) / 2) ** 2;
  },
  interval: (values) => (c, k) => ((values[c] ?? 0) - (values[k] ?? 0)) ** 2,
} as const satisfies Record<
  MeasurementLevel,
  (values: readonly number[], margins: readonly number[]) => Difference
>;

/** o_ck = sum over units of the (c, k) pairs in it, each over the unit's m - 1 (section D). */
function coincidenceMatrix(units: Iterable<readonly number[]>): {
  values: number[];
  coincidences: number[][];
} {
  const judgedTwice = [...units].filter((unit) => unit.length >= 2);
  const values = [...new Set(judgedTwice.flat())].toSorted((a, b) => a - b);
  const place = new Map(values.map((value, index) => [value, index]));
  const coincidences = values.map(() => values.map(() => 0));
  for (const unit of judgedTwice) {
    const counts = values.map(() => 0);
    for (const value of unit) counts[place.get(value) ?? 0] = (counts[place.get(value) ?? 0] ?? 0) + 1;
    for (const [c, countC] of counts.entries()) {
      const row = coincidences[c] ?? [];
      for (const [k, countK] of counts.entries()) {
        row[k] = (row[k] ?? 0) + (countC * (countK - Number(c === k))) / (unit.length - 1);
      }
    }
  }
  return { values, coincidences };
}

/**
 * Alpha of rankings, over preferences: a unit is a pair of responses of a task, its value 1, 0 (tie) or -1 for whoever
 * ranked both. Each pair is taken in both directions, so that which response comes first does not matter, and by chance
 * every order is as likely as its reverse. Over preferences rather than over ranks, for ranks of tasks with different K
 * share no scale, and pooled they would seem to agree more than people do.
 * @param tasks of each task the rankings of different labelers, one a labeler
 * @param level ordinal counts a tie against an order as less of a difference than two opposite orders; nominal as the same
 */
export function preferenceAlpha(
  tasks: Iterable<readonly Ranking[]>,
  level: MeasurementLevel = "ordinal",
): number | null {
  const units: number[][] = [];
  for (const rankings of tasks) {
    for (const values of preferencesByPair(rankings).values()) {
      units.push(
        values,
        values.map((value) => 0 - value),
      );
    }
  }
  return krippendorffAlpha(units, level);
}

function preferencesByPair(rankings: readonly Ranking[]): Map<string, number[]> {
  const byPair = new Map<string, number[]>();
  const add = (a: string, b: string, value: number) => {
    const key = JSON.stringify(a < b ? [a, b] : [b, a]);
    const signed = a < b ? value : 0 - value;
    byPair.set(key, [...(byPair.get(key) ?? []), signed]);
  };
  for (const ranking of rankings) {
    const { comparisons, ties } = pairsOf(ranking);
    for (const { chosen, rejected } of comparisons) add(chosen, rejected, 1);
    for (const [a, b] of ties) add(a, b, 0);
  }
  return byPair;
}
