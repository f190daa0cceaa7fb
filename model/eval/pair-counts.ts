/** @file Two rankings of the same responses, pair by pair: what agreement and Kendall's tau are counted from. */
import type { Ranking } from "./ranking";

/** Over the pairs of responses that both rankings have. */
export type PairCounts = {
  /** Both put the same one first. */
  concordant: number;
  /** They put different ones first. */
  discordant: number;
  tiedInFirst: number;
  tiedInSecond: number;
  tiedInBoth: number;
};

export function countPairsBetween(first: Ranking, second: Ranking): PairCounts {
  const counts = { concordant: 0, discordant: 0, tiedInFirst: 0, tiedInSecond: 0, tiedInBoth: 0 };
  const shared = [...first].flatMap(([id, rank]) => {
    const other = second.get(id);
    return other === undefined ? [] : [[rank, other] as const];
  });
  for (const [place, a] of shared.entries()) {
    for (const b of shared.slice(place + 1)) counts[kindOfPair(a[0] - b[0], a[1] - b[1])]++;
  }
  return counts;
}

function kindOfPair(inFirst: number, inSecond: number): keyof PairCounts {
  if (inFirst === 0) return inSecond === 0 ? "tiedInBoth" : "tiedInFirst";
  if (inSecond === 0) return "tiedInSecond";
  return inFirst > 0 === inSecond > 0 ? "concordant" : "discordant";
}
