/** @file Writes what a run has reached: a folder any Hugging Face tool loads, the adapter beside it, and the state to go on from. */
import { readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { type CheckpointFacts, type CheckpointFiles, writeCheckpoint } from "../checkpoint/checkpoint-writer";
import { expectedTensors } from "../checkpoint/expected-tensors";
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
  const { lora, trained } = trainer.options;
  const statePart = `${folder}.state.part`;
  await writeTrainingState(statePart, state, trainer.optimizer, trained);
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
  await rename(statePart, path.join(folder, "state"));
  await syncFolder(folder);
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
