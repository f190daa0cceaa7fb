/**
 * @file Rankings with ties, and the one place where a ranking becomes comparisons: agreement, consensus and the reward
 * model's pairs all come from here.
 */

/**
 * Rank by response id: 1 is best, equal ranks are a tie, gaps mean nothing. A response without a rank was not judged and
 * takes part in no pair.
 */
export type Ranking = ReadonlyMap<string, number>;

/** A pair that is not tied. `rankGap` is the difference of dense ranks, at least 1. */
export type Comparison = { chosen: string; rejected: string; rankGap: number };
export type Tie = readonly [string, string];

export class RankError extends Error {
  override readonly name = "RankError";
  constructor(
    readonly response: string,
    readonly rank: number,
  ) {
    super(`Response ${response} has the rank ${rank}. Ranks are finite numbers, 1 for the best.`);
  }
}

/**
 * @param ranks (K) beside `ids`; null for a response that was not ranked
 * @throws RankError on a rank that is no finite number, RangeError on ids that repeat or lists that differ in length
 */
export function createRanking(ids: readonly string[], ranks: readonly (number | null)[]): Ranking {
  if (ids.length !== ranks.length)
    throw new RangeError(`${ids.length} responses have ${ranks.length} ranks.`);
  const ranking = new Map<string, number>();
  for (const [place, id] of ids.entries()) {
    const rank = ranks[place] ?? null;
    if (rank === null) continue;
    if (!Number.isFinite(rank)) throw new RankError(id, rank);
    if (ranking.has(id)) throw new RangeError(`Response ${id} is ranked twice.`);
    ranking.set(id, rank);
  }
  return ranking;
}

/** Tiers of tied responses, the best first. */
export function tiersOf(ranking: Ranking): string[][] {
  const tiers = new Map<number, string[]>();
  for (const [id, rank] of ranking) tiers.set(rank, [...(tiers.get(rank) ?? []), id]);
  return [...tiers].toSorted(([a], [b]) => a - b).map(([, tier]) => tier);
}

/** The same order with ranks 1, 2, … without gaps; ids keep their sequence. */
export function denseRanking(ranking: Ranking): Ranking {
  const ranks = [...new Set(ranking.values())].toSorted((a, b) => a - b);
  const dense = new Map(ranks.map((rank, place) => [rank, place + 1]));
  return new Map([...ranking].map(([id, rank]) => [id, dense.get(rank) ?? rank]));
}

/** All pairs of ranked responses: n (n - 1) / 2 for n of them, split into comparisons and ties. */
export function pairsOf(ranking: Ranking): { comparisons: Comparison[]; ties: Tie[] } {
  const entries = [...denseRanking(ranking)];
  const comparisons: Comparison[] = [];
  const ties: Tie[] = [];
  for (const [place, [a, rankA]] of entries.entries()) {
    for (const [b, rankB] of entries.slice(place + 1)) {
      if (rankA === rankB) ties.push([a, b]);
      else if (rankA < rankB) comparisons.push({ chosen: a, rejected: b, rankGap: rankB - rankA });
      else comparisons.push({ chosen: b, rejected: a, rankGap: rankA - rankB });
    }
  }
  return { comparisons, ties };
}

/** As many as `pairsOf` lists, without listing them. */
export function countPairs(ranking: Ranking): { comparisons: number; ties: number } {
  const pairs = (n: number) => (n * n - n) / 2;
  const ties = tiersOf(ranking).reduce((sum, tier) => sum + pairs(tier.length), 0);
  return { comparisons: pairs(ranking.size) - ties, ties };
}
