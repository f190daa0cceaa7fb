/** @file The stages a run can be of: what their settings may be, and what they learn from. */
import { z } from "zod";
import { evalConfigSchema } from "@/model/eval/eval-config";
import { suiteNameSchema } from "@/model/eval/suites/suite";
import { ppoConfigSchema, refuseContradictions, scorePartSchema } from "@/model/train/ppo-config";
import { type PpoPreset, ppoPresets } from "@/model/train/ppo-presets";
import { pretrainConfigSchema } from "@/model/train/pretrain-config";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { ConfigError, parseConfig, settingsSchema } from "@/model/train/run-config";
import { pretrainMixSchema, sftConfigSchema } from "@/model/train/sft-config";
import type { DatasetKind } from "../domain/datasets";
import { AppError } from "../errors";
import type { RunDataset, RunRewardModel } from "./run-inputs";

export type StageSettings = {
  /** Without what names files, which each worker has elsewhere, and without the name, which is the run's. */
  schema: z.ZodObject;
  /** What it learns from, by role; null: nothing. Where `data` is not null it is needed. */
  data: { data: DatasetKind | null; pretrainMix: DatasetKind | null };
  /** The setting that goes with datasets of the role `pretrainMix`. */
  mixSetting: "pretrainMix" | "ptx" | null;
  /** Whether reward models score what it says. */
  takesRewardModels: boolean;
  /** Whether its checkpoints have the base as their parent. */
  hasParent: boolean;
  /** Settings for several sizes of patience. */
  presets: readonly PpoPreset[];
};

const [, newTokenizer] = pretrainConfigSchema.shape.tokenizer.options;
const { shape: sft } = sftConfigSchema;
const { shape: ppo } = ppoConfigSchema;
const [rulesPart, , endpointPart] = scorePartSchema.options;
/** The part that a reward model of the role `judge` is. */
export const judgePartName = "judge";

export const stageSettings = {
  pretrain: {
    schema: pretrainConfigSchema.omit({ data: true, output: true, tokenizer: true, name: true }).extend({
      tokenizer: newTokenizer
        .nullable()
        .default(null)
        .describe("a new tokenizer of this size, trained on the data; null: the base's is taken"),
    }),
    data: { data: "documents", pretrainMix: null },
    mixSetting: null,
    takesRewardModels: false,
    presets: [],
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
    mixSetting: "pretrainMix",
    takesRewardModels: false,
    presets: [],
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
    mixSetting: null,
    takesRewardModels: false,
    presets: [],
    hasParent: true,
  },
  ppo: {
    schema: ppoConfigSchema
      .omit({ data: true, output: true, model: true, rewardModels: true, name: true })
      .extend({
        // A reward model that watches is chosen beside the others; see `judgePartName`.
        parts: z
          .array(z.discriminatedUnion("type", [rulesPart, endpointPart]))
          .default([])
          .describe(ppo.parts.description ?? ""),
        ptx: ppo.ptx
          .unwrap()
          .unwrap()
          .omit({ data: true })
          .nullable()
          .default(null)
          .describe(ppo.ptx.description ?? ""),
      }),
    data: { data: "prompts", pretrainMix: "documents" },
    mixSetting: "ptx",
    takesRewardModels: true,
    presets: ppoPresets,
    hasParent: true,
  },
  /** Learns nothing: it measures its base. */
  eval: {
    schema: evalConfigSchema.omit({ model: true, output: true, against: true, suites: true }).extend({
      suites: z
        .array(suiteNameSchema)
        .max(50)
        .nullable()
        .default(null)
        .describe("those that ship or were uploaded, by name; null: all that ship"),
      cases: z.boolean().default(true).describe("every pinned regression case is asked, too"),
    }),
    data: { data: null, pretrainMix: null },
    mixSetting: null,
    takesRewardModels: false,
    presets: [],
    hasParent: false,
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
    const settings = parseConfig(schema, config);
    if (stage === "ppo") refuseContradictions(stageSettings.ppo.schema.parse(settings));
    return settings;
  } catch (error) {
    if (error instanceof ConfigError) throw new AppError("BAD_REQUEST", error.message, { cause: error });
    if (error instanceof z.ZodError) throw new AppError("BAD_REQUEST", "The settings must be an object.");
    throw error;
  }
}

