/** @file What an iteration of PPO is told by: means over its episodes, and what the updates came to. */

import { repetitionOf } from "../../eval/repetition";
import type { Episode, Judged, Rollout } from "./episodes";

/** By the names that charts, logs and tables have. */
export type PpoMetrics = {
  score: number;
  scoreDeviation: number;
  /** With the KL penalty, summed over a response. */
  reward: number;
  /** Nats a response, from the reference: two estimates of the same. */
  klK1: number;
  klK3: number;
  /** Mean of -log p of the sampled tokens, in nats: an unbiased estimate of the policy's entropy. */
  entropy: number;
  /** Tokens, the end included. */
  responseTokens: number;
  /** Share of responses that ended by themselves. */
  endedShare: number;
  /** Share of a response's word triples that were in it before. */
  repetition: number;
  /** Of the returns by the values; below 0 the value function is worse than none. */
  explainedVariance: number;
  beta: number;
  /** Largest |ratio - 1| before the first update, by the trainer's own log-probabilities. */
  firstRatioGap: number;
  /** Of the sampler's log-probabilities from the trainer's. */
  samplerGap: number;
  samplerGapMax: number;
};

export type UpdateMetrics = {
  pgLoss: number;
  vfLoss: number;
  approxKl: number;
  clipFrac: number;
  valueClipFrac: number;
  /** Before clipping, means over the updates. */
  policyGradientNorm: number;
  valueGradientNorm: number;
  /** Minibatches that were left out: not finite, or beyond `mostApproxKl`. */
  skippedUpdates: number;
  /** Nats a token of the text beside the updates, where there is any. */
  textLoss?: number;
};

export type PhaseSeconds = Record<"generation" | "scoring" | "reference" | "value" | "update", number>;

export function episodeMetrics(
  episodes: readonly Episode[],
): Omit<PpoMetrics, "beta" | "firstRatioGap" | "samplerGap" | "samplerGapMax"> {
  const scores = episodes.map(({ score }) => score);
  const tokens = sumOf(episodes, ({ tokens }) => tokens.length);
  return {
    ...responseMetrics(episodes),
    score: mean(scores),
    scoreDeviation: deviation(scores),
    reward: mean(episodes.map(({ rewards }) => total(rewards))),
    klK1: mean(episodes.map(({ kl }) => kl.k1)),
    klK3: mean(episodes.map(({ kl }) => kl.k3)),
    entropy: -sumOf(episodes, ({ logprobs }) => total(logprobs)) / tokens,
    explainedVariance: explainedVariance(episodes),
  };
}

/** What can be told of responses alone. */
export function responseMetrics(rollouts: readonly Rollout[]) {
  return {
    responseTokens: mean(rollouts.map(({ tokens }) => tokens.length)),
    endedShare: mean(rollouts.map(({ isEnded }) => Number(isEnded))),
    repetition: mean(rollouts.map(({ text }) => repetitionOf(text))),
  };
}

/** Mean of each part, by its name. */
export function partMeans(judged: readonly Judged[]): Record<string, number> {
  const names = Object.keys(judged[0]?.parts ?? {});
  return Object.fromEntries(names.map((name) => [name, mean(judged.map(({ parts }) => parts[name] ?? 0))]));
}

/** Between what the sampler saw and what the trainer computes, token by token. */
export function samplerGap(pairs: readonly { sampler: ArrayLike<number>; trainer: ArrayLike<number> }[]): {
  samplerGap: number;
  samplerGapMax: number;
} {
  const gaps = pairs.flatMap(({ sampler, trainer }) =>
    Array.from(trainer, (logprob, t) => Math.abs(logprob - (sampler[t] ?? Number.NaN))),
  );
  return { samplerGap: mean(gaps), samplerGapMax: gaps.reduce((most, gap) => Math.max(most, gap), 0) };
}

/** 1 - Var(returns - values) / Var(returns), over all tokens. */
function explainedVariance(episodes: readonly Episode[]): number {
  const returns = episodes.flatMap((episode) => [...episode.returns]);
  const errors = episodes.flatMap(({ returns: own, values }) => [...own].map((r, t) => r - (values[t] ?? 0)));
  const spread = deviation(returns) ** 2;
  return spread === 0 ? 0 : 1 - deviation(errors) ** 2 / spread;
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** Of the population. */
export function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

const total = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0);

function sumOf<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}
