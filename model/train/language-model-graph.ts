/** @file The graph of one training step of a language model: loss, and the gradient of each trained parameter. */
import { pullBack } from "../autodiff/build-backward";
import type { ModelConfig } from "../checkpoint/model-config";
import { Graph } from "../graph/graph";
import { linearCrossEntropy } from "../losses/linear-cross-entropy";
import { headLayout } from "../nn/attention";
import { packedMask } from "../nn/packed-mask";
import { type LoraShape, TrainedWeights } from "../nn/trained-weights";
import { buildHead, buildTransformer, headTable } from "../nn/transformer";
import { dropoutInputs } from "./dropout-inputs";
import type { BatchShape } from "./token-batch";

export type LanguageModelGraph = {
  graph: Graph;
  /** What is trained, and what is only read, by name. */
  weights: TrainedWeights;
  /** The graph's output that holds a parameter's gradient. */
  gradientName(parameter: string): string;
};

export type LanguageModelOptions = {
  lora: LoraShape | null;
  backward: boolean;
  /** The logits at the targets (N, V) are an output too. */
  logits?: boolean;
  /** Keeps only what enters each layer and computes the layer again in its backward pass (arXiv 1604.06174). */
  recompute?: boolean;
  /** Share of elements zeroed; above 0 the inputs of `dropoutFeeds` are wanted. */
  dropout?: number;
};

/** Inputs: the weights by name, and those of `TokenFeeds`. Outputs: `loss`, and with `backward` each gradient. */
export function buildLanguageModelGraph(
  config: ModelConfig,
  { rows, length, targets }: BatchShape,
  { lora, backward, logits: wantsLogits = false, recompute = false, dropout: rate = 0 }: LanguageModelOptions,
): LanguageModelGraph {
  const g = new Graph();
  const weights = new TrainedWeights(lora);
  const ids = g.input("ids", "int64", [rows, length]);
  const positions = g.input("positions", "int64", [rows, length]);
  const segments = g.input("segments", "int64", [rows, length]);
  const places = g.input("places", "int64", [targets]);
  const labels = g.input("labels", "int64", [targets]);
  const tokenWeights = g.input("weights", "float32", [targets]);

  const mask = packedMask(g, positions, segments, headLayout(config));
  const drop = rate > 0 ? dropoutInputs(g, config, { tokens: rows * length, rate }) : null;
  const inputs = { ids, positions, mask, past: null, dropout: drop };
  const { hidden, layers } = buildTransformer(g, config, weights, inputs);
  // Only rows that predict something go through the head, by far the widest matrix.
  const read = g.gather(g.reshape(hidden, [rows * length, config.hiddenSize]), places); // (N, hidden)
  const head = weights.table(g, headTable(config)); // (V, hidden)
  const { loss, gradients: ofLoss } = linearCrossEntropy(
    g,
    { x: read, head },
    { labels, weights: tokenWeights },
  );
  g.output("loss", loss);
  if (wantsLogits) g.output("logits", buildHead(g, config, weights, read));

  const gradientName = (parameter: string) => `gradient:${parameter}`;
  if (backward) {
    const trained = [...weights.trained.entries()];
    const cotangents = new Map([[read, ofLoss.x()]]);
    if (weights.isTrained(head)) cotangents.set(head, ofLoss.head());
    const parameters = trained.map(([, value]) => value);
    const gradients = pullBack(g, cotangents, parameters, recompute ? layers : []);
    for (const [i, [name]] of trained.entries()) {
      const gradient = gradients[i];
      if (gradient) g.output(gradientName(name), gradient);
    }
  }
  return { graph: g, weights, gradientName };
}
