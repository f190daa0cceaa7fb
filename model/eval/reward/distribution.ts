/** @file Where scores lie: histogram, mean, spread and quantiles, for all responses and for those that people put first or last. */
import { quantileOf } from "../bootstrap";
import type { ScoredPrompt } from "./scored-prompt";

export type Distribution = {
  count: number;
  mean: number;
  /** Of the sample, dividing by n - 1; 0 for one value. */
  std: number;
  min: number;
  max: number;
  /** 5, 25, 50, 75 and 95 %, by linear interpolation. */
  quantiles: [number, number, number, number, number];
};

export type ScoreDistributions = {
  /** Edges of the histogram's bins, one more than there are bins; none where there is no response. */
  edges: number[];
  groups: { name: "all" | "best" | "worst"; summary: Distribution | null; counts: number[] }[];
};

const binCount = 30;

/** `best` and `worst`: ranked first and last in some ranking that is not one tie. */
export function scoreDistributions(prompts: readonly ScoredPrompt[]): ScoreDistributions {
  const all = prompts.flatMap(({ responses }) => responses.map(({ score }) => score));
  const ends = prompts.map(endsOf);
  const groups = [
    { name: "all" as const, scores: all },
    { name: "best" as const, scores: ends.flatMap(({ best }) => best) },
    { name: "worst" as const, scores: ends.flatMap(({ worst }) => worst) },
  ];
  const edges = edgesOf(all);
  return {
    edges,
    groups: groups.map(({ name, scores }) => ({
      name,
      summary: summarise(scores),
      counts: countInto(scores, edges),
    })),
  };
}

function endsOf({ responses, rankings }: ScoredPrompt): { best: number[]; worst: number[] } {
  const [best, worst] = [new Set<number>(), new Set<number>()];
  for (const { ranks } of rankings) {
    const known = ranks.filter((rank) => rank !== null);
    const [first, last] = [Math.min(...known), Math.max(...known)];
    if (known.length === 0 || first === last) continue;
    for (const [place, rank] of ranks.entries()) {
      if (rank === first) best.add(place);
      else if (rank === last) worst.add(place);
    }
  }
  const scoresAt = (places: Set<number>) => [...places].flatMap((place) => responses[place]?.score ?? []);
  return { best: scoresAt(best), worst: scoresAt(worst) };
}

/** @returns null of no values */
export function summarise(values: readonly number[]): Distribution | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const at = (probability: number) => quantileOf(sorted, probability);
  return {
    count: values.length,
    mean,
    std: values.length === 1 ? 0 : Math.sqrt(squares / (values.length - 1)),
    min: at(0),
    max: at(1),
    quantiles: [at(0.05), at(0.25), at(0.5), at(0.75), at(0.95)],
  };
}

/** Equal bins over the whole range; where all are equal, one bin around them. */
function edgesOf(values: readonly number[]): number[] {
  if (values.length === 0) return [];
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (low === high) return [low - 0.5, high + 0.5];
  return Array.from({ length: binCount + 1 }, (_, edge) => low + ((high - low) * edge) / binCount);
}

/** A value on an inner edge belongs to the bin above it, the greatest to the last bin. */
function countInto(values: readonly number[], edges: readonly number[]): number[] {
  const bins = Math.max(0, edges.length - 1);
  const counts = new Array<number>(bins).fill(0);
  const [low, high] = [edges[0] ?? 0, edges.at(-1) ?? 0];
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(((value - low) / (high - low)) * bins)));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}
