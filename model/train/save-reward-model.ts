/** @file Writes a reward model as transformers and PEFT load it: a model for the classification of sequences with one label. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { adapterConfigFile, adapterWeightsFile } from "../checkpoint/adapter-config";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { type CheckpointFacts, type CheckpointFiles, writeCheckpoint } from "../checkpoint/checkpoint-writer";
import { ensembleFile } from "../checkpoint/ensemble";
import type { ModelConfig } from "../checkpoint/model-config";
import { type RewardReport, rewardReportFile } from "../eval/reward/report";
import { type RewardTrials, rewardTrialsFile } from "../eval/reward/trials";
import { scoreHead, scoreHeadName } from "../nn/reward-model";
import type { LoraShape } from "../nn/trained-weights";
import type { TrainedParameter } from "../optim/adamw";
import { renderConversation } from "../tokenizer/render-conversation";
import { meanHead } from "./ensemble-heads";
import { floatTensor } from "./float-tensor";
import { UnfitBaseError } from "./open-base";
import { describeAdapter, tokenizerFiles } from "./save-checkpoint";

const architectures: Record<ModelConfig["family"], string> = {
  llama: "LlamaForSequenceClassification",
  qwen2: "Qwen2ForSequenceClassification",
  gpt2: "GPT2ForSequenceClassification",
};

/**
 * Of an ensemble the head in the weights is the mean of its members, which stand apart: other tools load the mean.
 * @param facts with the `scoreBias` of these very weights
 */
export async function writeRewardModel(
  folder: string,
  {
    base,
    lora,
    trained,
    facts,
    memberBiases,
    report,
    trials,
  }: {
    base: Checkpoint;
    lora: LoraShape | null;
    trained: ReadonlyMap<string, TrainedParameter>;
    facts: CheckpointFacts;
    /** (members) of an ensemble, whose mean is `scoreBias`; null where there is one head. */
    memberBiases: Float32Array | null;
    /** On what was held out; null where nothing was. */
    report: RewardReport | null;
    trials: RewardTrials | null;
  },
): Promise<void> {
  const headName = scoreHeadName(lora);
  const members = memberBiases?.length ?? 1;
  await writeCheckpoint(folder, { ...facts, ...(memberBiases && { ensemble: members }) }, async (files) => {
    if (report) await files.json(rewardReportFile, report);
    if (trials) await files.json(rewardTrialsFile, trials);
    await writeRewardSurroundings(files, base, { dtype: lora === null ? "float32" : null });
    const heads = trained.get(headName)?.values ?? new Float32Array();
    if (memberBiases) await files.tensors(ensembleFile, ensembleTensors(heads, memberBiases));
    const tensors = [...trained].map(([name, { shape, values }]) =>
      memberBiases && name === headName
        ? floatTensor(name, [1, values.length / members], meanHead(values, values.length / members))
        : floatTensor(name, shape, values),
    );
    if (lora === null) return files.tensors("model.safetensors", tensors);
    const adapter = describeAdapter(base, lora);
    await files.json(adapterConfigFile, { ...adapter, task_type: "SEQ_CLS", modules_to_save: [scoreHead] });
    await files.tensors(adapterWeightsFile, tensors);
  });
}

function ensembleTensors(heads: Float32Array, biases: Float32Array) {
  const members = biases.length;
  return [
    floatTensor("score.weight", [members, heads.length / members], heads),
    floatTensor("score.bias", [members], biases),
  ];
}

type Surroundings = Pick<Checkpoint, "folder" | "config" | "tokenizer" | "chatTemplate">;

/** config.json of the other head, and the tokenizer of the checkpoint it started from with a PAD that no text has. */
export async function writeRewardSurroundings(
  files: CheckpointFiles,
  base: Surroundings,
  { dtype }: { dtype: "float32" | null },
): Promise<void> {
  const names = await readdir(base.folder);
  const pad = unusedToken(base);
  await files.json("config.json", {
    ...withLayers(await readObject(path.join(base.folder, "config.json")), base.config),
    architectures: [architectures[base.config.family]],
    id2label: { 0: "LABEL_0" },
    label2id: { LABEL_0: 0 },
    pad_token_id: pad.id,
    ...(dtype && { dtype }),
  });
  // Text is never generated, so generation_config.json stays behind.
  for (const name of tokenizerFiles.filter(
    (each) => names.includes(each) && each !== "generation_config.json",
  )) {
    const file = path.join(base.folder, name);
    const hasPad = name === "tokenizer_config.json" || name === "special_tokens_map.json";
    if (hasPad && pad.content !== null)
      await files.json(name, { ...(await readObject(file)), pad_token: pad.content });
    else await files.bytes(name, [await readFile(file)]);
  }
}

/** As transformers counts them; it refuses a list of kinds of layers of another length. */
function withLayers(config: Record<string, unknown>, { family, layerCount }: ModelConfig) {
  const kinds = config.layer_types;
  return {
    ...config,
    [family === "gpt2" ? "n_layer" : "num_hidden_layers"]: layerCount,
    ...(Array.isArray(kinds) && { layer_types: kinds.slice(0, layerCount) }),
  };
}

/** Bytes that are in no UTF-8. */
const impossibleBytes = new Set([
  0xc0, 0xc1, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
]);

/**
 * A token for padding that occurs in no text: transformers reads the score at the last token that is not PAD, and the usual
 * PAD of chat models is the token that ends a response, where the score is to be read.
 *
 * That is a special token which the chat template does not write, or else the token of a byte that UTF-8 never has.
 * @returns `content` where the tokenizer may name it as its PAD too
 */
export function unusedToken({ tokenizer, chatTemplate, config, folder }: Surroundings): {
  id: number;
  content: string | null;
} {
  const messages = (["user", "assistant", "user"] as const).map((role) => ({ role, content: "a" }));
  const unlimited = { contextLength: Number.MAX_SAFE_INTEGER };
  const { tokens } = renderConversation(tokenizer, chatTemplate, messages, unlimited);
  const { bos, eos, unk } = tokenizer.special;
  const named = [bos, eos, unk].map((token) => (token === null ? undefined : tokenizer.tokenId(token)));
  const taken = new Set([...tokens, ...tokenizer.endTokenIds, ...named]);
  const ids = Array.from(
    { length: Math.min(tokenizer.vocabularySize, config.vocabularySize) },
    (_, id) => id,
  );
  const special = ids.find((id) => tokenizer.isSpecial(id) && !taken.has(id));
  if (special !== undefined) return { id: special, content: tokenizer.decode([special], { special: true }) };
  const isImpossible = (bytes: Uint8Array) => bytes.length === 1 && impossibleBytes.has(bytes[0] ?? 0);
  const byte = ids.find((id) => isImpossible(tokenizer.tokenBytes(id)));
  const spare = config.vocabularySize > tokenizer.vocabularySize ? config.vocabularySize - 1 : undefined;
  const id = byte ?? spare;
  if (id === undefined)
    throw new UnfitBaseError(
      `${folder}: every token of its vocabulary may occur in text, so none is left to pad with. Start from a model with a token of its own for padding.`,
    );
  return { id, content: null };
}

const readObject = async (file: string) =>
  z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(file, "utf8")));
