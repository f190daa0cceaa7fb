/** @file A model that has learned nothing yet, as a checkpoint: drawn weights, and a tokenizer of whatever origin. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { type Checkpoint, openCheckpoint } from "../checkpoint/checkpoint";
import { type CheckpointFacts, writeCheckpoint } from "../checkpoint/checkpoint-writer";
import { expectedTensors } from "../checkpoint/expected-tensors";
import { parseModelConfig } from "../checkpoint/model-config";
import { normalTensor } from "../random/normal";
import { floatTensor } from "./float-tensor";
import type { Architecture } from "./pretrain-config";
import { tokenizerFiles } from "./save-checkpoint";

/** A folder with the files of a tokenizer, and what a model's config.json says of it. */
export type TokenizerSource = {
  folder: string;
  vocabularySize: number;
  bosTokenId: number | null;
  /** Ends a turn. */
  eosTokenId: number | null;
};

export type NewModel = {
  architecture: Architecture;
  initializerRange: number;
  seed: number;
  facts: CheckpointFacts;
};

/** Matrices are normal, scales 1, biases 0 (as transformers starts a model); residual projections are not scaled down. */
export async function createModel(
  folder: string,
  tokenizerFrom: TokenizerSource,
  { architecture, initializerRange, seed, facts }: NewModel,
): Promise<void> {
  const configJson = toConfigJson(architecture, tokenizerFrom);
  const config = parseModelConfig(configJson);
  const tensors = [...expectedTensors(config)].map(([name, shape], i) => {
    const size = shape.reduce((product, dim) => product * dim, 1);
    if (shape.length > 1) return floatTensor(name, shape, normalTensor(seed, i, size, initializerRange));
    return floatTensor(name, shape, new Float32Array(size).fill(name.endsWith(".bias") ? 0 : 1));
  });
  await writeCheckpoint(folder, facts, async (files) => {
    const present = await readdir(tokenizerFrom.folder);
    await files.json("config.json", configJson);
    for (const name of tokenizerFiles.filter((each) => present.includes(each))) {
      await files.bytes(name, [await readFile(path.join(tokenizerFrom.folder, name))]);
    }
    await files.tensors("model.safetensors", tensors);
  });
}

function toConfigJson(architecture: Architecture, from: TokenizerSource): Record<string, unknown> {
  const { hiddenSize, intermediateSize, layerCount, headCount, contextLength } = architecture;
  const common = {
    vocab_size: from.vocabularySize,
    bos_token_id: from.bosTokenId,
    eos_token_id: from.eosTokenId,
    tie_word_embeddings: true,
    dtype: "float32",
  };
  if (architecture.family === "gpt2") {
    const sizes = { n_embd: hiddenSize, n_inner: intermediateSize, n_layer: layerCount, n_head: headCount };
    // Left out, transformers would take its own dropout of 0.1 where someone trains the model further.
    const dropout = { resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 };
    const rest = {
      n_positions: contextLength,
      activation_function: "gelu_new",
      layer_norm_epsilon: 1e-5,
      ...dropout,
    };
    return { architectures: ["GPT2LMHeadModel"], model_type: "gpt2", ...common, ...sizes, ...rest };
  }
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    ...common,
    hidden_size: hiddenSize,
    intermediate_size: intermediateSize,
    num_hidden_layers: layerCount,
    num_attention_heads: headCount,
    num_key_value_heads: architecture.keyValueHeadCount,
    head_dim: hiddenSize / headCount,
    max_position_embeddings: contextLength,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    hidden_act: "silu",
  };
}

/** The model to start from: made at the first call, found at the next ones. */
export async function openOrCreateModel(
  folder: string,
  tokenizerFrom: TokenizerSource,
  model: NewModel,
): Promise<Checkpoint> {
  const isThere = await readdir(folder).then(
    (names) => names.includes("attune.json"),
    () => false,
  );
  if (!isThere) await createModel(folder, tokenizerFrom, model);
  return openCheckpoint(folder);
}
