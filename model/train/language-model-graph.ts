/** @file The graph of one training step of a language model: loss, and the gradient of each trained parameter. */
import { pullBack } from "../autodiff/build-backward";
import type { ModelConfig } from "../checkpoint/model-config";
import { Graph, type Value } from "../graph/graph";
import { linearCrossEntropy } from "../losses/linear-cross-entropy";
import { dropout, dropoutSites } from "../nn/dropout";
import { packedMask } from "../nn/packed-mask";
import { type LoraShape, TrainedWeights } from "../nn/trained-weights";
import { buildHead, buildTransformer, headLayout, headTable } from "../nn/transformer";
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

/** Each call takes the tables of the next site. */
function dropoutInputs(
  g: Graph,
  config: ModelConfig,
  { tokens, rate }: { tokens: number; rate: number },
): (x: Value) => Value {
  const sites = dropoutSites(config);
  const rows = g.input("dropoutRows", "int32", [sites, tokens]);
  const columns = g.input("dropoutColumns", "int32", [sites, config.hiddenSize]);
  let site = 0;
  return (x) => {
    const ofSite = (tables: Value, shape: readonly number[]) =>
      g.reshape(g.slice(tables, 0, site, site + 1), shape);
    const tables = { rows: ofSite(rows, [tokens, 1]), columns: ofSite(columns, [1, config.hiddenSize]) };
    site++;
    return dropout(g, x, rate, tables);
  };
}
