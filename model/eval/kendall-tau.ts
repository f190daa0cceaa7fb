/** @file Kendall's tau-b between two rankings with ties. */
import { countPairsBetween } from "./pair-counts";
import type { Ranking } from "./ranking";

/**
 * tau_b = (P - Q) / sqrt((P + Q + T) (P + Q + U)), T and U the pairs tied in one ranking alone (Kendall 1945, "The
 * treatment of ties in ranking problems"; matches scipy.stats.kendalltau, variant "b"). Over the responses both have.
 * @returns in [-1, 1]; null where a ranking ties everything, or fewer than two responses are shared: it is undefined
 */
export function kendallTauB(first: Ranking, second: Ranking): number | null {
  const { concordant, discordant, tiedInFirst, tiedInSecond } = countPairsBetween(first, second);
  const ordered = concordant + discordant;
  // One square root of the product: the root of a square is exact, so that a perfect tau is 1.
  const scale = Math.sqrt((ordered + tiedInFirst) * (ordered + tiedInSecond));
  return scale === 0 ? null : (concordant - discordant) / scale;
}
