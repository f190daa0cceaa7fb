/** @file Sampling parameters a person may set, their bounds, and what holds where they set none. */
import { z } from "zod";
import type { Sampling } from "@/model/runtime/types";

export const defaultSampling: Sampling = {
  temperature: 0.6,
  topK: 0,
  topP: 0.92,
  minP: 0,
  repetitionPenalty: 1.1,
  maxTokens: 1024,
  stop: [],
  seed: null,
};

/** Overrides of the defaults; a field left out follows them. Bounds are the same for chat and API. */
export const samplingOverridesSchema = z
  .object({
    temperature: z.number().min(0).max(2),
    topK: z.int().min(0).max(1000),
    topP: z.number().gt(0).max(1),
    minP: z.number().min(0).max(1),
    repetitionPenalty: z.number().min(0.5).max(2),
    maxTokens: z.int().min(1).max(32_768),
    stop: z.array(z.string().min(1).max(200)).max(8),
    seed: z.int().min(0).max(2_147_483_647).nullable(),
  })
  .partial();

/** Answers written to one question, of which the best is shown; 1 is none but that one. */
export const bestOfSchema = z.int().min(1).max(8, "At most 8 answers are written to one question.");

export type SamplingOverrides = z.infer<typeof samplingOverridesSchema>;

/** What the policy is asked for: our defaults, under the admin's, under the person's own. */
export function resolveSampling(adminDefaults: SamplingOverrides, overrides: SamplingOverrides): Sampling {
  return { ...defaultSampling, ...adminDefaults, ...overrides };
}
