/** @file What `attune sft` can be told: one schema for the command line, other trainers (as JSON Schema) and the defaults. */
import { z } from "zod";
import { commonSettings } from "./run-config";

export const loraSchema = z.strictObject({
  rank: z.int().positive().max(1024).default(16),
  alpha: z.number().positive().default(32),
  targets: z
    .array(z.string().min(1))
    .min(1)
    .nullable()
    .default(null)
    .describe("names of layers; null: every layer"),
});

export const sftConfigSchema = z.strictObject({
  ...commonSettings,
  model: z.string().min(1).describe("checkpoint folder to start from"),
  data: z.array(z.string().min(1)).min(1).describe("JSONL files of demonstrations"),
  name: commonSettings.name.default("SFT"),
  lora: loraSchema
    .nullable()
    .default({ rank: 16, alpha: 32, targets: null })
    .describe("null: train every weight"),
  lr: z
    .number()
    .positive()
    .default(2e-4)
    .describe("peak learning rate; about 1e-5 when every weight is trained"),
});

export type SftConfig = z.output<typeof sftConfigSchema>;
