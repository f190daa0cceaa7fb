/** @file The stages a run can be of: what their settings may be, and what they learn from. */
import { z } from "zod";
import { pretrainConfigSchema } from "@/model/train/pretrain-config";
import { ConfigError, parseConfig } from "@/model/train/run-config";
import { sftConfigSchema } from "@/model/train/sft-config";
import type { DatasetKind } from "../domain/datasets";
import { AppError } from "../errors";

type StageSettings = {
  /** Without what names files, which each worker has elsewhere, and without the name, which is the run's. */
  schema: z.ZodObject;
  dataKind: DatasetKind;
  /** Whether its checkpoints have the base as their parent. */
  hasParent: boolean;
};

export const stageSettings = {
  pretrain: {
    schema: pretrainConfigSchema.omit({ data: true, output: true, tokenizer: true, name: true }),
    dataKind: "documents",
    hasParent: false,
  },
  sft: {
    schema: sftConfigSchema.omit({ data: true, output: true, model: true, name: true }),
    dataKind: "demonstrations",
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

/** For a form: each stage's settings as JSON Schema, with description and default of every field. */
export function describeStages() {
  return trainableStages.map((stage) => {
    const { schema, dataKind }: StageSettings = stageSettings[stage];
    return { stage, dataKind, settings: z.toJSONSchema(schema, { io: "input" }) };
  });
}
