/** @file What `attune pretrain` can be told. */
import { z } from "zod";
import { leastVocabulary } from "../tokenizer/train-tokenizer";
import { commonSettings } from "./run-config";

const common = {
  hiddenSize: z.int().positive().default(128).describe("width of the residual stream"),
  intermediateSize: z.int().positive().default(384).describe("width inside the MLP"),
  layerCount: z.int().positive().default(4).describe("blocks"),
  headCount: z.int().positive().default(4).describe("attention heads; divides hiddenSize"),
  contextLength: z.int().min(8).default(512).describe("longest text in tokens"),
};

const llamaSchema = z.strictObject({
  family: z.literal("llama").describe("RMSNorm, rotary positions, SwiGLU, grouped-query attention"),
  ...common,
  keyValueHeadCount: z.int().positive().default(2).describe("heads of keys and values; divides headCount"),
});
const gpt2Schema = z.strictObject({
  family: z.literal("gpt2").describe("LayerNorm, learned positions, GELU"),
  ...common,
});

export const architectureSchema = z
  .discriminatedUnion("family", [llamaSchema, gpt2Schema])
  .superRefine((architecture, context) => {
    const { hiddenSize, headCount } = architecture;
    const fault = (key: string, message: string) =>
      context.addIssue({ code: "custom", path: [key], message });
    if (hiddenSize % headCount !== 0) {
      fault("headCount", `${headCount} heads do not divide a hiddenSize of ${hiddenSize}`);
      return;
    }
    if (architecture.family !== "llama") return;
    const { keyValueHeadCount } = architecture;
    const headSize = hiddenSize / headCount;
    if (headSize % 2 !== 0) {
      fault(
        "headCount",
        `heads of ${headSize} are odd (hiddenSize / headCount); rotary positions turn pairs of numbers`,
      );
    }
    if (headCount % keyValueHeadCount !== 0)
      fault("keyValueHeadCount", `${keyValueHeadCount} do not divide a headCount of ${headCount}`);
  });

export const pretrainConfigSchema = z.strictObject({
  ...commonSettings,
  data: z
    .array(z.string().min(1))
    .min(1)
    .describe("text files, cut into documents at line ends, or JSONL with a field text or messages"),
  tokenizer: z
    .union([
      z.string().min(1),
      z.strictObject({
        vocabularySize: z
          .int()
          .min(leastVocabulary)
          .max(2 ** 20)
          .describe("tokens, the 256 bytes and 4 special ones included"),
      }),
    ])
    .describe("checkpoint folder whose tokenizer and chat template are taken, or the size of a new one"),
  name: commonSettings.name.default("Base"),
  architecture: architectureSchema
    .prefault({ family: "llama" })
    .describe("of the new model; embeddings and head share their weights"),
  initializerRange: z.number().positive().default(0.02).describe("standard deviation of new weights"),
  lr: z.number().positive().default(1e-3).describe("peak learning rate"),
  weightDecay: commonSettings.weightDecay.default(0.1),
  samplePrompts: commonSettings.samplePrompts.describe(
    "beginnings to go on from as the model learns; null: those of three held-out documents",
  ),
});

export type PretrainConfig = z.output<typeof pretrainConfigSchema>;
export type Architecture = z.output<typeof architectureSchema>;
