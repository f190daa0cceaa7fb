/** @file What `attune sft` can be told: one schema for the command line, other trainers (as JSON Schema) and the defaults. */
import { z } from "zod";
import { commonSettings } from "./run-config";

export const loraSchema = z.strictObject({
  rank: z.int().positive().max(1024).default(16).describe("inner width of the adapter"),
  alpha: z.number().positive().default(32).describe("the adapter's product is scaled by alpha / rank"),
  targets: z
    .array(z.string().min(1))
    .min(1)
    .nullable()
    .default(null)
    .describe("last names of the layers it stands beside (q_proj, …); null: every layer"),
});

export const pretrainMixSchema = z.strictObject({
  data: z.array(z.string().min(1)).min(1).describe("text files or JSONL, as pretrain reads them"),
  share: z.number().gt(0).max(0.9).default(0.1).describe("of all tokens of an epoch"),
});

export const sftConfigSchema = z.strictObject({
  ...commonSettings,
  model: z.string().min(1).describe("checkpoint folder to start from"),
  data: z.array(z.string().min(1)).min(1).describe("JSONL files of demonstrations"),
  name: commonSettings.name.default("SFT"),
  lora: loraSchema
    .nullable()
    .default({ rank: 16, alpha: 32, targets: null })
    .describe("train an adapter; null: train every weight"),
  lr: z
    .number()
    .positive()
    .default(2e-4)
    .describe("peak learning rate; about 1e-5 when every weight is trained"),
  pretrainMix: pretrainMixSchema
    .nullable()
    .default(null)
    .describe(
      "plain text mixed in, so that the model keeps what it knew; all its tokens count; null: none. " +
        "Validation stays on demonstrations",
    ),
});

export type SftConfig = z.output<typeof sftConfigSchema>;
