/** @file Two very small models of random weights: one with shared key heads and rotary positions, one with learned positions. */
import { expectedTensors } from "@/model/checkpoint/expected-tensors";
import type { Gpt2Config, LlamaConfig, ModelConfig } from "@/model/checkpoint/model-config";
import { normalTensor } from "@/model/random/normal";

const sizes = {
  vocabularySize: 31,
  contextLength: 64,
  hiddenSize: 12,
  intermediateSize: 20,
  layerCount: 2,
  headCount: 4,
  tieEmbeddings: true,
  bosTokenId: null,
  endTokenIds: [],
};

export const tinyLlama: LlamaConfig = {
  ...sizes,
  family: "llama",
  headCount: 2,
  keyValueHeadCount: 1,
  headSize: 6,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  attentionBias: false,
  attentionOutputBias: false,
  mlpBias: false,
};

export const tinyGpt2: Gpt2Config = {
  ...sizes,
  family: "gpt2",
  headSize: 3,
  layerNormEps: 1e-5,
  activation: "gelu_new",
};

export function randomWeights(config: ModelConfig): Map<string, Float32Array> {
  return new Map(
    [...expectedTensors(config)].map(([name, dims], i) => {
      const size = dims.reduce((product, dim) => product * dim, 1);
      return [name, normalTensor(5, i, size, dims.length > 1 ? 0.3 : 1)] as const;
    }),
  );
}
