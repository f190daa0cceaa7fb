/** @file The policy's graphs: log-probabilities of responses, and one update by PPO's objective with text beside it. */
import { buildBackward, pullBack } from "../../autodiff/build-backward";
import type { ModelConfig } from "../../checkpoint/model-config";
import { Graph, type Value } from "../../graph/graph";
import { clippedPolicyObjective } from "../../losses/clipped-objectives";
import { tokenLosses } from "../../losses/linear-cross-entropy";
import { buildGroupedTransformer } from "../../nn/grouped-transformer";
import { type LoraShape, TrainedWeights } from "../../nn/trained-weights";
import { headTable } from "../../nn/transformer";
import { type GroupedGraph, gradientOutputs } from "./grouped-learner";

export type PolicyGraphOptions = {
  lora: LoraShape | null;
  /** Rows that a run reads at most; more is slower, not wrong. */
  mostRows: number;
};

type PolicyRows = {
  g: Graph;
  weights: TrainedWeights;
  read: Value;
  head: Value;
  losses: ReturnType<typeof tokenLosses>;
  layers: Parameters<typeof pullBack>[3];
};

/** Inputs: those of `groupFeeds` and of `predictionRows`, and the weights. Outputs: `rows` (N, 1), the log-probabilities. */
export function buildLogprobGraph(config: ModelConfig, options: PolicyGraphOptions): GroupedGraph {
  const { g, losses } = buildPolicyRows(config, options);
  g.output("rows", g.neg(losses.nll));
  return { graph: g };
}

/**
 * Further inputs, (N, 1) each: `oldLogprobs`, `advantages`, `weights`, and `textWeights`, by which a row counts as text to be
 * continued as it stands (ptx). Further outputs: `loss` = pgLoss + textLoss, both of these, `clipFrac`, `approxKl`,
 * `ratioGap`, the largest |ratio - 1| of a row that counts, and each gradient.
 */
export function buildPolicyUpdate(
  config: ModelConfig,
  { clip, recompute, ...options }: PolicyGraphOptions & { clip: number; recompute: boolean },
): GroupedGraph {
  const { g, weights, read, head, losses, layers } = buildPolicyRows(config, options);
  const column = (name: string) => g.input(name, "float32", ["rows", 1]);
  const targets = {
    oldLogprobs: column("oldLogprobs"),
    advantages: column("advantages"),
    weights: column("weights"),
  };
  const { pgLoss, clipFrac, approxKl, ratio } = clippedPolicyObjective(g, g.neg(losses.nll), targets, clip);
  const weighted = g.mul(losses.nll, column("textWeights"));
  const textLoss = g.apply("ReduceSum", [weighted], { axes: [0, 1], keepDims: false });
  const loss = g.add(pgLoss, textLoss);
  const ratioGap = largestGap(g, ratio, targets.weights);
  for (const [name, value] of Object.entries({ loss, pgLoss, textLoss, clipFrac, approxKl, ratioGap }))
    g.output(name, value);

  // The objective is differentiated as far as the tokens' losses, which have their gradient in closed form.
  const [ofNll] = buildBackward(g, loss, [losses.nll]);
  if (ofNll === undefined) throw new Error("The objective does not depend on the policy");
  const ofLoss = losses.gradients(ofNll);
  const cotangents = new Map([[read, ofLoss.x()]]);
  if (weights.isTrained(head)) cotangents.set(head, ofLoss.head());
  const built = gradientOutputs(g, weights, (parameters) =>
    pullBack(g, cotangents, parameters, recompute ? layers : []),
  );
  return { ...built, maxima: ["ratioGap"] };
}

/** A scalar: max |ratio - 1| over the rows with a weight. */
function largestGap(g: Graph, ratio: Value, weights: Value): Value {
  const gap = g.sub(ratio, g.scalar(1));
  const counts = g.cast(g.apply("Greater", [weights, g.scalar(0)], {}), "float32");
  const sized = g.mul(g.apply("Max", [gap, g.neg(gap)], {}), counts);
  return g.apply("ReduceMax", [sized], { axes: [0, 1], keepDims: false });
}

function buildPolicyRows(config: ModelConfig, { lora, mostRows }: PolicyGraphOptions): PolicyRows {
  const g = new Graph();
  const weights = new TrainedWeights(lora);
  const places = g.input("places", "int64", ["rows"]);
  const labels = g.input("labels", "int64", ["rows"]);
  const { hidden, layers } = buildGroupedTransformer(g, config, weights);
  const read = g.gather(hidden, places); // (N, hidden)
  const head = weights.table(g, headTable(config)); // (V, hidden)
  return { g, weights, read, head, losses: tokenLosses(g, { x: read, head }, labels, { mostRows }), layers };
}
