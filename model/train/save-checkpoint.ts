/** @file Writes what a run has reached: a folder any Hugging Face tool loads, the adapter beside it, and the state to go on from. */
import { readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { type CheckpointFacts, type CheckpointFiles, writeCheckpoint } from "../checkpoint/checkpoint-writer";
import { DiskFullError, isDiskFull } from "../checkpoint/errors";
import { expectedTensors, parameterCount } from "../checkpoint/expected-tensors";
import { syncFolder } from "../checkpoint/file-access";
import type { LoraShape } from "../nn/trained-weights";
import { floatTensor } from "./float-tensor";
import { mergeLora } from "./lora";
import type { Trainer } from "./trainer";
import { type TrainingState, writeTrainingState } from "./training-state";

/** What a checkpoint takes from the one it started from, besides config.json. */
export const tokenizerFiles = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
];

/**
 * `model.safetensors` is complete (an adapter is merged), so that the folder chats at once; the adapter alone lies in
 * `adapter/`, as PEFT writes it. The state comes last: a checkpoint without one was interrupted and is not gone on from.
 */
export async function saveCheckpoint(
  folder: string,
  {
    base,
    trainer,
    facts,
    state,
  }: { base: Checkpoint; trainer: Trainer; facts: CheckpointFacts; state: TrainingState },
): Promise<void> {
  const statePart = `${folder}.state.part`;
  try {
    await writeTrainingState(statePart, state, trainer.optimizer, trainer.options.trained);
    await writeWeights(folder, { base, trainer, facts });
    await rename(statePart, path.join(folder, "state"));
    await syncFolder(folder);
  } catch (error) {
    await rm(statePart, { recursive: true, force: true });
    if (error instanceof DiskFullError || isDiskFull(error))
      throw new CheckpointNotSavedError(folder, sizeBytesOf(base, trainer), { cause: error });
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

/** Weights, adapter and both moments, in single precision. */
function sizeBytesOf(base: Checkpoint, { options }: Trainer): number {
  const trained = [...options.trained.values()].reduce((sum, { values }) => sum + values.length, 0);
  return 4 * (parameterCount(base.config) + trained * (options.lora === null ? 2 : 3));
}

async function writeWeights(
  folder: string,
  { base, trainer, facts }: { base: Checkpoint; trainer: Trainer; facts: CheckpointFacts },
): Promise<void> {
  const { lora } = trainer.options;
  await rm(folder, { recursive: true, force: true });
  await writeCheckpoint(folder, facts, async (files) => {
    const fileNames = await readdir(base.folder);
    const config = z
      .record(z.string(), z.unknown())
      .parse(await readJson(path.join(base.folder, "config.json")));
    await files.json("config.json", { ...config, dtype: "float32" });
    for (const name of tokenizerFiles.filter((each) => fileNames.includes(each))) {
      await files.bytes(name, [await readFile(path.join(base.folder, name))]);
    }
    await files.tensors("model.safetensors", completeWeights(base, trainer));
    if (lora !== null) await writeAdapter(files, base, { lora, trainer });
  });
}

function completeWeights(base: Checkpoint, { options }: Trainer) {
  const { lora, trained, frozen } = options;
  const values = new Map([...trained].map(([name, parameter]) => [name, parameter.values] as const));
  const read = (name: string) => values.get(name) ?? frozen.get(name) ?? base.tensors.read(name);
  const merged = new Map(lora === null ? [] : mergeLora(base.config, lora, values, read));
  return [...expectedTensors(base.config)].map(([name, shape]) =>
    floatTensor(name, shape, merged.get(name) ?? read(name)),
  );
}

async function writeAdapter(
  files: CheckpointFiles,
  base: Checkpoint,
  { lora, trainer }: { lora: LoraShape; trainer: Trainer },
): Promise<void> {
  await files.json("adapter/adapter_config.json", {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base.manifest.name,
    r: lora.rank,
    lora_alpha: lora.alpha,
    target_modules: lora.targets,
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: base.config.family === "gpt2",
    inference_mode: true,
  });
  const tensors = [...trainer.options.trained].map(([name, { shape, values }]) =>
    floatTensor(name, shape, values),
  );
  await files.tensors("adapter/adapter_model.safetensors", tensors);
}

const readJson = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, "utf8"));
