/** @file Bradley-Terry strengths of all policies that were ever compared, with intervals over prompts. */
import { drawWeights, fewestUnits, type Interval, quantileOf } from "./bootstrap";
import { fitBradleyTerry } from "./bradley-terry";
import { sigmoid } from "./reward/calibration";

/** credit: 1 the first is preferred, 0 the second, 0.5 neither. */
export type PolicyComparison = { prompt: string; first: string; second: string; credit: number };

export type PolicyStrength = {
  policy: string;
  /** In log-odds, the mean of all policies 0. */
  strength: number;
  /** How often it would be preferred to the reference. Null of the reference, and where no chain of comparisons joins the two. */
  againstReference: { estimate: number; interval: Interval | null } | null;
  judgments: number;
};

type Options = { reference: string | null; seed: number; resamples?: number; level?: number };

/** Strongest first. The interval is the percentile one: replicates of all policies come from the same draws of prompts. */
export function policyStrengths(
  comparisons: readonly PolicyComparison[],
  { reference, seed, resamples = 400, level = 0.95 }: Options,
): PolicyStrength[] {
  const policies = [...new Set(comparisons.flatMap(({ first, second }) => [first, second]))].toSorted();
  const prompts = groupByPrompt(comparisons, policies);
  const strengthsOf = (weights: ArrayLike<number>) =>
    fitBradleyTerry(winsOf(prompts, weights, policies.length));
  const strengths = strengthsOf(new Uint32Array(prompts.length).fill(1));
  const at = reference === null ? -1 : policies.indexOf(reference);
  const replicates =
    prompts.length < fewestUnits || at < 0
      ? []
      : Array.from({ length: resamples }, (_, r) => strengthsOf(drawWeights(seed, r, prompts.length)));
  const joined = at < 0 ? new Set<number>() : joinedTo(at, prompts.flat());
  const against = (of: readonly number[], place: number) => sigmoid((of[place] ?? 0) - (of[at] ?? 0));
  return policies
    .map((policy, place) => ({
      policy,
      strength: strengths[place] ?? 0,
      againstReference:
        place === at || !joined.has(place)
          ? null
          : {
              estimate: against(strengths, place),
              interval: intervalOf(
                replicates.map((each) => against(each, place)),
                level,
              ),
            },
      judgments: comparisons.filter(({ first, second }) => first === policy || second === policy).length,
    }))
    .toSorted((a, b) => b.strength - a.strength);
}

type Placed = { first: number; second: number; credit: number };

function groupByPrompt(comparisons: readonly PolicyComparison[], policies: readonly string[]): Placed[][] {
  const places = new Map(policies.map((policy, place) => [policy, place]));
  const groups = new Map<string, Placed[]>();
  for (const { prompt, first, second, credit } of comparisons) {
    const placed = { first: places.get(first) ?? 0, second: places.get(second) ?? 0, credit };
    groups.set(prompt, [...(groups.get(prompt) ?? []), placed]);
  }
  return [...groups.values()];
}

/** (n, n) for `fitBradleyTerry`. */
function winsOf(prompts: readonly Placed[][], weights: ArrayLike<number>, size: number): number[][] {
  const wins = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (const [at, placed] of prompts.entries()) {
    const weight = weights[at] ?? 0;
    if (weight === 0) continue;
    for (const { first, second, credit } of placed) {
      add(wins, first, second, weight * credit);
      add(wins, second, first, weight * (1 - credit));
    }
  }
  return wins;
}

function add(wins: number[][], winner: number, loser: number, amount: number): void {
  const row = wins[winner];
  if (row) row[loser] = (row[loser] ?? 0) + amount;
}

/** Everything that a chain of comparisons joins to a policy, itself included. */
function joinedTo(start: number, placed: readonly Placed[]): Set<number> {
  const joined = new Set([start]);
  for (let before = 0; before < joined.size; ) {
    before = joined.size;
    for (const { first, second } of placed) {
      if (joined.has(first)) joined.add(second);
      else if (joined.has(second)) joined.add(first);
    }
  }
  return joined;
}

function intervalOf(values: readonly number[], level: number): Interval | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return { low: quantileOf(sorted, (1 - level) / 2), high: quantileOf(sorted, (1 + level) / 2), level };
}
