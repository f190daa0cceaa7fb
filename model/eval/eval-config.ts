/** @file Settings of `attune eval`. */
import { z } from "zod";
import { suiteVariants } from "./suites/suite-result";

export const evalConfigSchema = z.strictObject({
  model: z.string().min(1).describe("folder of the checkpoint that is measured"),
  output: z.string().min(1).describe("folder for the report and the transcripts"),
  suites: z
    .array(z.string().min(1))
    .nullable()
    .default(null)
    .describe("folders of suites, or names of those that ship; null: all that ship"),
  variants: z
    .array(z.enum(suiteVariants))
    .min(1)
    .default([...suiteVariants])
    .describe("the ways of asking, where a suite has them"),
  items: z
    .int()
    .min(5)
    .nullable()
    .default(null)
    .describe("of each suite at most so many, drawn, always the same ones; null: all"),
  precision: z
    .enum(["fp32", "int8", "int4"])
    .nullable()
    .default(null)
    .describe("the form that is measured; null: the one that is served"),
  parityResponses: z
    .int()
    .min(0)
    .default(16)
    .describe("responses on which the served form is held against the exact weights; 0: none"),
  against: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "reports of other checkpoints (folders or files): differences from them are told, item by item",
    ),
  seed: z.int().nonnegative().default(1).describe("of the intervals"),
  threads: z.int().positive().nullable().default(null).describe("null: one per core, at most 8"),
});
export type EvalConfig = z.infer<typeof evalConfigSchema>;
