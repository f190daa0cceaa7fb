/** @file How far the policy has gone from its reference, what that costs, and how the price is steered. */

export type TokenLogprobs = {
  /** (L) of a response's tokens under the policy that wrote it. */
  logprobs: ArrayLike<number>;
  /** (L) of the same tokens under the reference policy. */
  refLogprobs: ArrayLike<number>;
};

/**
 * The reward of each token: `-beta (log p - log ref)`, and the score on the last one (arXiv 1909.08593, eq. 2).
 * @returns (L)
 */
export function tokenRewards(
  { logprobs, refLogprobs }: TokenLogprobs,
  { score, beta }: { score: number; beta: number },
): Float64Array {
  const rewards = logRatios({ logprobs, refLogprobs }).map((ratio) => -beta * ratio);
  const last = rewards.length - 1;
  if (last < 0) throw new RangeError("A response has no token: it needs at least its end.");
  rewards[last] = (rewards[last] ?? 0) + score;
  return rewards;
}

export type KlEstimates = {
  /** log p - log ref: unbiased, and may be negative. In nats, summed over the response. */
  k1: number;
  /** ref / p - 1 - log(ref / p): unbiased too, never negative, and of less variance near the reference. */
  k3: number;
};

/** Two estimates of KL(policy || reference) of a response that the policy sampled (Schulman, "Approximating KL divergence", 2020). */
export function klEstimates(response: TokenLogprobs): KlEstimates {
  let [k1, k3] = [0, 0];
  for (const ratio of logRatios(response)) {
    k1 += ratio;
    k3 += Math.expm1(-ratio) + ratio;
  }
  return { k1, k3 };
}

/** (L) log p - log ref */
function logRatios({ logprobs, refLogprobs }: TokenLogprobs): Float64Array {
  if (logprobs.length !== refLogprobs.length)
    throw new RangeError(`${logprobs.length} logprobs, but ${refLogprobs.length} of the reference`);
  return Float64Array.from(logprobs, (logprob, t) => logprob - (refLogprobs[t] ?? 0));
}

export type KlTarget = {
  /** Wanted KL of a response, in nats. */
  target: number;
  /** Episodes over which the coefficient would double or halve, were it always far off. */
  horizon: number;
};

/**
 * The KL coefficient after an iteration: raised where the policy has gone too far, lowered where it could go further
 * (arXiv 1909.08593, eq. 4, whose error is clipped at ±0.2).
 * @param kl mean over the iteration's responses, in nats @param episodes how many those were
 */
export function adaptedBeta(
  beta: number,
  { kl, episodes }: { kl: number; episodes: number },
  { target, horizon }: KlTarget,
): number {
  const error = Math.min(0.2, Math.max(-0.2, kl / target - 1));
  return beta * (1 + (error * episodes) / horizon);
}
