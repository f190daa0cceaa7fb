/** @file What a GGUF file says about its architecture, as the config.json that transformers would have written. */
import { UnsupportedModelError } from "./errors";
import type { GgufFile } from "./gguf-file";
import { GgufMetadata } from "./gguf-metadata";
import { halvesToFloats } from "./half-floats";

export type ConfigJson = Record<string, unknown> & { model_type: "llama" | "qwen2" | "gpt2" };

/** @throws UnsupportedModelError, CorruptFileError (a key that must be there is missing) */
export function configFromGguf(file: GgufFile): ConfigJson {
  const metadata = new GgufMetadata(file);
  const architecture = metadata.text("general.architecture");
  if (architecture !== "llama" && architecture !== "qwen2" && architecture !== "gpt2") {
    throw new UnsupportedModelError(`GGUF architecture ${architecture}`, "llama, qwen2, gpt2");
  }
  if ((metadata.optionalNumber("split.count") ?? 1) > 1) {
    throw new UnsupportedModelError(
      "a GGUF in several files",
      "one file (llama-gguf-split --merge makes it)",
    );
  }
  const common = {
    vocab_size: file.tensors.get("token_embd.weight")?.shape[0],
    bos_token_id: metadata.optionalNumber("tokenizer.ggml.bos_token_id"),
    eos_token_id: endTokenIds(metadata),
    pad_token_id: metadata.optionalNumber("tokenizer.ggml.padding_token_id"),
    tie_word_embeddings: !file.tensors.has("output.weight"),
    torch_dtype: torchDtype(file),
  };
  return architecture === "gpt2"
    ? { ...gpt2Config(metadata), ...common }
    : { ...llamaConfig(file, metadata, architecture), ...common };
}

/** The end-of-text token first; an end-of-turn token of its own after it. */
function endTokenIds(metadata: GgufMetadata): number | number[] | null {
  const end = metadata.optionalNumber("tokenizer.ggml.eos_token_id");
  const turn = metadata.optionalNumber("tokenizer.ggml.eot_token_id");
  const ids = [...new Set([end, turn])].filter((id) => id !== null);
  return ids.length > 1 ? ids : (ids[0] ?? null);
}

function torchDtype(file: GgufFile): string {
  const format = file.tensors.get("token_embd.weight")?.format;
  return format === "F32" ? "float32" : format === "BF16" ? "bfloat16" : "float16";
}

function llamaConfig(file: GgufFile, metadata: GgufMetadata, family: "llama" | "qwen2"): ConfigJson {
  const key = (name: string) => `${family}.${name}`;
  if ((metadata.optionalNumber(key("expert_count")) ?? 0) > 0) {
    throw new UnsupportedModelError("a mixture of experts", "dense models");
  }
  const headCount = metadata.number(key("attention.head_count"));
  const hiddenSize = metadata.number(key("embedding_length"));
  const headSize = metadata.optionalNumber(key("attention.key_length")) ?? hiddenSize / headCount;
  const rotated = metadata.optionalNumber(key("rope.dimension_count")) ?? headSize;
  if (rotated !== headSize) {
    throw new UnsupportedModelError(
      `rotary positions on ${rotated} of ${headSize} dimensions`,
      "on all of them",
    );
  }
  return {
    architectures: [family === "llama" ? "LlamaForCausalLM" : "Qwen2ForCausalLM"],
    model_type: family,
    hidden_size: hiddenSize,
    intermediate_size: metadata.number(key("feed_forward_length")),
    num_hidden_layers: metadata.number(key("block_count")),
    num_attention_heads: headCount,
    num_key_value_heads: metadata.optionalNumber(key("attention.head_count_kv")) ?? headCount,
    head_dim: headSize,
    max_position_embeddings: metadata.number(key("context_length")),
    // Stored as float32: the shortest decimal that rounds to it is what was meant (1e-5, not 9.99999974e-6).
    rms_norm_eps: Number(metadata.number(key("attention.layer_norm_rms_epsilon")).toPrecision(7)),
    rope_theta: metadata.optionalNumber(key("rope.freq_base")) ?? 10_000,
    rope_scaling: ropeScaling(file, metadata, family),
    hidden_act: "silu",
    ...(family === "llama" && {
      attention_bias: file.tensors.has("blk.0.attn_q.bias"),
      mlp_bias: file.tensors.has("blk.0.ffn_up.bias"),
    }),
  };
}

function ropeScaling(file: GgufFile, metadata: GgufMetadata, family: string): Record<string, unknown> | null {
  if (file.tensors.has("rope_freqs.weight")) return llama3Scaling(file, metadata, family);
  const type = metadata.optionalText(`${family}.rope.scaling.type`) ?? "none";
  if (type === "none") return null;
  if (type !== "linear") throw new UnsupportedModelError(`rope scaling ${type}`, "none, linear, llama3");
  return { rope_type: "linear", factor: metadata.number(`${family}.rope.scaling.factor`) };
}

/**
 * Llama 3.1 files carry the finished divisors per frequency. Every released model used low 1, high 4 and an original
 * context of 8192; the factor is the largest divisor. Taken only if these numbers give back every divisor.
 */
function llama3Scaling(file: GgufFile, metadata: GgufMetadata, family: string): Record<string, unknown> {
  const tensor = file.tensors.get("rope_freqs.weight");
  if (!tensor || (tensor.format !== "F32" && tensor.format !== "F16")) {
    throw new UnsupportedModelError("rope_freqs.weight that is not F32 or F16", "F32");
  }
  const { buffer } = file.bytes.read(tensor.offset, tensor.sizeBytes);
  const divisors =
    tensor.format === "F32" ? new Float32Array(buffer) : halvesToFloats(new Uint16Array(buffer));
  const scaling = {
    rope_type: "llama3",
    factor: Math.max(...divisors),
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const theta = metadata.optionalNumber(`${family}.rope.freq_base`) ?? 10_000;
  const differs = [...divisors].some((divisor, i) => {
    const wavelength = 2 * Math.PI * theta ** (i / divisors.length);
    return Math.abs(divisor / llama3Divisor(wavelength, scaling) - 1) > 1e-3;
  });
  if (differs) throw new UnsupportedModelError("rope_freqs.weight of another rule", "Llama 3.1's rule");
  return scaling;
}

/** transformers/modeling_rope_utils.py, _compute_llama3_parameters. */
function llama3Divisor(
  wavelength: number,
  rule: {
    factor: number;
    low_freq_factor: number;
    high_freq_factor: number;
    original_max_position_embeddings: number;
  },
): number {
  const context = rule.original_max_position_embeddings;
  if (wavelength > context / rule.low_freq_factor) return rule.factor;
  if (wavelength < context / rule.high_freq_factor) return 1;
  const span = rule.high_freq_factor - rule.low_freq_factor;
  const smooth = (context / wavelength - rule.low_freq_factor) / span;
  return 1 / ((1 - smooth) / rule.factor + smooth);
}

function gpt2Config(metadata: GgufMetadata): ConfigJson {
  const width = metadata.number("gpt2.embedding_length");
  return {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    n_embd: width,
    n_inner: metadata.optionalNumber("gpt2.feed_forward_length") ?? 4 * width,
    n_layer: metadata.number("gpt2.block_count"),
    n_head: metadata.number("gpt2.attention.head_count"),
    n_positions: metadata.number("gpt2.context_length"),
    layer_norm_epsilon: Number(metadata.number("gpt2.attention.layer_norm_epsilon").toPrecision(7)),
    activation_function: "gelu_new",
  };
}
