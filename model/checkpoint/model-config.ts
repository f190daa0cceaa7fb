/** @file The shape of a model, one type per family, as config.json states it; knows nothing of weights or graphs. */
import { z } from "zod";
import { UnsupportedModelError } from "./errors";

/** Frequencies of the rotary embedding beyond the plain ones; null means plain. */
export type RopeScaling =
  /** Positions divided by `factor`. */
  | { type: "linear"; factor: number }
  /** Llama 3.1: low frequencies divided by `factor`, high ones kept, a ramp between. */
  | {
      type: "llama3";
      factor: number;
      lowFreqFactor: number;
      highFreqFactor: number;
      originalContextLength: number;
    };

type CommonConfig = {
  vocabularySize: number;
  /** Longest sequence in tokens. */
  contextLength: number;
  hiddenSize: number;
  intermediateSize: number;
  layerCount: number;
  headCount: number;
  /** Width of one head. */
  headSize: number;
  /** The output head is the transposed embedding; there is no `lm_head.weight`. */
  tieEmbeddings: boolean;
  bosTokenId: number | null;
  /** Tokens that end an answer; the first is `eos_token_id`. May be empty. */
  endTokenIds: number[];
};

/**
 * RMSNorm, rotary positions, SwiGLU, grouped-query attention. Tensor names are Hugging Face's
 * (`model.layers.0.self_attn.q_proj.weight`, out x in), RoPE in the rotate-half layout.
 */
type LlamaLikeConfig = CommonConfig & {
  keyValueHeadCount: number;
  rmsNormEps: number;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
  /** Bias on q, k and v. */
  attentionBias: boolean;
  /** Bias on o_proj. */
  attentionOutputBias: boolean;
  /** Bias on gate, up and down. */
  mlpBias: boolean;
};

export type LlamaConfig = LlamaLikeConfig & { family: "llama" };
export type Qwen2Config = LlamaLikeConfig & { family: "qwen2" };

/**
 * LayerNorm, learned positions, GELU, one fused qkv. Tensor names are Hugging Face's
 * (`transformer.h.0.attn.c_attn.weight`), whose Conv1D weights are in x out.
 */
export type Gpt2Config = CommonConfig & {
  family: "gpt2";
  layerNormEps: number;
  /** `gelu_new` is the tanh approximation, `gelu` the exact form. */
  activation: "gelu_new" | "gelu";
};

export type ModelConfig = LlamaConfig | Qwen2Config | Gpt2Config;

const count = z.int().positive().max(1e8);
const tokenId = z.int().nonnegative().max(1e8);
const tokenIds = z
  .union([tokenId, z.array(tokenId).max(64)])
  .nullish()
  .transform((ids) => (ids === null || ids === undefined ? [] : typeof ids === "number" ? [ids] : ids));

const ropeSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive().optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  original_max_position_embeddings: count.optional(),
});

const llamaSchema = z.looseObject({
  model_type: z.enum(["llama", "qwen2"]),
  vocab_size: count,
  max_position_embeddings: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  rms_norm_eps: z.number().positive(),
  hidden_act: z.string().default("silu"),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  use_sliding_window: z.boolean().nullish(),
  bos_token_id: tokenId.nullish(),
  eos_token_id: tokenIds,
});

const gpt2Schema = z.looseObject({
  model_type: z.literal("gpt2"),
  vocab_size: count,
  n_positions: count,
  n_embd: count,
  n_layer: count,
  n_head: count,
  n_inner: count.nullish(),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  activation_function: z.string().default("gelu_new"),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
  bos_token_id: tokenId.nullish(),
  eos_token_id: tokenIds,
});

const families = ["llama", "qwen2", "gpt2"] as const;

/**
 * Reads the parsed JSON of a config.json.
 * @throws UnsupportedModelError naming the field and its value when the model is outside what Attune runs.
 */
export function parseModelConfig(json: unknown): ModelConfig {
  const family =
    typeof json === "object" && json !== null && "model_type" in json ? json.model_type : undefined;
  if (!families.some((known) => known === family)) {
    throw new UnsupportedModelError(`model_type ${JSON.stringify(family)}`, `one of ${families.join(", ")}`);
  }
  return family === "gpt2" ? parseGpt2(read(gpt2Schema, json)) : parseLlama(read(llamaSchema, json));
}

