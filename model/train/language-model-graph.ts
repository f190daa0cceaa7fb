/** @file The graph of one training step of a language model: loss, and the gradient of each trained parameter. */
import { pullBack } from "../autodiff/build-backward";
import type { ModelConfig } from "../checkpoint/model-config";
import { Graph, type Value } from "../graph/graph";
import { crossEntropy } from "../losses/cross-entropy";
import { packedMask } from "../nn/packed-mask";
import { type LoraShape, TrainedWeights } from "../nn/trained-weights";
import { buildHead, buildTransformer, headLayout } from "../nn/transformer";
import type { BatchShape } from "./token-batch";

export type LanguageModelGraph = {
  graph: Graph;
  /** What is trained, and what is only read, by name. */
  weights: TrainedWeights;
  /** The graph's output that holds a parameter's gradient. */
  gradientName(parameter: string): string;
};

/**
 * Inputs: the weights by name, and those of `TokenFeeds`. Outputs: `loss`, and with `backward` each gradient.
 * With `logits` the logits at the targets (N, V) are an output too.
 */
export function buildLanguageModelGraph(
  config: ModelConfig,
  { rows, length, targets }: BatchShape,
  {
    lora,
    backward,
    logits: wantsLogits = false,
  }: { lora: LoraShape | null; backward: boolean; logits?: boolean },
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
  const { hidden } = buildTransformer(g, config, weights, { ids, positions, mask, past: null });
  // Only rows that predict something go through the head, by far the widest matrix.
  const read = g.gather(g.reshape(hidden, [rows * length, config.hiddenSize]), places); // (N, hidden)
  // The head and its loss in pieces: its logits, and what the loss makes of them, are the widest arrays of all.
  const pieces = cutTargets(targets, config.vocabularySize).map(([from, to]) => {
    const part = (x: Value) => (to - from === targets ? x : g.slice(x, 0, from, to));
    const logits = buildHead(g, config, weights, part(read)); // (piece, V)
    return { logits, ...crossEntropy(g, logits, { labels: part(labels), weights: part(tokenWeights) }) };
  });
  g.output("loss", pieces.map(({ loss }) => loss).reduce(g.add));
  if (wantsLogits)
    g.output(
      "logits",
      g.concat(
        pieces.map(({ logits }) => logits),
        0,
      ),
    );

  const gradientName = (parameter: string) => `gradient:${parameter}`;
  if (backward) {
    const trained: Value[] = [...weights.trained.values()];
    const gradients = pullBack(
      g,
      new Map(pieces.map(({ logits, logitsGradient }) => [logits, logitsGradient()])),
      trained,
    );
    for (const [i, name] of [...weights.trained.keys()].entries()) {
      const gradient = gradients[i];
      if (gradient) g.output(gradientName(name), gradient);
    }
  }
  return { graph: g, weights, gradientName };
}

/** Elements of a piece's logits: 64 MiB in single precision. */
const mostLogits = 2 ** 24;

function cutTargets(targets: number, vocabularySize: number): [from: number, to: number][] {
  const rows = Math.max(1, Math.floor(mostLogits / vocabularySize));
  return Array.from({ length: Math.ceil(targets / rows) }, (_, i) => [
    i * rows,
    Math.min(targets, (i + 1) * rows),
  ]);
}
