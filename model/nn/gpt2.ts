/** @file The GPT-2 family: LayerNorm, learned positions, one fused qkv, GELU. */
import type { Gpt2Config } from "@/model/checkpoint/model-config";
import type { Graph, NodeRange, Value } from "@/model/graph/graph";
import { attend } from "./attend";
import { headLayout, joinHeads, type KeysValues, splitHeads } from "./attention";
import { type BlockAttention, prepareBlocks } from "./block-attention";
import { layerNorm } from "./norms";
import type { TransformerInputs, TransformerOutputs } from "./transformer";
import { linear, type ModelWeights } from "./weights";

export function buildGpt2(
  g: Graph,
  config: Gpt2Config,
  weights: ModelWeights,
  inputs: TransformerInputs,
): TransformerOutputs {
  const { hiddenSize: width, layerNormEps, vocabularySize, contextLength, layerCount } = config;
  const norm = (name: string, x: Value) =>
    layerNorm(g, weights, x, { name, size: width, epsilon: layerNormEps });
  const byBlocks = inputs.blocks && prepareBlocks(g, inputs.blocks, inputs.positions, headLayout(config));
  const newKeysValues: KeysValues[] = [];
  const layers: NodeRange[] = [];
  const drop = (branch: Value) => inputs.dropout?.(branch) ?? branch;

  const tokens = weights.embed(g, inputs.ids, { name: "transformer.wte", rows: vocabularySize, width });
  const places = weights.embed(g, inputs.positions, { name: "transformer.wpe", rows: contextLength, width });
  let x = drop(g.add(tokens, places)); // (B, T, hidden)
  for (let layer = 0; layer < layerCount; layer++) {
    const from = g.nodes.length;
    const at = `transformer.h.${layer}`;
    const attended = selfAttention(g, config, weights, { x: norm(`${at}.ln_1`, x), layer, inputs, byBlocks });
    if (attended.keysValues) newKeysValues.push(attended.keysValues);
    x = g.add(x, drop(attended.y));
    x = g.add(x, drop(geluMlp(g, config, weights, { x: norm(`${at}.ln_2`, x), at })));
    layers.push({ from, to: g.nodes.length });
  }
  return { hidden: norm("transformer.ln_f", x), newKeysValues, layers };
}

const conv1d = (name: string, inSize: number, outSize: number) => {
  return { name, inSize, outSize, hasBias: true, isInOut: true };
};

type AttentionStep = {
  x: Value;
  layer: number;
  inputs: TransformerInputs;
  byBlocks: BlockAttention | undefined;
};

function selfAttention(
  g: Graph,
  config: Gpt2Config,
  weights: ModelWeights,
  { x, layer, inputs, byBlocks }: AttentionStep,
) {
  const { hiddenSize, headCount, headSize } = config;
  const at = `transformer.h.${layer}.attn`;
  const qkv = linear(g, weights, x, conv1d(`${at}.c_attn`, hiddenSize, 3 * hiddenSize));
  const part = (i: number) => g.slice(qkv, -1, i * hiddenSize, (i + 1) * hiddenSize);
  const output = conv1d(`${at}.c_proj`, hiddenSize, hiddenSize);
  if (byBlocks) {
    const mixed = byBlocks({ q: part(0), keys: part(1), values: part(2) });
    return { y: linear(g, weights, mixed, output), keysValues: null };
  }
  const heads = (i: number) => splitHeads(g, part(i), headCount, headSize);
  const q = heads(0);
  const keysValues = { keys: heads(1), values: heads(2) };
  const mixed = attend(g, { q, ...keysValues }, { layer, inputs });
  return { y: linear(g, weights, joinHeads(g, mixed), output), keysValues };
}

function geluMlp(
  g: Graph,
  { hiddenSize, intermediateSize, activation }: Gpt2Config,
  weights: ModelWeights,
  { x, at }: { x: Value; at: string },
): Value {
  const wide = linear(g, weights, x, conv1d(`${at}.mlp.c_fc`, hiddenSize, intermediateSize));
  const active = g.apply("Gelu", [wide], { approximate: activation === "gelu_new" ? "tanh" : "none" });
  return linear(g, weights, active, conv1d(`${at}.mlp.c_proj`, intermediateSize, hiddenSize));
}