function read<T>(schema: z.ZodType<T>, json: unknown): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const facts = result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new UnsupportedModelError(
    `config.json (${facts.join("; ")})`,
    "a config.json as transformers writes it",
  );
}

function parseLlama(json: z.infer<typeof llamaSchema>): ModelConfig {
  if (json.hidden_act !== "silu") throw new UnsupportedModelError(`hidden_act ${json.hidden_act}`, "silu");
  if (json.use_sliding_window) throw new UnsupportedModelError("use_sliding_window", "full attention");
  const headCount = json.num_attention_heads;
  const keyValueHeadCount = json.num_key_value_heads ?? headCount;
  const headSize = json.head_dim ?? json.hidden_size / headCount;
  if (headCount % keyValueHeadCount !== 0 || !Number.isInteger(headSize) || headSize % 2 !== 0) {
    throw new UnsupportedModelError(
      `${headCount} heads, ${keyValueHeadCount} key-value heads, hidden size ${json.hidden_size}`,
      "key-value heads that divide the heads, and an even head size",
    );
  }
  const isQwen = json.model_type === "qwen2";
  const rope = json.rope_parameters ?? json.rope_scaling;
  return {
    family: json.model_type,
    vocabularySize: json.vocab_size,
    contextLength: json.max_position_embeddings,
    hiddenSize: json.hidden_size,
    intermediateSize: json.intermediate_size,
    layerCount: json.num_hidden_layers,
    headCount,
    keyValueHeadCount,
    headSize,
    rmsNormEps: json.rms_norm_eps,
    ropeTheta: json.rope_theta ?? json.rope_parameters?.rope_theta ?? 10_000,
    ropeScaling: parseRopeScaling(rope),
    tieEmbeddings: json.tie_word_embeddings,
    // Qwen2 has a bias on q, k and v alone, whatever its config says.
    attentionBias: isQwen || (json.attention_bias ?? false),
    attentionOutputBias: !isQwen && (json.attention_bias ?? false),
    mlpBias: !isQwen && (json.mlp_bias ?? false),
    bosTokenId: json.bos_token_id ?? null,
    endTokenIds: json.eos_token_id,
  };
}

function parseRopeScaling(rope: z.infer<typeof ropeSchema> | null | undefined): RopeScaling | null {
  const type = rope?.rope_type ?? rope?.type ?? "default";
  if (type === "default" || !rope) return null;
  const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = rope;
  if (type === "linear" && factor) return { type, factor };
  if (
    type === "llama3" &&
    factor &&
    low_freq_factor &&
    high_freq_factor &&
    original_max_position_embeddings
  ) {
    return {
      type,
      factor,
      lowFreqFactor: low_freq_factor,
      highFreqFactor: high_freq_factor,
      originalContextLength: original_max_position_embeddings,
    };
  }
  throw new UnsupportedModelError(
    `rope scaling ${JSON.stringify(rope)}`,
    "default, linear (with factor) or llama3 (with its four numbers)",
  );
}

function parseGpt2(json: z.infer<typeof gpt2Schema>): Gpt2Config {
  const activation = json.activation_function;
  if (activation !== "gelu_new" && activation !== "gelu") {
    throw new UnsupportedModelError(`activation_function ${activation}`, "gelu_new or gelu");
  }
  if (!json.scale_attn_weights || json.scale_attn_by_inverse_layer_idx) {
    throw new UnsupportedModelError("attention scaling other than 1/sqrt(head size)", "the usual scaling");
  }
  if (json.n_embd % json.n_head !== 0) {
    throw new UnsupportedModelError(
      `${json.n_head} heads, n_embd ${json.n_embd}`,
      "heads that divide n_embd",
    );
  }
  return {
    family: "gpt2",
    vocabularySize: json.vocab_size,
    contextLength: json.n_positions,
    hiddenSize: json.n_embd,
    intermediateSize: json.n_inner ?? 4 * json.n_embd,
    layerCount: json.n_layer,
    headCount: json.n_head,
    headSize: json.n_embd / json.n_head,
    layerNormEps: json.layer_norm_epsilon,
    activation,
    tieEmbeddings: json.tie_word_embeddings,
    bosTokenId: json.bos_token_id ?? null,
    endTokenIds: json.eos_token_id,
  };
}
