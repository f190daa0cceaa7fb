/** @file Any decoder by its configuration: the one entry for training and serving. */
import type { ModelConfig } from "@/model/checkpoint/model-config";
import type { Graph, NodeRange, Value } from "@/model/graph/graph";
import type { KeysValues } from "./attention";
import type { AttentionBlock } from "./block-attention";
import type { Past } from "./cached-attention";
import { buildGpt2 } from "./gpt2";
import { buildLlama } from "./llama";
import { linear, type ModelWeights, type Table } from "./weights";

export type TransformerInputs = {
  /** int64 (B, T) */
  ids: Value;
  /** int64 (B, T): each token's place in its own text. */
  positions: Value;
  /** Applied to the embeddings and to what each half of a layer adds (B, T, hidden); null for none. */
  dropout?: ((x: Value) => Value) | null;
} & (
  | {
      /**
       * Added to attention scores: 0 where a token may look, -∞ where not. Training: (B or 1, 1, `maskRows`, T). Serving:
       * (B, 1, 1, T, C + T).
       */
      mask: Value;
      /** One per layer when serving; null when training. */
      past: readonly Past[] | null;
      blocks?: undefined;
    }
  /** B is 1, and who may look at whom is said block by block. */
  | { blocks: readonly AttentionBlock[]; mask?: undefined; past?: undefined }
);

export type TransformerOutputs = {
  /** After the last norm. (B, T, hidden) */
  hidden: Value;
  /** Of the new tokens, one per layer: what a cache has to remember. None where attention goes by blocks. */
  newKeysValues: readonly KeysValues[];
  /** The nodes of each layer. */
  layers: readonly NodeRange[];
};

export function buildTransformer(
  g: Graph,
  config: ModelConfig,
  weights: ModelWeights,
  inputs: TransformerInputs,
): TransformerOutputs {
  return config.family === "gpt2"
    ? buildGpt2(g, config, weights, inputs)
    : buildLlama(g, config, weights, inputs);
}

/** hidden (…, hidden) -> logits (…, V) */
export function buildHead(g: Graph, config: ModelConfig, weights: ModelWeights, hidden: Value): Value {
  const { name, rows, width } = headTable(config);
  if (config.tieEmbeddings) return weights.tiedHead(g, hidden, { name, rows, width });
  return linear(g, weights, hidden, { name, inSize: width, outSize: rows, hasBias: false });
}

export function embeddingTable({ family, vocabularySize, hiddenSize }: ModelConfig): Table {
  const name = family === "gpt2" ? "transformer.wte" : "model.embed_tokens";
  return { name, rows: vocabularySize, width: hiddenSize };
}

/** The output head's weight (V, hidden), which may be the embedding's. */
export function headTable(config: ModelConfig): Table {
  const embedding = embeddingTable(config);
  return config.tieEmbeddings ? embedding : { ...embedding, name: "lm_head" };
}
