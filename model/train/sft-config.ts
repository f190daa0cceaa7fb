/** @file What `attune sft` can be told: one schema for the command line, other trainers (as JSON Schema) and the defaults. */
import { z } from "zod";
import { commonSettings } from "./run-config";

export const loraSchema = z.strictObject({
  rank: z
    .int()
    .positive()
    .max(1024)
    .nullable()
    .default(null)
    .describe("inner width of the adapter; null: that of the adapter it starts from, else 16"),
  alpha: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe(
      "the adapter's product is scaled by alpha / rank; null: as the adapter it starts from, else 32",
    ),
  targets: z
    .array(z.string().min(1))
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "last names of the layers it stands beside (q_proj, …); null: those of the adapter it starts from, else every layer",
    ),
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
    .default({ rank: null, alpha: null, targets: null })
    .describe(
      "train an adapter, the one it starts from or a new one; null: train every weight, merged before",
    ),
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
