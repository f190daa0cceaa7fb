/** @file Which tensors a model of a given configuration has, by Hugging Face's names, and their shapes. */
import { CorruptFileError } from "./errors";
import type { Gpt2Config, ModelConfig } from "./model-config";
import type { TensorInfo } from "./tensor-source";

/** Name to shape, in the order of the layers. */
export type ExpectedTensors = ReadonlyMap<string, readonly number[]>;

export function expectedTensors(config: ModelConfig): ExpectedTensors {
  return new Map(config.family === "gpt2" ? gpt2Tensors(config) : llamaTensors(config));
}

/** Of a complete reward model: a head of one score instead of the vocabulary's, as transformers names it. */
export function rewardTensors(config: ModelConfig): ExpectedTensors {
  const tensors = new Map(expectedTensors(config));
  tensors.delete("lm_head.weight");
  return tensors.set("score.weight", [1, config.hiddenSize]);
}

type NamedShape = [name: string, shape: readonly number[]];

function* llamaTensors(config: Exclude<ModelConfig, Gpt2Config>): Generator<NamedShape> {
  const { hiddenSize, intermediateSize, vocabularySize } = config;
  const queryWidth = config.headCount * config.headSize;
  const keyWidth = config.keyValueHeadCount * config.headSize;
  yield ["model.embed_tokens.weight", [vocabularySize, hiddenSize]];
  for (let layer = 0; layer < config.layerCount; layer++) {
    const at = `model.layers.${layer}`;
    yield [`${at}.input_layernorm.weight`, [hiddenSize]];
    yield* linear(`${at}.self_attn.q_proj`, queryWidth, hiddenSize, config.attentionBias);
    yield* linear(`${at}.self_attn.k_proj`, keyWidth, hiddenSize, config.attentionBias);
    yield* linear(`${at}.self_attn.v_proj`, keyWidth, hiddenSize, config.attentionBias);
    yield* linear(`${at}.self_attn.o_proj`, hiddenSize, queryWidth, config.attentionOutputBias);
    yield [`${at}.post_attention_layernorm.weight`, [hiddenSize]];
    yield* linear(`${at}.mlp.gate_proj`, intermediateSize, hiddenSize, config.mlpBias);
    yield* linear(`${at}.mlp.up_proj`, intermediateSize, hiddenSize, config.mlpBias);
    yield* linear(`${at}.mlp.down_proj`, hiddenSize, intermediateSize, config.mlpBias);
  }
  yield ["model.norm.weight", [hiddenSize]];
  if (!config.tieEmbeddings) yield ["lm_head.weight", [vocabularySize, hiddenSize]];
}

function* linear(name: string, out: number, into: number, hasBias: boolean): Generator<NamedShape> {
  yield [`${name}.weight`, [out, into]];
  if (hasBias) yield [`${name}.bias`, [out]];
}

function* gpt2Tensors(config: Gpt2Config): Generator<NamedShape> {
  const { hiddenSize, intermediateSize, vocabularySize } = config;
  yield ["transformer.wte.weight", [vocabularySize, hiddenSize]];
  yield ["transformer.wpe.weight", [config.contextLength, hiddenSize]];
  for (let layer = 0; layer < config.layerCount; layer++) {
    const at = `transformer.h.${layer}`;
    yield* layerNorm(`${at}.ln_1`, hiddenSize);
    yield* conv1d(`${at}.attn.c_attn`, hiddenSize, 3 * hiddenSize);
    yield* conv1d(`${at}.attn.c_proj`, hiddenSize, hiddenSize);
    yield* layerNorm(`${at}.ln_2`, hiddenSize);
    yield* conv1d(`${at}.mlp.c_fc`, hiddenSize, intermediateSize);
    yield* conv1d(`${at}.mlp.c_proj`, intermediateSize, hiddenSize);
  }
  yield* layerNorm("transformer.ln_f", hiddenSize);
  if (!config.tieEmbeddings) yield ["lm_head.weight", [vocabularySize, hiddenSize]];
}

function* layerNorm(name: string, size: number): Generator<NamedShape> {
  yield [`${name}.weight`, [size]];
  yield [`${name}.bias`, [size]];
}

function* conv1d(name: string, into: number, out: number): Generator<NamedShape> {
  yield [`${name}.weight`, [into, out]];
  yield [`${name}.bias`, [out]];
}

/** @throws CorruptFileError naming the first tensor that is missing or of another shape. */
export function checkTensors(
  config: ModelConfig,
  source: { has(name: string): boolean; info(name: string): Pick<TensorInfo, "shape"> },
  file: string,
  expected = expectedTensors(config),
): void {
  for (const [name, shape] of expected) {
    if (!source.has(name)) throw new CorruptFileError(file, `tensor ${name} is missing`);
    const found = source.info(name).shape;
    if (found.length !== shape.length || found.some((size, axis) => size !== shape[axis])) {
      throw new CorruptFileError(
        file,
        `tensor ${name} is [${found.join(", ")}] where config.json says [${shape.join(", ")}]`,
      );
    }
  }
}

export function parameterCount(config: ModelConfig): number {
  let total = 0;
  for (const shape of expectedTensors(config).values())
    total += shape.reduce((product, size) => product * size, 1);
  return total;
}
