/** @file Writes what a run has reached: a folder any Hugging Face tool loads, of a model or of an adapter, and the state to go on from. */
import { readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { adapterConfigFile, adapterWeightsFile } from "../checkpoint/adapter-config";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { type CheckpointFacts, type CheckpointFiles, writeCheckpoint } from "../checkpoint/checkpoint-writer";
import { DiskFullError, isDiskFull } from "../checkpoint/errors";
import { syncFolder } from "../checkpoint/file-access";
import type { LoraShape } from "../nn/trained-weights";
import type { TrainedParameter } from "../optim/adamw";
import { floatTensor } from "./float-tensor";
import type { Learner } from "./take-step";
import { type Trained, type TrainingState, writeTrainingState } from "./training-state";

/** What a checkpoint takes from the one it started from, besides config.json. */
export const tokenizerFiles = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
];

type CheckpointParts = {
  learner: Pick<Learner<never>, "optimizer" | "trained">;
  state: TrainingState;
  writeWeights: (folder: string) => Promise<void>;
  /** Trained too, but in no file of the checkpoint; null: nothing is. */
  hidden: Trained | null;
};

/** The state comes last: a checkpoint without one was interrupted and is not gone on from. */
export async function saveCheckpoint(
  folder: string,
  { learner: { optimizer, trained }, state, writeWeights, hidden }: CheckpointParts,
): Promise<void> {
  const statePart = `${folder}.state.part`;
  try {
    await writeTrainingState(statePart, state, { optimizer, trained, hidden });
    await rm(folder, { recursive: true, force: true });
    await writeWeights(folder);
    await rename(statePart, path.join(folder, "state"));
    await syncFolder(folder);
  } catch (error) {
    await rm(statePart, { recursive: true, force: true });
    if (error instanceof DiskFullError || isDiskFull(error))
      throw new CheckpointNotSavedError(folder, sizeBytesOf(trained), { cause: error });
    throw error;
  }
}

/** The disk is full. What was being written is gone; the checkpoints before it are whole. */
export class CheckpointNotSavedError extends Error {
  override readonly name = "CheckpointNotSavedError";
  constructor(
    readonly folder: string,
    readonly sizeBytes: number,
    options?: ErrorOptions,
  ) {
    super(
      `The disk is full: ${folder}, about ${Math.ceil(sizeBytes / 1e6)} MB, was not written. Free at least that much. ` +
        "The last checkpoint is whole, and the same command goes on from it.",
      options,
    );
  }
}

/** What is trained and both of its moments, in single precision. */
function sizeBytesOf(trained: ReadonlyMap<string, TrainedParameter>): number {
  return 3 * 4 * [...trained.values()].reduce((sum, { values }) => sum + values.length, 0);
}

/** Either `model.safetensors`, complete, or an adapter as PEFT writes it, whose base the manifest names. */
export async function writeLanguageModel(
  folder: string,
  {
    base,
    lora,
    trained,
    facts,
  }: { base: Checkpoint; lora: LoraShape | null; trained: Trained; facts: CheckpointFacts },
): Promise<void> {
  await writeCheckpoint(folder, facts, async (files) => {
    await writeSurroundings(files, base.folder, { dtype: lora === null ? "float32" : null });
    const tensors = [...trained].map(([name, { shape, values }]) => floatTensor(name, shape, values));
    if (lora === null) return files.tensors("model.safetensors", tensors);
    await files.json(adapterConfigFile, describeAdapter(base, lora));
    await files.tensors(adapterWeightsFile, tensors);
  });
}

/**
 * config.json, tokenizer and template, as they are in the checkpoint it started from.
 * @param dtype of the weights; null: it stays as it is
 */
export async function writeSurroundings(
  files: CheckpointFiles,
  from: string,
  { dtype }: { dtype: "float32" | null },
): Promise<void> {
  const fileNames = await readdir(from);
  const config = z.record(z.string(), z.unknown()).parse(await readJson(path.join(from, "config.json")));
  await files.json("config.json", { ...config, ...(dtype && { dtype }) });
  for (const name of tokenizerFiles.filter((each) => fileNames.includes(each))) {
    await files.bytes(name, [await readFile(path.join(from, name))]);
  }
}

/** adapter_config.json, as PEFT reads it. */
export function describeAdapter(base: Checkpoint, lora: LoraShape) {
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base.lineageBase.name,
    r: lora.rank,
    lora_alpha: lora.alpha,
    target_modules: lora.targets,
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: base.config.family === "gpt2",
    inference_mode: true,
  };
}

const readJson = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, "utf8"));

type StageFacts = Pick<CheckpointFacts, "name" | "stage" | "run" | "datasetSha256"> & {
  base: Checkpoint;
  /** Null: every weight is trained. */
  lora: LoraShape | null;
  threads: number;
};

/** What the manifests of a run that starts from a checkpoint say. Their keys' order is part of a checkpoint's id. */
export function checkpointFacts(of: StageFacts): CheckpointFacts {
  return {
    name: of.name,
    stage: of.stage,
    parent: of.base.id,
    ...(of.lora !== null && { lineageBase: of.base.lineageBase.id }),
    run: of.run,
    datasetSha256: of.datasetSha256,
    sourceRevision: null,
    threadCount: of.threads,
  };
}
