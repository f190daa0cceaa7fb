/**
 * @file How often a reward model puts first what people put first, with intervals that resample prompts: pairs of one
 * prompt rise and fall together, so that single pairs would make the interval too narrow.
 */
import { type BootstrapOptions, bootstrapInterval, type Interval } from "../bootstrap";
import { creditOf, type ScoredPair } from "./scored-prompt";

/** A share of pairs. Every pair counts the same, so long rankings weigh more. */
export type Figure = {
  /** null where there is no pair. */
  share: number | null;
  /** null where there are too few prompts to tell. */
  interval: Interval | null;
  pairs: number;
  prompts: number;
};

/** Share of pairs that the score orders as the labeler did; equal scores count half. */
export function accuracyOf(pairs: readonly ScoredPair[], options: BootstrapOptions): Figure {
  return shareByPrompt(pairs, ({ margin }) => creditOf(margin), options);
}

/** The same of a judge who only counts tokens: the baseline that a reward model must beat. */
export function longerWinsOf(pairs: readonly ScoredPair[], options: BootstrapOptions): Figure {
  return shareByPrompt(pairs, ({ tokenMargin }) => creditOf(tokenMargin), options);
}

/** Accuracy less that of "the longer wins", pair by pair, so that what is hard for both cancels out. */
export function marginOverLength(pairs: readonly ScoredPair[], options: BootstrapOptions): Figure {
  return shareByPrompt(pairs, ({ margin, tokenMargin }) => creditOf(margin) - creditOf(tokenMargin), options);
}

/** Mean of a value of pairs; the interval draws prompts with all their pairs. */
export function shareByPrompt(
  pairs: readonly ScoredPair[],
  measure: (pair: ScoredPair) => number,
  options: BootstrapOptions,
): Figure {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const pair of pairs) {
    const known = sums.get(pair.prompt) ?? { sum: 0, count: 0 };
    sums.set(pair.prompt, { sum: known.sum + measure(pair), count: known.count + 1 });
  }
  const { mean, interval } = meanOfUnits([...sums.values()], options);
  return { share: mean, interval, pairs: pairs.length, prompts: sums.size };
}

/** sum / count over units of several values each, with an interval that draws whole units. */
export function meanOfUnits(
  units: readonly { sum: number; count: number }[],
  options: BootstrapOptions,
): { mean: number | null; interval: Interval | null } {
  const mean = (weights: ArrayLike<number>) => {
    let [sum, count] = [0, 0];
    for (const [place, unit] of units.entries()) {
      const weight = weights[place] ?? 0;
      sum += weight * unit.sum;
      count += weight * unit.count;
    }
    return count === 0 ? null : sum / count;
  };
  return {
    mean: mean(new Uint32Array(units.length).fill(1)),
    interval: bootstrapInterval(units.length, mean, options),
  };
}

/** One figure for each value of a key, in the order of the keys; pairs whose key is null are left out. */
export function accuracyBy(
  pairs: readonly ScoredPair[],
  keyOf: (pair: ScoredPair) => string | number | null,
  options: BootstrapOptions,
): { key: string; accuracy: Figure; longerWins: Figure }[] {
  const groups = new Map<string | number, ScoredPair[]>();
  for (const pair of pairs) {
    const key = keyOf(pair);
    if (key === null) continue;
    const group = groups.get(key);
    if (group) group.push(pair);
    else groups.set(key, [pair]);
  }
  return [...groups]
    .toSorted(([a], [b]) =>
      typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : 1,
    )
    .map(([key, own]) => ({
      key: String(key),
      accuracy: accuracyOf(own, options),
      longerWins: longerWinsOf(own, options),
    }));
}
