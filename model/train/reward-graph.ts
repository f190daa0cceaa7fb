/** @file The graph of one training step of a reward model: pairwise loss, scores, and the gradient of each trained parameter. */
import { pullBack } from "../autodiff/build-backward";
import type { ModelConfig } from "../checkpoint/model-config";
import { Graph } from "../graph/graph";
import { pairwiseLoss } from "../losses/pairwise";
import { buildRewardModel } from "../nn/reward-model";
import { type LoraShape, TrainedWeights } from "../nn/trained-weights";
import { dropoutInputs } from "./dropout-inputs";

export type RewardGraph = {
  graph: Graph;
  weights: TrainedWeights;
  /** The graph's output that holds a parameter's gradient. */
  gradientName(parameter: string): string;
};

export type RewardGraphOptions = {
  lora: LoraShape | null;
  backward: boolean;
  /** As in `LanguageModelOptions`. */
  recompute?: boolean;
  dropout?: number;
  /** Heads of the ensemble; pairs are then pairs of one member's scores. */
  members?: number;
};

/**
 * Inputs: the weights by name, those of `rewardFeeds` and of `pairFeeds`. Outputs: `loss`, `scores` (R * members) without
 * bias, `read` (R, hidden), the states they are read from, and with `backward` each gradient.
 */
export function buildRewardGraph(
  config: ModelConfig,
  { lora, backward, recompute = false, dropout: rate = 0, members = 1 }: RewardGraphOptions,
): RewardGraph {
  const g = new Graph();
  const weights = new TrainedWeights(lora);
  const chosen = g.input("chosen", "int64", ["pairs"]);
  const rejected = g.input("rejected", "int64", ["pairs"]);
  const pairWeights = g.input("pairWeights", "float32", ["pairs"]);
  const dropout = rate > 0 ? dropoutInputs(g, config, { tokens: "tokens", rate }) : null;
  const { scores, read, layers } = buildRewardModel(g, config, weights, { dropout, members });
  const loss = pairwiseLoss(g, scores, { chosen, rejected, weights: pairWeights });
  g.output("loss", loss);
  g.output("scores", scores);
  g.output("read", read);

  const gradientName = (parameter: string) => `gradient:${parameter}`;
  if (backward) {
    const trained = [...weights.trained.entries()];
    const parameters = trained.map(([, value]) => value);
    const gradients = pullBack(g, new Map([[loss, g.scalar(1)]]), parameters, recompute ? layers : []);
    for (const [i, [name]] of trained.entries()) {
      const gradient = gradients[i];
      if (gradient) g.output(gradientName(name), gradient);
    }
  }
  return { graph: g, weights, gradientName };
}
