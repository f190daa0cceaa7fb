/** @file The stages a run can be of: what their settings may be, and what they learn from. */
import { z } from "zod";
import { pretrainConfigSchema } from "@/model/train/pretrain-config";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { ConfigError, parseConfig, settingsSchema } from "@/model/train/run-config";
import { pretrainMixSchema, sftConfigSchema } from "@/model/train/sft-config";
import type { DatasetKind } from "../domain/datasets";
import { AppError } from "../errors";
import type { RunDataset } from "./run-inputs";

export type StageSettings = {
  /** Without what names files, which each worker has elsewhere, and without the name, which is the run's. */
  schema: z.ZodObject;
  /** What it learns from, by role; `data` is always needed. */
  data: { data: DatasetKind; pretrainMix: DatasetKind | null };
  /** Whether its checkpoints have the base as their parent. */
  hasParent: boolean;
};

const [, newTokenizer] = pretrainConfigSchema.shape.tokenizer.options;
const { shape: sft } = sftConfigSchema;

export const stageSettings = {
  pretrain: {
    schema: pretrainConfigSchema.omit({ data: true, output: true, tokenizer: true, name: true }).extend({
      tokenizer: newTokenizer
        .nullable()
        .default(null)
        .describe("a new tokenizer of this size, trained on the data; null: the base's is taken"),
    }),
    data: { data: "documents", pretrainMix: null },
    hasParent: false,
  },
  sft: {
    schema: sftConfigSchema.omit({ data: true, output: true, model: true, name: true }).extend({
      pretrainMix: pretrainMixSchema
        .omit({ data: true })
        .nullable()
        .default(null)
        .describe(sft.pretrainMix.description ?? ""),
    }),
    data: { data: "demonstrations", pretrainMix: "documents" },
    hasParent: true,
  },
  reward: {
    schema: rewardConfigSchema.omit({
      data: true,
      output: true,
      model: true,
      name: true,
      demonstrations: true,
    }),
    data: { data: "rankings", pretrainMix: null },
    hasParent: true,
  },
} as const satisfies Record<string, StageSettings>;

export type TrainableStage = keyof typeof stageSettings;
export const trainableStages = Object.keys(stageSettings) as [TrainableStage, ...TrainableStage[]];

export function isTrainable(stage: string): stage is TrainableStage {
  return Object.hasOwn(stageSettings, stage);
}

/** All settings, defaults filled in. @throws {AppError} BAD_REQUEST, one line per fault */
export function readStageConfig(stage: TrainableStage, config: unknown): Record<string, unknown> {
  const { schema }: StageSettings = stageSettings[stage];
  try {
    return parseConfig(schema, config);
  } catch (error) {
    if (error instanceof ConfigError) throw new AppError("BAD_REQUEST", error.message, { cause: error });
    if (error instanceof z.ZodError) throw new AppError("BAD_REQUEST", "The settings must be an object.");
    throw error;
  }
}

/**
 * What else its settings ask for.
 * @throws {AppError} BAD_REQUEST for a base or a dataset that is missing, or that nothing would use
 */
export function checkNeeds(
  stage: TrainableStage,
  {
    config,
    baseCheckpointId,
    datasets,
  }: { config: Record<string, unknown>; baseCheckpointId: string | null; datasets: readonly RunDataset[] },
): void {
  const { data }: StageSettings = stageSettings[stage];
  const makesTokenizer = stage === "pretrain" && config.tokenizer !== null;
  if (baseCheckpointId === null && !makesTokenizer) {
    throw new AppError("BAD_REQUEST", `A run of ${stage} needs a checkpoint to start from.`);
  }
  if (baseCheckpointId !== null && makesTokenizer) {
    throw new AppError("BAD_REQUEST", "With a tokenizer of its own a run starts from no checkpoint.");
  }
  const has = (role: RunDataset["role"]) => datasets.some((dataset) => dataset.role === role);
  if (!has("data")) throw new AppError("BAD_REQUEST", `A run of ${stage} needs a dataset of ${data.data}.`);
  if (data.pretrainMix === null && has("pretrainMix")) {
    throw new AppError("BAD_REQUEST", `${stage} takes no pretrainMix.`);
  }
  const isMixed = (config.pretrainMix ?? null) !== null;
  if (isMixed && !has("pretrainMix")) {
    throw new AppError("BAD_REQUEST", "pretrainMix needs a dataset of documents to mix in.");
  }
  if (!isMixed && has("pretrainMix")) {
    throw new AppError("BAD_REQUEST", "A dataset to mix in needs the setting pretrainMix, with its share.");
  }
}

/** For a form: each stage's settings as JSON Schema, with description and default of every field. */
export function describeStages() {
  return trainableStages.map((stage) => {
    const { schema, data }: StageSettings = stageSettings[stage];
    return { stage, data, settings: settingsSchema(schema, stage) };
  });
}
