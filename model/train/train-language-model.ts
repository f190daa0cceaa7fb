/** @file A run of a language model, which pretraining and SFT share: packed rows in, its weights or an adapter out. */
import { rm, symlink } from "node:fs/promises";
import path from "node:path";
import { adapterWeightsFile } from "../checkpoint/adapter-config";
import type { Checkpoint } from "../checkpoint/checkpoint";
import type { CheckpointFacts } from "../checkpoint/checkpoint-writer";
import { expectedTensors } from "../checkpoint/expected-tensors";
import { baseFolderName } from "../checkpoint/lineage-base";
import { openSafetensors } from "../checkpoint/safetensors-reader";
import type { Example } from "../data/packing";
import type { LoraShape } from "../nn/trained-weights";
import type { TrainedParameter } from "../optim/adamw";
import { CompleteWeights } from "./complete-weights";
import { DataOrder, evaluationBatches } from "./data-order";
import { createLora } from "./lora";
import { isThere } from "./run-checkpoints";
import {
  findResumable,
  type LoopSettings,
  type RunEvent,
  type RunSummary,
  runLoop,
  type StageOptions,
  stepOver,
} from "./run-loop";
import { type SamplePrompt, sampleText } from "./sample-text";
import { writeLanguageModel } from "./save-checkpoint";
import { Trainer } from "./trainer";

export type RunSettings = LoopSettings & {
  stage: "pretrain" | "sft";
  rowLength: number;
  rowsPerBatch: number;
  batchesPerStep: number;
  dropout: number;
  recompute: boolean;
  sampleTokens: number;
  sampleTemperature: number;
  lora: LoraShape | null;
};

export type RunInput = Omit<StageOptions<RunEvent>, "facts" | "basePlaces"> & {
  base: Checkpoint;
  training: readonly Example[];
  validation: readonly Example[];
  /** Further examples, of which each epoch draws so many that they are `share` of its tokens. */
  mix?: { examples: readonly Example[]; share: number } | null;
  samplePrompts: readonly SamplePrompt[];
  facts: CheckpointFacts;
};

export async function trainLanguageModel(settings: RunSettings, input: RunInput): Promise<RunSummary> {
  const { base, facts } = input;
  const { seed, lora, rowLength, rowsPerBatch, threads } = settings;
  // 1. The order of the data is known before anything is computed.
  const order = new DataOrder(input.training, { ...settings, length: rowLength, mix: input.mix ?? null });
  const validation = evaluationBatches(input.validation, rowLength, rowsPerBatch);
  const mostTargets = Math.max(order.mostTargets, ...validation.map(({ countedTokens }) => countedTokens));

  // 2. Weights: the base's, or where an interrupted run of the same configuration stands.
  const found = await findResumable(settings, { datasetSha256: facts.datasetSha256, parent: base.id });
  if (lora !== null) await linkBase(settings.output, base);
  const { trained, frozen } = await loadWeights(base, settings, {
    resumeFrom: found.resumable?.folder ?? null,
  });
  await using trainer = new Trainer({
    config: base.config,
    trained,
    frozen,
    lora,
    shape: { rows: rowsPerBatch, length: rowLength, targets: mostTargets },
    adamW: settings,
    threads,
    recompute: settings.recompute,
    dropout: { rate: settings.dropout, seed },
  });

  // 3. The run.
  return await runLoop(
    settings,
    {
      totalSteps: order.totalSteps,
      epochOf: (step) => order.place(step).epoch,
      advance: stepOver(trainer, (step) => order.batches(step)),
      learner: trainer,
      evaluate:
        validation.length === 0 ? null : async () => ({ validationLoss: await trainer.evaluate(validation) }),
      writeWeights: (folder) => writeLanguageModel(folder, { base, lora, trained, facts }),
      sampling: samplingOf(settings, input),
    },
    { ...input, ...found, start: base.folder },
  );
}

function samplingOf(
  { sampleTokens: tokens, sampleTemperature: temperature, seed, threads, output }: RunSettings,
  { base, samplePrompts: prompts }: RunInput,
) {
  if (tokens === 0 || prompts.length === 0) return null;
  const basePlaces = [base.lineageBase.folder];
  const options = { tokens, temperature, seed, threads, scratchFolder: output, basePlaces };
  return { prompts, respond: (folder: string) => sampleText(folder, prompts, options) };
}

/** Checkpoints of adapters find their lineage's base beside them, wherever it lies. A link costs nothing and tells where. */
export async function linkBase(output: string, { lineageBase }: Checkpoint): Promise<void> {
  const link = path.join(output, baseFolderName);
  await rm(link, { recursive: true, force: true });
  // A junction on Windows, where links need rights that junctions do not; elsewhere the word means nothing.
  await symlink(path.resolve(lineageBase.folder), link, "junction");
}

type LoadOptions = {
  /** Checkpoint of an interrupted run. */
  resumeFrom: string | null;
  /** Which of the model's tensors; default: all. */
  shapes?: ReadonlyMap<string, readonly number[]>;
};

/**
 * Arrays of their own, in single precision. With an adapter the base stays as it is, and the adapter is where an interrupted
 * run stands, or a copy of the start's, or a new one.
 */
export async function loadWeights(
  base: Checkpoint,
  { lora, seed }: Pick<RunSettings, "lora" | "seed">,
  { resumeFrom, shapes = expectedTensors(base.config) }: LoadOptions,
) {
  if (lora === null) {
    const trained = new Map<string, TrainedParameter>();
    await using complete = await CompleteWeights.open(base);
    using resumed =
      resumeFrom === null ? null : openSafetensors([path.join(resumeFrom, "model.safetensors")]);
    for (const [name, shape] of shapes) {
      trained.set(name, { values: resumed?.read(name) ?? (await complete.read(name)), shape });
    }
    return { trained, frozen: new Map<string, Float32Array>() };
  }
  const trained = createLora(base.config, lora, seed);
  const start = resumeFrom ?? (base.adapter && base.folder);
  if (start !== null) {
    using adapter = openSafetensors([await findAdapterWeights(start)]);
    for (const [name, { values }] of trained) values.set(adapter.read(name));
  }
  return { trained, frozen: new Map([...shapes].map(([name]) => [name, base.tensors.read(name)])) };
}

/** Runs of an earlier version, which may be gone on with, kept the adapter in a folder of its own. */
async function findAdapterWeights(folder: string): Promise<string> {
  const file = path.join(folder, adapterWeightsFile);
  return (await isThere(file)) ? file : path.join(folder, "adapter", adapterWeightsFile);
}
