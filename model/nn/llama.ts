/** @file The Llama and Qwen2 families: RMSNorm, rotary positions, grouped-query attention, SwiGLU. */
import type { LlamaConfig, Qwen2Config } from "@/model/checkpoint/model-config";
import type { Graph, NodeRange, Value } from "@/model/graph/graph";
import { attend } from "./attend";
import { headLayout, joinHeads, type KeysValues, splitHeads } from "./attention";
import { type BlockAttention, prepareBlocks } from "./block-attention";
import { rmsNorm } from "./norms";
import { type RopeTables, ropeTables, rotate } from "./rope";
import type { TransformerInputs, TransformerOutputs } from "./transformer";
import { linear, type ModelWeights } from "./weights";

type Config = LlamaConfig | Qwen2Config;

export function buildLlama(
  g: Graph,
  config: Config,
  weights: ModelWeights,
  inputs: TransformerInputs,
): TransformerOutputs {
  const { hiddenSize, rmsNormEps, vocabularySize, layerCount } = config;
  const norm = (name: string, x: Value) =>
    rmsNorm(g, weights, x, { name, size: hiddenSize, epsilon: rmsNormEps });
  const rope = ropeTables(g, weights, config);
  const byBlocks = inputs.blocks && prepareBlocks(g, inputs.blocks, inputs.positions, headLayout(config));
  const newKeysValues: KeysValues[] = [];
  const layers: NodeRange[] = [];
  const drop = (branch: Value) => inputs.dropout?.(branch) ?? branch;

  const table = { name: "model.embed_tokens", rows: vocabularySize, width: hiddenSize };
  let x = drop(weights.embed(g, inputs.ids, table)); // (B, T, hidden)
  for (let layer = 0; layer < layerCount; layer++) {
    const from = g.nodes.length;
    const at = `model.layers.${layer}`;
    const normed = norm(`${at}.input_layernorm`, x);
    const attended = selfAttention(g, config, weights, { x: normed, layer, rope, inputs, byBlocks });
    if (attended.keysValues) newKeysValues.push(attended.keysValues);
    x = g.add(x, drop(attended.y));
    x = g.add(x, drop(swiGlu(g, config, weights, { x: norm(`${at}.post_attention_layernorm`, x), at })));
    layers.push({ from, to: g.nodes.length });
  }
  return { hidden: norm("model.norm", x), newKeysValues, layers };
}

type AttentionStep = {
  x: Value;
  layer: number;
  rope: RopeTables;
  inputs: TransformerInputs;
  byBlocks: BlockAttention | undefined;
};

function selfAttention(g: Graph, config: Config, weights: ModelWeights, step: AttentionStep) {
  const { hiddenSize, headCount, keyValueHeadCount, headSize, attentionBias } = config;
  const at = `model.layers.${step.layer}.self_attn`;
  const project = (name: string, heads: number) => {
    return { name: `${at}.${name}`, inSize: hiddenSize, outSize: heads * headSize, hasBias: attentionBias };
  };
  const layers = [
    project("q_proj", headCount),
    project("k_proj", keyValueHeadCount),
    project("v_proj", keyValueHeadCount),
  ];
  const [q, k, v] = weights.linear(g, step.x, layers) as [Value, Value, Value];
  const turn = (heads: Value, positions: Value) => rotate(g, heads, positions, step.rope);
  const output = {
    name: `${at}.o_proj`,
    inSize: headCount * headSize,
    outSize: hiddenSize,
    hasBias: config.attentionOutputBias,
  };
  if (step.byBlocks) {
    const mixed = step.byBlocks({ q, keys: k, values: v }, turn);
    return { y: linear(g, weights, mixed, output), keysValues: null };
  }
  const { positions } = step.inputs;
  const keysValues = {
    keys: turn(splitHeads(g, k, keyValueHeadCount, headSize), positions),
    values: splitHeads(g, v, keyValueHeadCount, headSize),
  };
  const queries = turn(splitHeads(g, q, headCount, headSize), positions);
  const mixed = attend(g, { q: queries, ...keysValues }, step);
  return { y: linear(g, weights, joinHeads(g, mixed), output), keysValues };
}

/** down(silu(gate(x)) * up(x)) */
function swiGlu(g: Graph, config: Config, weights: ModelWeights, { x, at }: { x: Value; at: string }): Value {
  const { hiddenSize, intermediateSize, mlpBias: hasBias } = config;
  const widen = (name: string) => {
    return { name: `${at}.mlp.${name}`, inSize: hiddenSize, outSize: intermediateSize, hasBias };
  };
  const [gate, up] = weights.linear(g, x, [widen("gate_proj"), widen("up_proj")]) as [Value, Value];
  const silu = g.apply("QuickGelu", [gate], { alpha: 1 });
  const down = { name: `${at}.mlp.down_proj`, inSize: intermediateSize, outSize: hiddenSize, hasBias };
  return linear(g, weights, g.mul(silu, up), down);
}
