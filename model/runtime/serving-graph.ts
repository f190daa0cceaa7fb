/** @file The graph a server runs: new tokens and the cache in, logits of chosen tokens and the new cache rows out. */
import type { ModelConfig } from "../checkpoint/model-config";
import { Graph, type Value } from "../graph/graph";
import { headLayout } from "../nn/attention";
import type { Past } from "../nn/cached-attention";
import { buildHead, buildTransformer } from "../nn/transformer";
import type { ModelWeights } from "../nn/weights";

/**
 * Inputs (B sequences, T new tokens each, C places in the cache, R rows wanted):
 * - `ids`, `positions` int64 (B, T)
 * - `mask` (B, 1, 1, T, C + T): 0 or -∞
 * - `spans` int64 (2): [C, T]
 * - `rows` int64 (R): which of the B * T tokens give logits
 * - `past.<layer>.keys`, `past.<layer>.values` (B, Hkv, 1, C, D)
 *
 * Outputs: `logits` (R, V); `keys` and `values` (layers * B, Hkv, T, D), of the new tokens only: what the runtime returns
 * it copies, so returning the whole cache would cost more than the step.
 */
export function buildServingGraph(config: ModelConfig, weights: ModelWeights): Graph {
  const g = new Graph();
  const ids = g.input("ids", "int64", ["batch", "time"]);
  const positions = g.input("positions", "int64", ["batch", "time"]);
  const mask = g.input("mask", "float32", ["batch", 1, 1, "time", "past+time"]);
  const spans = g.input("spans", "int64", [2]);
  const rows = g.input("rows", "int64", ["rows"]);
  const past = pastInputs(g, config, spans);

  const { hidden, newKeysValues } = buildTransformer(g, config, weights, { ids, positions, mask, past });
  const byToken = g.reshape(hidden, ["tokens", config.hiddenSize]);
  g.output("logits", buildHead(g, config, weights, g.gather(byToken, rows)));
  const keys = newKeysValues.map((layer) => layer.keys);
  const values = newKeysValues.map((layer) => layer.values);
  g.output("keys", g.concat(keys, 0));
  g.output("values", g.concat(values, 0));
  return g;
}

function pastInputs(g: Graph, config: ModelConfig, spans: Value): Past[] {
  const shape = ["batch", headLayout(config).keyValueHeadCount, 1, "past", config.headSize];
  return Array.from({ length: config.layerCount }, (_, layer) => ({
    keys: g.input(`past.${layer}.keys`, "float32", shape),
    values: g.input(`past.${layer}.values`, "float32", shape),
    spans,
  }));
}
