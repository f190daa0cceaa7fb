/** @file From per-token rewards to advantages: the temporal side of PPO, over one response at a time. */

export type Horizon = {
  /** Discount of a later reward; 1: none. */
  gamma: number;
  /** Between the one-step estimate (0) and the whole return (1). */
  lambda: number;
};

export type Advantages = {
  /** (L) */
  advantages: Float64Array;
  /** (L) what the value function is to learn: advantage + value. */
  returns: Float64Array;
};

/**
 * Generalized advantage estimation (arXiv 1506.02438, eq. 16); the response ends for good after its last token:
 *
 *   delta_t = reward_t + gamma V_{t+1} - V_t,  A_t = delta_t + gamma lambda A_{t+1}
 * @param rewards (L) of each token of a response @param values (L) before each of its tokens
 */
export function generalizedAdvantages(
  rewards: ArrayLike<number>,
  values: ArrayLike<number>,
  { gamma, lambda }: Horizon,
): Advantages {
  if (rewards.length !== values.length)
    throw new RangeError(`${rewards.length} rewards, but ${values.length} values`);
  const advantages = new Float64Array(rewards.length);
  let [next, nextValue] = [0, 0];
  for (let t = rewards.length - 1; t >= 0; t--) {
    const value = values[t] ?? 0;
    next = (rewards[t] ?? 0) + gamma * nextValue - value + gamma * lambda * next;
    advantages[t] = next;
    nextValue = value;
  }
  return { advantages, returns: advantages.map((advantage, t) => advantage + (values[t] ?? 0)) };
}

/**
 * Mean 0 and standard deviation 1 over all tokens of all responses together; the deviation of the population, as in
 * OpenAI's implementation of 1909.08593.
 * @returns new arrays, in order; where all values are the same they are all 0
 */
export function whiten(parts: readonly Float64Array[]): Float64Array[] {
  const count = parts.reduce((sum, { length }) => sum + length, 0);
  const mean = sumOf(parts, (x) => x) / count;
  const variance = sumOf(parts, (x) => (x - mean) ** 2) / count;
  const scale = 1 / Math.sqrt(variance + 1e-8);
  return parts.map((part) => part.map((x) => (x - mean) * scale));
}

function sumOf(parts: readonly Float64Array[], of: (x: number) => number): number {
  return parts.reduce((sum, part) => part.reduce((total, x) => total + of(x), sum), 0);
}
