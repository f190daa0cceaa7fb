/** @file config.json as released models write it, old and new, and what is refused. */
import { describe, expect, it } from "vitest";
import { UnsupportedModelError } from "@/model/checkpoint/errors";
import { parameterCount } from "@/model/checkpoint/expected-tensors";
import { parseModelConfig } from "@/model/checkpoint/model-config";

const llama = {
  model_type: "llama",
  vocab_size: 128256,
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 64,
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-5,
  rope_theta: 500000.0,
  tie_word_embeddings: true,
  bos_token_id: 128000,
  eos_token_id: [128001, 128008, 128009],
};
const llama3 = {
  rope_type: "llama3",
  factor: 32,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};
const llama3Parsed = {
  type: "llama3",
  factor: 32,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalContextLength: 8192,
};

describe("config.json", () => {
  it("of Llama 3.2 1B gives its shape and its 1,235,814,400 parameters", () => {
    const config = parseModelConfig({ ...llama, rope_scaling: llama3 });
    expect(config).toMatchObject({
      ...{ family: "llama", headSize: 64, keyValueHeadCount: 8, ropeTheta: 500000, tieEmbeddings: true },
      ...{ endTokenIds: [128001, 128008, 128009], attentionBias: false, ropeScaling: llama3Parsed },
    });
    expect(parameterCount(config)).toBe(1_235_814_400);
  });

  it("as transformers 5 writes it: rotary settings in rope_parameters", () => {
    const { rope_theta: _, ...rest } = llama;
    expect(parseModelConfig({ ...rest, rope_parameters: { ...llama3, rope_theta: 500000 } })).toMatchObject({
      ropeTheta: 500000,
      ropeScaling: llama3Parsed,
    });
  });

  it("of Qwen2 has a bias on q, k and v alone", () => {
    expect(parseModelConfig({ ...llama, model_type: "qwen2", eos_token_id: 7 })).toMatchObject({
      ...{
        family: "qwen2",
        attentionBias: true,
        attentionOutputBias: false,
        mlpBias: false,
        endTokenIds: [7],
      },
    });
  });

  it("of GPT-2 gives its 124,439,808 parameters", () => {
    const config = parseModelConfig({
      ...{ model_type: "gpt2", vocab_size: 50257, n_positions: 1024, n_embd: 768, n_layer: 12, n_head: 12 },
      ...{ bos_token_id: 50256, eos_token_id: 50256 },
    });
    expect(config).toMatchObject({
      family: "gpt2",
      headSize: 64,
      intermediateSize: 3072,
      tieEmbeddings: true,
    });
    expect(parameterCount(config)).toBe(124_439_808);
  });

  it.each([
    [{ model_type: "mistral" }, /model_type "mistral"/],
    [{ hidden_act: "gelu" }, /hidden_act gelu/],
    [{ rope_scaling: { rope_type: "yarn", factor: 4 } }, /rope scaling .*yarn.*supported: default, linear/],
    [{ rope_scaling: { rope_type: "llama3", factor: 4 } }, /rope scaling/],
    [{ model_type: "qwen2", use_sliding_window: true }, /use_sliding_window/],
    [{ num_key_value_heads: 7 }, /32 heads, 7 key-value heads/],
    [{ num_hidden_layers: -1 }, /num_hidden_layers/],
    [{ hidden_size: 1e12 }, /hidden_size/],
    [{ vocab_size: "many" }, /vocab_size/],
  ])("%j is refused", (change, fact) => {
    const parse = () => parseModelConfig({ ...llama, ...change });
    expect(parse).toThrow(fact);
    expect(parse).toThrow(UnsupportedModelError);
  });

  it.each([null, 3, [], "x"])("%j is refused", (json) => {
    expect(() => parseModelConfig(json)).toThrow(UnsupportedModelError);
  });
});
