/** @file What `attune pretrain` can be told. */
import { z } from "zod";
import { commonSettings } from "./run-config";

const common = {
  hiddenSize: z.int().positive().default(128),
  intermediateSize: z.int().positive().default(384),
  layerCount: z.int().positive().default(4),
  headCount: z.int().positive().default(4),
  contextLength: z.int().min(8).default(512),
};

export const architectureSchema = z.discriminatedUnion("family", [
  z.strictObject({ family: z.literal("llama"), ...common, keyValueHeadCount: z.int().positive().default(2) }),
  z.strictObject({ family: z.literal("gpt2"), ...common }),
]);

export const pretrainConfigSchema = z.strictObject({
  ...commonSettings,
  data: z
    .array(z.string().min(1))
    .min(1)
    .describe("text files, one document each, or JSONL with a field text"),
  tokenizer: z.string().min(1).describe("checkpoint folder whose tokenizer and chat template are taken"),
  name: commonSettings.name.default("Base"),
  architecture: architectureSchema.prefault({ family: "llama" }),
  initializerRange: z.number().positive().default(0.02).describe("deviation of new weights"),
  lr: z.number().positive().default(1e-3).describe("peak learning rate"),
  weightDecay: commonSettings.weightDecay.default(0.1),
});

export type PretrainConfig = z.output<typeof pretrainConfigSchema>;
export type Architecture = z.output<typeof architectureSchema>;
