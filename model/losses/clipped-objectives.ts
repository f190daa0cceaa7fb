/** @file PPO's two objectives (arXiv 1707.06347): neither policy nor value function gains by going far in one iteration. */
import type { Graph, Value } from "../graph/graph";

/** (N, 1) each, of the tokens of responses; `weights` says what each counts: 0 for padding, 1 / N for a mean. */
export type PolicyTargets = {
  /** Of the token under the policy before this iteration's updates. */
  oldLogprobs: Value;
  advantages: Value;
  weights: Value;
};

export type PolicyObjective = {
  /** Scalars. */
  pgLoss: Value;
  /** Share of the tokens (by weight) at which the clipped side was the worse one, so that they pull no further. */
  clipFrac: Value;
  /** Half the mean square of log ratios: how far the policy is from that before the updates. In nats. */
  approxKl: Value;
  /** (N, 1) p / p_old. */
  ratio: Value;
};

/**
 * pgLoss = sum_i w_i max(-A_i rho_i, -A_i clip(rho_i, 1 - c, 1 + c)),  rho = exp(log p - log p_old)
 * @param logprobs (N, 1)
 */
export function clippedPolicyObjective(
  g: Graph,
  logprobs: Value,
  { oldLogprobs, advantages, weights }: PolicyTargets,
  clip: number,
): PolicyObjective {
  const logRatio = g.sub(logprobs, oldLogprobs);
  const ratio = g.exp(logRatio);
  const against = g.neg(advantages);
  const free = g.mul(against, ratio);
  const clipped = g.mul(against, clampBetween(g, ratio, g.scalar(1 - clip), g.scalar(1 + clip)));
  const isClipped = g.cast(g.apply("Greater", [clipped, free], {}), "float32");
  return {
    pgLoss: weightedSum(g, g.apply("Max", [free, clipped], {}), weights),
    clipFrac: weightedSum(g, isClipped, weights),
    approxKl: g.scale(weightedSum(g, g.mul(logRatio, logRatio), weights), 0.5),
    ratio,
  };
}

/** (N, 1) each. */
export type ValueTargets = { oldValues: Value; returns: Value; weights: Value };

/**
 * vfLoss = 1/2 sum_i w_i max((V_i - R_i)^2, (clip(V_i, Vold_i - c, Vold_i + c) - R_i)^2), as in OpenAI's implementation
 * of arXiv 1909.08593.
 * @param values (N, 1) @returns scalars: the loss, and the share of tokens (by weight) where the clipped side counted
 */
export function clippedValueObjective(
  g: Graph,
  values: Value,
  { oldValues, returns, weights }: ValueTargets,
  clip: number,
): { vfLoss: Value; clipFrac: Value } {
  const margin = g.scalar(clip);
  const near = clampBetween(g, values, g.sub(oldValues, margin), g.add(oldValues, margin));
  const square = (of: Value) => {
    const error = g.sub(of, returns);
    return g.mul(error, error);
  };
  const [free, clipped] = [square(values), square(near)];
  const isClipped = g.cast(g.apply("Greater", [clipped, free], {}), "float32");
  return {
    vfLoss: g.scale(weightedSum(g, g.apply("Max", [free, clipped], {}), weights), 0.5),
    clipFrac: weightedSum(g, isClipped, weights),
  };
}

function clampBetween(g: Graph, x: Value, least: Value, most: Value): Value {
  return g.apply("Min", [g.apply("Max", [x, least], {}), most], {});
}

/** A scalar. */
function weightedSum(g: Graph, x: Value, weights: Value): Value {
  return g.apply("ReduceSum", [g.mul(x, weights)], { axes: [0, 1], keepDims: false });
}
