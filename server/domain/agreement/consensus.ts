/** @file One order out of what a task's labelers said, by both methods, as the pages take it. */
import { bradleyTerryConsensus, type Consensus, rankedPairsConsensus } from "@/model/eval/consensus";
import type { Ranking } from "@/model/eval/ranking";

export type ConsensusPlace = {
  responseId: string;
  /** 1 is best, equal is a tie, by each method. */
  bradleyTerry: number;
  rankedPairs: number;
  /** Bradley-Terry strength (natural logarithm, mean 0): what the order is made from. */
  strength: number;
};

/** Best first by Bradley-Terry. Rankings of different labelers, one a labeler; empty where nothing was ranked. */
export function consensusOf(rankings: readonly Ranking[]): ConsensusPlace[] {
  const byStrength = bradleyTerryConsensus(rankings);
  const byPairs = rankedPairsConsensus(rankings);
  return [...byStrength.ranking]
    .map(([responseId, rank]) => ({
      responseId,
      bradleyTerry: rank,
      rankedPairs: rankIn(byPairs, responseId),
      strength: byStrength.scores.get(responseId) ?? 0,
    }))
    .toSorted((a, b) => a.bradleyTerry - b.bradleyTerry || a.rankedPairs - b.rankedPairs);
}

function rankIn({ ranking }: Consensus, responseId: string): number {
  const rank = ranking.get(responseId);
  if (rank === undefined) throw new Error(`The consensus left out response ${responseId}.`);
  return rank;
}