/**
 * What else its settings ask for.
 * @throws {AppError} BAD_REQUEST for a base, a dataset or a reward model that is missing, or that nothing would use
 */
export function checkNeeds(
  stage: TrainableStage,
  {
    config,
    baseCheckpointId,
    datasets,
    rewardModels,
  }: {
    config: Record<string, unknown>;
    baseCheckpointId: string | null;
    datasets: readonly RunDataset[];
    rewardModels: readonly RunRewardModel[];
  },
): void {
  const { data, mixSetting }: StageSettings = stageSettings[stage];
  const makesTokenizer = stage === "pretrain" && config.tokenizer !== null;
  if (baseCheckpointId === null && !makesTokenizer) {
    throw new AppError("BAD_REQUEST", `A run of ${stage} needs a checkpoint to start from.`);
  }
  if (baseCheckpointId !== null && makesTokenizer) {
    throw new AppError("BAD_REQUEST", "With a tokenizer of its own a run starts from no checkpoint.");
  }
  const has = (role: RunDataset["role"]) => datasets.some((dataset) => dataset.role === role);
  if (data.data === null && has("data")) throw new AppError("BAD_REQUEST", `${stage} takes no dataset.`);
  if (data.data !== null && !has("data"))
    throw new AppError("BAD_REQUEST", `A run of ${stage} needs a dataset of ${data.data}.`);
  checkMix(stage, { config, mixSetting, isGiven: has("pretrainMix") });
  checkRewardModelRoles(stage, { config, rewardModels });
}

function checkMix(
  stage: TrainableStage,
  {
    config,
    mixSetting,
    isGiven,
  }: { config: Record<string, unknown>; mixSetting: StageSettings["mixSetting"]; isGiven: boolean },
): void {
  if (mixSetting === null) {
    if (isGiven) throw new AppError("BAD_REQUEST", `${stage} takes no pretrainMix.`);
    return;
  }
  const isMixed = (config[mixSetting] ?? null) !== null;
  if (isMixed && !isGiven) {
    throw new AppError("BAD_REQUEST", `${mixSetting} needs a dataset of documents to mix in.`);
  }
  if (!isMixed && isGiven) {
    throw new AppError("BAD_REQUEST", `A dataset to mix in needs the setting ${mixSetting}.`);
  }
}

function checkRewardModelRoles(
  stage: TrainableStage,
  { config, rewardModels }: { config: Record<string, unknown>; rewardModels: readonly RunRewardModel[] },
): void {
  const { takesRewardModels }: StageSettings = stageSettings[stage];
  const count = (role: RunRewardModel["role"]) => rewardModels.filter((each) => each.role === role).length;
  if (!takesRewardModels) {
    if (rewardModels.length > 0) throw new AppError("BAD_REQUEST", `${stage} takes no reward model.`);
    return;
  }
  if (count("score") === 0) throw new AppError("BAD_REQUEST", `A run of ${stage} needs a reward model.`);
  if (count("judge") > 1) throw new AppError("BAD_REQUEST", "One reward model at most can be the judge.");
  if (count("judge") === 0) return;
  const { judge, parts } = stageSettings.ppo.schema.parse(config);
  if (judge !== null)
    throw new AppError(
      "BAD_REQUEST",
      `judge: a reward model was chosen as the judge; “${judge}” cannot be it too.`,
    );
  if (parts.some(({ name }) => name === judgePartName))
    throw new AppError("BAD_REQUEST", `parts: the name ${judgePartName} is that of the chosen judge.`);
}

/** For a form: each stage's settings as JSON Schema, with description and default of every field. */
export function describeStages() {
  return trainableStages.map((stage) => {
    const { schema, ...rest }: StageSettings = stageSettings[stage];
    const { data, mixSetting, takesRewardModels, presets } = rest;
    return { stage, data, mixSetting, takesRewardModels, presets, settings: settingsSchema(schema, stage) };
  });
}
