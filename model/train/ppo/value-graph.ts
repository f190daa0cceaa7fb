/** @file The value function's graphs: what the score will be, read before each token of a response, and one update of it. */
import { pullBack } from "../../autodiff/build-backward";
import type { ModelConfig } from "../../checkpoint/model-config";
import { Graph, type Value } from "../../graph/graph";
import { clippedValueObjective } from "../../losses/clipped-objectives";
import { buildGroupedTransformer } from "../../nn/grouped-transformer";
import { scoreRows } from "../../nn/reward-model";
import { type LoraShape, TrainedWeights } from "../../nn/trained-weights";
import { type GroupedGraph, gradientOutputs } from "./grouped-learner";

type ValueGraphOptions = { lora: LoraShape | null };

/** Added to what the head gives, as a reward model adds its `scoreBias`; (1), and never trained. */
export const valueBias = "valueBias";

/** Inputs: those of `groupFeeds`, `places` of `predictionRows`, `valueBias`, and the weights. Outputs: `rows` (N, 1), the values. */
export function buildValueGraph(config: ModelConfig, options: ValueGraphOptions): GroupedGraph {
  const { g, weights, values } = buildValueRows(config, options);
  g.output("rows", values);
  return { graph: g, trained: [...weights.trained.keys()] };
}

/**
 * Further inputs, (N, 1) each: `oldValues`, `returns`, `weights`. Further outputs: `loss` = coefficient * vfLoss, `vfLoss`,
 * `clipFrac`, and each gradient.
 */
export function buildValueUpdate(
  config: ModelConfig,
  {
    clip,
    coefficient,
    recompute,
    ...options
  }: ValueGraphOptions & { clip: number; coefficient: number; recompute: boolean },
): GroupedGraph {
  const { g, weights, values, layers } = buildValueRows(config, options);
  const column = (name: string) => g.input(name, "float32", ["rows", 1]);
  const targets = { oldValues: column("oldValues"), returns: column("returns"), weights: column("weights") };
  const { vfLoss, clipFrac } = clippedValueObjective(g, values, targets, clip);
  const loss = g.scale(vfLoss, coefficient);
  for (const [name, value] of Object.entries({ loss, vfLoss, clipFrac })) g.output(name, value);
  return gradientOutputs(g, weights, (parameters) =>
    pullBack(g, new Map([[loss, g.scalar(1)]]), parameters, recompute ? layers : []),
  );
}

function buildValueRows(config: ModelConfig, { lora }: ValueGraphOptions) {
  const g = new Graph();
  const weights = new TrainedWeights(lora);
  const places = g.input("places", "int64", ["rows"]);
  const { hidden, layers } = buildGroupedTransformer(g, config, weights);
  const bias = g.input(valueBias, "float32", [1]);
  const values: Value = g.add(scoreRows(g, config, weights, g.gather(hidden, places)), bias);
  return { g, weights, values, layers };
}
