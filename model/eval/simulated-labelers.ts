/** @file Labelers for tests and benchmarks: they see the gold score through noise, so that they agree with it as often as people do. */
import { normalPair } from "../random/normal";
import { randomStreams } from "../random/permutation";
import { normalCdf } from "./normal-distribution";

/**
 * The noise at which a labeler orders two responses as gold does with this probability, on average over all untied pairs of
 * the groups: each response is seen as its gold score plus a normal draw, so a pair that is d apart is ordered rightly with
 * P(Z <= d / (noise sqrt 2)).
 * @param groups gold scores of the responses to one prompt each @param agreement above 0.5 and below 1; 0.73 is about what
 *   InstructGPT's labelers reach among themselves
 * @returns the draws' standard deviation, in units of gold
 * @throws RangeError where no two responses of a group differ, or for an agreement that no noise gives
 */
export function calibrateNoise(groups: readonly (readonly number[])[], agreement: number): number {
  if (!(agreement > 0.5 && agreement < 1))
    throw new RangeError(`An agreement of ${agreement} is not between 0.5 and 1.`);
  const gaps = groups.flatMap(gapsOf);
  if (gaps.length === 0)
    throw new RangeError("No two responses differ in gold: there is nothing to agree on.");
  const agreementAt = (noise: number) =>
    gaps.reduce((sum, gap) => sum + normalCdf(gap / (noise * Math.SQRT2)), 0) / gaps.length;
  let [low, high] = [0, 1];
  while (agreementAt(high) > agreement) high *= 2;
  for (let step = 0; step < 64; step++) {
    const middle = (low + high) / 2;
    if (agreementAt(middle) > agreement) low = middle;
    else high = middle;
  }
  return high;
}

/** Differences of all pairs that are not tied. */
function gapsOf(scores: readonly number[]): number[] {
  return scores.flatMap((a, i) => scores.slice(i + 1).map((b) => Math.abs(a - b))).filter((gap) => gap > 0);
}

/**
 * One labeler's ranks of the responses to one prompt; no two are tied.
 * @param gold (K) @param labeler @param task whole numbers: the same three give the same ranks
 * @returns (K) 1 for the best
 */
export function simulateRanks(
  gold: readonly number[],
  { noise, seed, labeler, task }: { noise: number; seed: number; labeler: number; task: number },
): number[] {
  const seen = gold.map((score, response) => {
    const [draw] = normalPair(seed, [randomStreams.simulatedLabelers, labeler, task, response], noise);
    return score + draw;
  });
  const order = seen.map((_, place) => place).toSorted((a, b) => (seen[b] ?? 0) - (seen[a] ?? 0));
  return gold.map((_, place) => order.indexOf(place) + 1);
}
