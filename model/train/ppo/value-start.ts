/** @file Where the value function starts from: the reward model, brought to what the first responses were worth. */
import type { TokenReadings } from "./episodes";
import { tokenRewards } from "./kl-penalty";
import { deviation, mean } from "./metrics";

/**
 * A reward model is only ever read at ends of responses: before them its values may be anywhere, and a clipped value function
 * would take many iterations to come back. So it starts as the line through its values that is nearest to what the first
 * responses were worth from each token on; it never turns against its own order.
 */
export function fitValues(
  readings: readonly (TokenReadings & { credit: number; beta: number })[],
  gamma: number,
): { scale: number; shift: number } {
  const values = readings.flatMap((each) => [...each.values]);
  const worth = readings.flatMap(({ credit: score, ...each }) =>
    discountedSums(tokenRewards(each, { ...each, score }), gamma),
  );
  const [meanValue, meanWorth] = [mean(values), mean(worth)];
  const variance = deviation(values) ** 2;
  const covariance = mean(values.map((v, t) => (v - meanValue) * ((worth[t] ?? 0) - meanWorth)));
  const scale = variance === 0 ? 0 : Math.min(1, Math.max(0, covariance / variance));
  return { scale, shift: meanWorth - scale * meanValue };
}

/** Of each reward and all later ones. */
function discountedSums(rewards: Float64Array, gamma: number): number[] {
  let sum = 0;
  return [...rewards]
    .toReversed()
    .map((reward) => {
      sum = reward + gamma * sum;
      return sum;
    })
    .toReversed();
}
