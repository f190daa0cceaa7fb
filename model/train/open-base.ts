/** @file Opens the checkpoint a run starts from, and refuses what cannot be trained on as a language model. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { type Checkpoint, type OpenOptions, openCheckpoint, readManifest } from "../checkpoint/checkpoint";

/** A folder is no checkpoint that this stage can start from. */
export class UnfitBaseError extends Error {
  override readonly name = "UnfitBaseError";
}

/** @throws UnfitBaseError, and what `openCheckpoint` throws */
export async function openBase(folder: string, options: OpenOptions = {}): Promise<Checkpoint> {
  await refuseOtherFolders(folder);
  const { manifest } = await readManifest(folder);
  // Before it is opened: its weights are others than its config says of a language model.
  if (manifest.stage === "reward")
    throw new UnfitBaseError(`${folder} is a reward model. Start from a language model.`);
  const checkpoint = await openCheckpoint(folder, options);
  try {
    await refuseOtherModels(checkpoint);
  } catch (error) {
    checkpoint[Symbol.dispose]();
    throw error;
  }
  return checkpoint;
}

async function refuseOtherFolders(folder: string): Promise<void> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new UnfitBaseError(`${folder} is no folder. Give the folder of a checkpoint.`, { cause });
  });
  if (names.includes("adapter_config.json") && !names.includes("attune.json")) {
    throw new UnfitBaseError(
      `${folder} holds an adapter that is no checkpoint: it has no attune.json, which names its base. Give the folder of a checkpoint.`,
    );
  }
  if (names.includes("checkpoints") && names.includes("run.json")) {
    throw new UnfitBaseError(
      `${folder} is the folder of a run. Give one of its checkpoints: ${folder}/checkpoints/step-….`,
    );
  }
}

const architecturesSchema = z.looseObject({ architectures: z.array(z.string()).nullish() });

async function refuseOtherModels({ folder, config, tokenizer }: Checkpoint): Promise<void> {
  const json: unknown = JSON.parse(await readFile(path.join(folder, "config.json"), "utf8"));
  const [architecture] = architecturesSchema.parse(json).architectures ?? [];
  if (architecture !== undefined && !/(ForCausalLM|LMHeadModel)$/.test(architecture))
    throw new UnfitBaseError(`${folder} is a ${architecture}. Start from a language model.`);
  if (tokenizer.vocabularySize > config.vocabularySize) {
    throw new UnfitBaseError(
      `${folder}: the tokenizer has ids up to ${tokenizer.vocabularySize - 1}, the model only ${config.vocabularySize} embeddings ` +
        "(vocab_size in config.json). The tokenizer is another model's.",
    );
  }
}
